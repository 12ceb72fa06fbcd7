"""`status --watch` on a real terminal (a pty), and where there is none."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.cli import watching
from gateway.operator import codec
from gateway.operator.client import OperatorClient
from tests.support.fake_control import FakeControl
from tests.support.operator_daemon import serving

Terminals = Callable[..., "Terminal"]

ALTERNATE, BACK = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    """`status --watch` in a terminal of its own."""

    def __init__(self, socket: str | Path, *arguments: str | Path, **environment: str) -> None:
        self.master, slave = pty.openpty()
        # Whoever started the tests in the background may have had SIGINT ignored, and that is inherited.
        program = ["env", "--default-signal=INT", sys.executable, "-m", "gateway.cli"]
        command = [*program, "status", "--watch", "--interval", "0.1s", *arguments]
        self.process = subprocess.Popen(
            [*command, "--socket", socket],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", **environment},
            start_new_session=True,
        )
        os.close(slave)
        self.seen = b""

    def until(self, wanted: Callable[[bytes], bool]) -> None:
        end = time.monotonic() + 30
        while not wanted(self.seen):
            assert time.monotonic() < end, self.seen
            self.seen += os.read(self.master, 65536)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(self.master, 65536):
                self.seen += piece
        return self.process.wait(10)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self.master)


@pytest.fixture(name="terminals")
def some_terminals() -> Iterator[Callable[..., Terminal]]:
    with contextlib.ExitStack() as stack:

        def terminal(*arguments: str | Path, **environment: str) -> Terminal:
            made = Terminal(*arguments, **environment)
            stack.callback(made.close)
            return made

        yield terminal


@pytest.fixture(name="control")
def a_control() -> FakeControl:
    return FakeControl()


def test_it_is_drawn_anew_and_the_terminal_is_as_before(
    tmp_path: Path, control: FakeControl, terminals: Terminals
) -> None:
    with serving(control, tmp_path / "s") as daemon:
        terminal = terminals(daemon.path)
        terminal.until(lambda seen: seen.count(b"nothing waits") >= 3)
        assert terminal.seen.index(ALTERNATE) < terminal.seen.index(b"nothing waits")
        assert terminal.end() == 0
    assert terminal.seen.rindex(BACK) > terminal.seen.rindex(b"nothing waits")
    assert b"Traceback" not in terminal.seen


def test_a_gateway_that_is_restarted_is_waited_for(
    tmp_path: Path, control: FakeControl, terminals: Terminals
) -> None:
    with serving(control, tmp_path / "s") as daemon:
        terminal = terminals(daemon.path)
        terminal.until(lambda seen: b"nothing waits" in seen)
    terminal.until(lambda seen: b"has not answered" in seen)
    with serving(control, tmp_path / "s"):
        gone = len(terminal.seen)
        terminal.until(lambda seen: b"nothing waits" in seen[gone:])
        assert terminal.end() == 0


def test_a_terminal_that_can_do_nothing_gets_tables(
    tmp_path: Path, control: FakeControl, terminals: Terminals
) -> None:
    with serving(control, tmp_path / "s") as daemon:
        terminal = terminals(daemon.path, TERM="dumb")
        terminal.until(lambda seen: seen.count(b"Listener console") >= 2)
        assert terminal.end() == 0
    assert ALTERNATE not in terminal.seen


def test_json_is_never_a_picture(tmp_path: Path, control: FakeControl, terminals: Terminals) -> None:
    with serving(control, tmp_path / "s") as daemon:
        terminal = terminals(daemon.path, "--json")
        terminal.until(lambda seen: seen.count(b'"headline"') >= 2)
        assert terminal.end() == 0
    assert ALTERNATE not in terminal.seen


def test_without_a_terminal_the_same_is_printed_again_and_again(tmp_path: Path, control: FakeControl) -> None:
    shown: list[codec.Json] = []

    def show(data: codec.Json) -> None:
        shown.append(data)
        if len(shown) == 3:
            raise KeyboardInterrupt

    with serving(control, tmp_path / "s") as daemon, OperatorClient(daemon.path) as client:
        watching.watch(client.status, show, 0.01, drawn=True)
    assert len(shown) == 3
