"""echo and send: through a daemon, and without one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support.fake_control import FILE, FakeControl
from tests.support.objects import IMPLICIT_LITTLE, part10
from tests.support.ports import free_port
from tests.support.receiver import Receiver

Run = Callable[..., Result]
RT_IMAGE = "1.2.840.10008.5.1.4.1.1.481.1"


def test_echo_shows_each_step(run: Run) -> None:
    result = run("echo", "oncology")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "oncology answers (0.6 s)."
    assert "TCP connection" in result.stdout


def test_echo_that_fails_says_what_to_do(run: Run, control: FakeControl) -> None:
    control.echo_ok = False
    result = run("echo", "oncology")
    assert result.exit_code == 5
    assert "failed  TLS handshake" in result.stdout
    assert "Next: Ask the centre for a new certificate." in result.stdout
    failed = run("echo", "oncology", "--json")
    assert failed.exit_code == 5
    assert json.loads(failed.stdout)["steps"][-1]["step"] == "tls"


def test_an_unknown_peer_is_said(run: Run) -> None:
    assert "nobody" in run("echo", "nobody").stderr


def test_send_takes_files_and_folders(run: Run, control: FakeControl, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    (folder / "b.dcm").write_bytes(FILE)
    (folder / "notes.txt").write_text("not DICOM")
    (folder / "loop").symlink_to(folder.parent)
    (tmp_path / "a.dcm").write_bytes(FILE)
    result = run("send", "oncology", "a.dcm", "in")
    assert result.exit_code == 0, result.output
    assert control.sent == [FILE, FILE]
    assert result.stdout.startswith("oncology accepted 2 of 2 files")
    assert "RT Image Storage" in result.stdout
    assert "not DICOM" in result.stderr


def test_one_bad_file_does_not_keep_the_others(run: Run, control: FakeControl, tmp_path: Path) -> None:
    (tmp_path / "bad.dcm").write_text("x" * 500)
    (tmp_path / "good.dcm").write_bytes(FILE)
    result = run("send", "oncology", "bad.dcm", "good.dcm", "--json")
    assert result.exit_code == 1
    assert [entry["ok"] for entry in json.loads(result.stdout)] == [False, True]
    assert control.sent == [FILE]


def test_nothing_to_send_and_nobody_to_send_to(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("send", "oncology", "empty").exit_code == 1
    assert run("send", "oncology", "missing.dcm").exit_code == 2
    (tmp_path / "a.dcm").write_bytes(FILE)
    assert "nobody" in run("send", "nobody", "a.dcm").stderr


@pytest.fixture(scope="module")
def centre() -> Iterator[Receiver]:
    with Receiver(ae_title="ARIA") as receiver:
        yield receiver


@pytest.fixture
def config(tmp_path: Path, centre: Receiver) -> str:
    """A configuration whose daemon does not run."""
    path = tmp_path / "gateway.toml"
    path.write_text(f"""
        [gateway]
        name = "trial"
        ae_title = "CLINIC07"
        state_dir = "state"
        [operator]
        socket = "none.sock"
        [[peer]]
        name = "centre"
        ae_title = "ARIA"
        host = "127.0.0.1"
        port = {centre.port}
        [[peer]]
        name = "away"
        ae_title = "AWAY"
        host = "127.0.0.1"
        port = {free_port()}
        [[listener]]
        name = "console"
        address = "127.0.0.1"
        port = 11112
        [[route]]
        called = "ARIA"
        to = ["centre"]
    """)
    return str(path)


@pytest.fixture
def alone(run: Run, config: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command where no daemon runs."""
    monkeypatch.delenv("DICOM_GATEWAY_SOCKET")
    return lambda *arguments: run(*arguments, "--config", config)


def test_echo_without_a_daemon_dials_from_here(alone: Run) -> None:
    result = alone("echo", "centre")
    assert result.exit_code == 0, result.output
    assert "dialling from here" in result.stderr
    assert alone("echo", "away").exit_code == 5
    unknown = alone("echo", "nobody")
    assert unknown.exit_code == 1
    assert "Its peers: centre, away." in unknown.stderr


def test_send_without_a_daemon_goes_from_here(alone: Run, centre: Receiver, tmp_path: Path) -> None:
    body = b"\x09\x00\x10\x00\x08\x00\x00\x00DIRECTLY"
    folder = tmp_path / "objects"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.dcm").write_bytes(part10(RT_IMAGE, f"1.2.3.{number}", IMPLICIT_LITTLE, body))
    result = alone("send", "centre", str(folder))
    assert result.exit_code == 0, result.output
    centre.wait_stored(3)
    assert [event["digest"] for event in centre.stored()] == [hashlib.sha256(body).hexdigest()] * 3
    assert len(centre.events("association")) == 2  # one of the echo before, one for the three files
    centre.mood("status 0xC000")
    refused = alone("send", "centre", str(folder), "--json")
    centre.mood("accept")
    assert refused.exit_code == 5
    assert {entry["report"]["status"] for entry in json.loads(refused.stdout)} == {"0xC000"}
