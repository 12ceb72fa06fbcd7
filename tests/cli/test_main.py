"""The whole program: real processes, exit codes, what is imported and when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_control import HOSTILE_WORDS, FakeControl, delivery, destination
from tests.support.operator_daemon import serving

REPOSITORY = Path(__file__).parents[2]


def gateway(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DICOM_GATEWAY")}
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments],
        capture_output=True, text=True, timeout=60, cwd=REPOSITORY, env={**clean, **environment},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_no_daemon_is_exit_code_4_and_says_which_socket_and_how_to_start(tmp_path: Path) -> None:
    result = gateway("status", "--socket", str(tmp_path / "none.sock"))
    assert result.returncode == 4
    assert str(tmp_path / "none.sock") in result.stderr
    assert "dicom-gateway run --config" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["status", "--no-such-option"], ["queue"]])
def test_what_is_not_understood_is_exit_code_2(arguments: list[str]) -> None:
    assert gateway(*arguments).returncode == 2


def test_help_and_version_need_nothing() -> None:
    assert "Exit codes" in gateway("--help").stdout
    assert gateway("--version").stdout.startswith("dicom-gateway 0.")


def test_it_talks_to_a_daemon(tmp_path: Path) -> None:
    control = FakeControl()
    control.destinations = [destination(link_reason=HOSTILE_WORDS)]
    with serving(control, tmp_path / "op.sock") as daemon:
        result = gateway("status", DICOM_GATEWAY_SOCKET=str(daemon.path), FORCE_COLOR="1")
        assert result.returncode == 0
        assert result.stdout.startswith("Everything received")
        assert "\x1b" not in result.stdout
        shown = gateway("queue", "show", "1", "--json", DICOM_GATEWAY_SOCKET=str(daemon.path))
        assert json.loads(shown.stdout)["delivery"]["number"] == 1


def test_output_into_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    control = FakeControl()
    control.rows = [delivery(number) for number in range(1, 1001)]
    with serving(control, tmp_path / "op.sock") as daemon:
        command = f"{sys.executable} -m gateway.cli queue list --limit 1000 --socket {daemon.path} | head -1"
        result = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=60, cwd=REPOSITORY
        )
    assert "number" in result.stdout
    assert "Traceback" not in result.stderr


def test_watching_goes_on_until_it_is_interrupted(tmp_path: Path) -> None:
    with serving(FakeControl(), tmp_path / "op.sock") as daemon:
        # A shell that runs the tests in the background has them ignore SIGINT, and children inherit that.
        heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        start = f"{heed}from gateway.cli import main; main()"
        command = [sys.executable, "-c", start, "status", "--watch", "--interval", "0.1", "--json"]
        environment = {**os.environ, "DICOM_GATEWAY_SOCKET": str(daemon.path), "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=environment,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            seen = 0
            for line in process.stdout:
                seen += '"headline"' in line
                if seen == 3:
                    break
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            assert process.stderr.read() == ""
            assert process.wait(10) == 0


def test_the_shell_completes_commands() -> None:
    asked = {"_DICOM_GATEWAY_COMPLETE": "bash_complete", "COMP_WORDS": "dicom-gateway qu", "COMP_CWORD": "1"}
    assert gateway(**asked).stdout == "plain,queue\n"


def imported_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=60
    ).stdout
    return {name.partition(".")[0] for name in output.splitlines()[-1].split()}


def test_run_imports_click_and_nothing_that_the_daemon_would_carry_along() -> None:
    modules = imported_by("import gateway.cli, gateway.cli.run")
    assert "click" in modules
    assert not modules & {"rich", "pydantic", "pynetdicom", "aiohttp", "http", "cryptography"}


def test_the_daemon_carries_no_numbers_but_its_own() -> None:
    assert not imported_by("import gateway.app") & {"statistics", "fractions", "decimal", "difflib"}


def test_the_operator_api_needs_no_web_framework() -> None:
    modules = imported_by("import gateway.operator.api")
    assert not modules & {"rich", "click", "pydantic", "pynetdicom", "aiohttp"}
