"""`dicom-gateway config`: against a real keeper, whose restarts happen as soon as they are asked for."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import cli
from gateway.operator.api import OperatorServer
from gateway.operator.sections.configuration import ConfigurationSection
from tests.support.configured import CONFIG, Configured
from tests.support.fake_control import FakeControl

OTHER = CONFIG.replace("11112", "11113")


class Daemon(threading.Thread):
    """Serves a configuration, and starts again when it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.socket = folder / "op.sock"
        self.ready = threading.Event()
        self.box: Configured
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self.box = Configured(self.folder)
        await self.box.start()
        while not self._end.is_set():
            server = OperatorServer(FakeControl(), self.socket, sections=[ConfigurationSection(self.box)])
            await server.start()
            self.ready.set()
            waits = [asyncio.ensure_future(one.wait()) for one in (self.box.restarted, self._end)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()
            await server.close()
            if not self._end.is_set():
                await self.box.again()
        await self.box.stop()

    def late(self, seconds: float) -> None:
        self._loop.call_soon_threadsafe(self.box.late, seconds)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self.join()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path)
    running.start()
    assert running.ready.wait(30)
    yield running
    running.stop()


@pytest.fixture
def run(daemon: Daemon) -> Callable[..., Result]:
    def invoke(*arguments: str) -> Result:
        command = ["config", arguments[0], "--socket", str(daemon.socket), *arguments[1:]]
        result = CliRunner().invoke(cli, command, prog_name="dicom-gateway")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


def facts(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_edited_in_place_applied_and_kept(daemon: Daemon, run: Callable[..., Result]) -> None:
    assert "The gateway runs with version 1." in run("show").stdout
    daemon.box.main.write_text(OTHER)
    assert "edited on the disk" in run("show").stdout
    applied = run("apply", "--why", "a new port")
    assert applied.exit_code == 0, applied.output
    assert "version 2 on trial; 120 s are left" in applied.stdout
    assert "config confirm" in applied.stderr
    assert run("confirm").stdout == "Version 2 stays in force.\n"
    assert run("confirm").exit_code == 1
    history = run("history").stdout.splitlines()
    assert history[1].split()[0] == "2"
    assert history[1].endswith("yes   a new port")


def test_a_copy_is_applied_and_taken_back(daemon: Daemon, run: Callable[..., Result], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "conf.d").mkdir(parents=True)
    (copy / "any-name.toml").write_text(OTHER)
    (copy / "conf.d" / "more.toml").write_text("# more\n")
    state = facts(run("apply", str(copy / "any-name.toml"), "--within", "10m", "--json"))
    assert state["trial"]["window"] == 600
    assert (tmp_path / "conf.d" / "more.toml").read_text() == "# more\n"
    back = run("rollback", "--why", "no good")
    assert back.exit_code == 0, back.output
    assert "the last change was put back (no good)" in back.stdout
    assert daemon.box.main.read_text() == CONFIG
    kept = run("rollback", "2", "--keep")
    assert kept.exit_code == 0, kept.output
    assert daemon.box.main.read_text() == OTHER
    assert facts(run("show", "--json"))["state"]["trial"] is None


def test_differences(daemon: Daemon, run: Callable[..., Result]) -> None:
    daemon.box.main.write_text(OTHER)
    result = run("diff", "1")
    assert result.exit_code == 1
    assert "-port = 11112\n+port = 11113\n" in result.stdout
    assert run("diff", "1", "1").exit_code == 0
    assert run("diff", "9").exit_code == 1


def test_a_check_names_problems_and_hazards(
    daemon: Daemon, run: Callable[..., Result], tmp_path: Path
) -> None:
    assert run("check").stdout == "valid\n"
    bad = tmp_path / "bad.toml"
    bad.write_text("bogus = 1\n" + CONFIG)
    result = run("check", str(bad))
    assert result.exit_code == 3
    assert "gateway.toml:1" in result.stdout
    refused = run("apply", str(bad))
    assert (refused.exit_code, "would not start" in refused.stderr) == (1, True)
    daemon.box.undelivered = {"oncology": 4}
    bad.write_text(CONFIG[: CONFIG.index("[[peer]]")])
    assert "peer:oncology: " in run("check", str(bad)).stdout
    refused = run("apply", str(bad))
    assert "acknowledge it: peer:oncology" in refused.stderr
    assert run("apply", str(bad), "--acknowledge", "peer:oncology", "--keep").exit_code == 0
    bad.write_bytes(b"\xff")
    assert run("check", str(bad)).exit_code == 1


def test_hostile_text_cannot_write_to_the_terminal(daemon: Daemon, run: Callable[..., Result]) -> None:
    daemon.box.main.write_text(CONFIG + "# \x1b[2J\u202e\n")
    assert "\x1b" not in run("show").stdout + run("diff", "1").stdout
