"""The commands against the daemon: a console has sent, the centre is away, nothing names the patient."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console import Console
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.objects import EXPLICIT_LITTLE, part10, small_object
from tests.support.ports import free_port
from tests.support.receiver import Receiver

REPOSITORY = Path(__file__).parents[2]
RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
UID = "1.2.826.0.1.3680043.8.498.20261122"
PATIENT = b"PAT-4711 DOE^JANE"
SECRETS = (UID, "PAT-4711", "DOE^JANE")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    directory = tmp_path_factory.mktemp("gw")
    archive = Receiver(ae_title="ARCHIVE").start()
    gateway = GatewayProcess(
        directory,
        peers=[peer("centre", "CENTRE", free_port()), peer("archive", "ARCHIVE", archive.port)],
        routes=[{"called": "CENTRE", "to": ["centre"]}],
    )
    gateway.start()
    try:
        with Console(gateway.port, "CENTRE", sop_classes=[RECORD]) as console:
            assert console.store(RECORD, UID, small_object(RECORD, UID, PATIENT)) == 0
            console.release()
        yield gateway
    finally:
        gateway.stop()
        archive.stop()


def ask(daemon: GatewayProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments], capture_output=True, text=True, timeout=60,
        cwd=REPOSITORY, env={**os.environ, "DICOM_GATEWAY_SOCKET": str(daemon.socket)},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


STEPS = [
    (["status"], 0, "1 record waits for CENTRE"),
    (["status", "--check"], 0, "1 record"),
    (["status", "--check", "--max-wait", "0"], 6, "has waited"),
    (["queue", "list"], 0, "RT Beams Treatment Record Storage"),
    (["queue", "show", "1"], 0, "association"),
    (["echo", "centre"], 5, "refused"),
    (["queue", "pause", "centre"], 0, "paused"),
    (["queue", "hold", "1", "--reason", "physics first"], 0, "held now"),
    (["status", "--check"], 6, "is held"),
    (["queue", "show", "1"], 0, f"(uid {os.getuid()}): physics first"),
    (["queue", "release", "1"], 0, "queued now"),
    (["queue", "resume", "centre"], 0, "goes on"),
    (["queue", "retry", "--all"], 0, "tried now"),
    (["queue", "export", "1", "/proc/no"], 1, "cannot be written"),
]


def test_an_operators_day(daemon: GatewayProcess) -> None:
    for arguments, code, words in STEPS:
        result = ask(daemon, *arguments)
        shown = result.stdout + result.stderr
        assert result.returncode == code, shown
        assert words in shown
        for secret in SECRETS:
            assert secret not in shown


@pytest.mark.parametrize("command", ["status", "queue list", "queue show 1", "echo centre"])
def test_facts_name_no_patient_either(daemon: GatewayProcess, command: str) -> None:
    shown = ask(daemon, *command.split(), "--json").stdout
    json.loads(shown)
    for secret in SECRETS:
        assert secret not in shown


def test_peers_are_verified_and_sent_to_through_the_daemon(daemon: GatewayProcess, tmp_path: Path) -> None:
    assert ask(daemon, "echo", "archive").returncode == 0
    for number in range(3):
        body = small_object(RECORD, f"{UID}.{number}", PATIENT)
        (tmp_path / f"{number}.dcm").write_bytes(part10(RECORD, f"{UID}.{number}", EXPLICIT_LITTLE, body))
    sent = ask(daemon, "send", "archive", str(tmp_path))
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout.startswith("archive accepted 3 of 3 files")
    assert ask(daemon, "send", "centre", str(tmp_path)).returncode == 5


def test_an_export_holds_what_was_sent(daemon: GatewayProcess, tmp_path: Path) -> None:
    target = tmp_path / "record.dcm"
    assert ask(daemon, "queue", "export", "1", str(target)).returncode == 0
    assert target.read_bytes().endswith(small_object(RECORD, UID, PATIENT))


def test_a_second_daemon_does_not_take_the_socket(daemon: GatewayProcess) -> None:
    second = ask(daemon, "run", "--config", str(daemon.config))
    assert second.returncode == 1
    assert ask(daemon, "status").returncode == 0


def test_a_configuration_that_is_not_valid_ends_run_with_3(tmp_path: Path, daemon: GatewayProcess) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[gateway]\nname = 5\n")
    result = ask(daemon, "run", "--config", str(bad))
    assert result.returncode == 3
    assert "name" in result.stderr
    assert "Traceback" not in result.stderr
