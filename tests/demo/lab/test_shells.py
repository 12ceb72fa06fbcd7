"""Two shells in one terminal, driven through a pseudo terminal as a person would; and two command lines."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("possible")]

COMMAND = [sys.executable, "-m", "gateway.demo.lab"]


class Terminal:
    """A person's terminal with the laboratory in it."""

    def __init__(self, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        self.fd = ours
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._seen = ""

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def sees(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """Wait until `pattern` is on the screen, after what was seen before."""
        deadline = time.monotonic() + timeout
        while (found := re.search(pattern, self._seen)) is None:
            ready = select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"not seen: {pattern!r} in {self._seen!r}"
            try:
                piece = os.read(self.fd, 1 << 16)
            except OSError:  # EIO: nobody is left at the other side
                piece = b""
            assert piece, f"the end, and not seen: {pattern!r} in {self._seen!r}"
            self._seen += piece.decode(errors="replace")
        self._seen = self._seen[found.end() :]
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    it = Terminal("lan")
    yield it
    it.close()


def test_a_person_goes_from_one_end_to_the_other(terminal: Terminal) -> None:
    terminal.sees(r"lan: no long link")
    terminal.sees(r"\[near 10\.77\.0\.1\]")
    terminal.type("echo at-$LAB_END-$((6*7))\r")
    terminal.sees("at-near-42")
    terminal.type("\x1df")
    terminal.sees(r"far end, 10\.77\.0\.2")
    terminal.sees(r"\[far 10\.77\.0\.2\]")  # kept while nobody looked
    terminal.type("stat -Lc 'ns %i' /proc/self/ns/net\r")
    far = terminal.sees(r"\rns (\d+)").group(1)
    terminal.type("\x1dn")
    terminal.type("stat -Lc 'ns %i' /proc/self/ns/net\r")
    near = terminal.sees(r"\rns (\d+)").group(1)
    home = str(Path("/proc/self/ns/net").stat().st_ino)
    assert len({near, far, home}) == 3
    terminal.type("\x1ds")
    terminal.sees(r"up\s+[\d,]+ bytes in")
    terminal.type("\x1dc")
    terminal.sees("the link is cut")
    terminal.type("\x1dr")
    terminal.sees("the link is restored")
    terminal.type("\x1d?")
    terminal.sees("n near, f far")
    terminal.type("\x1dq")
    terminal.sees("down ")
    assert terminal.process.wait(10) == 0


def test_it_ends_with_both_shells(terminal: Terminal) -> None:
    terminal.sees(r"\[near ")
    terminal.type("exit\r")
    terminal.sees("the shell at the near end has ended")
    terminal.sees("far end")
    terminal.type("exit\r")
    assert terminal.process.wait(10) == 0


def test_nothing_is_left_of_what_runs_in_the_shells(terminal: Terminal) -> None:
    terminal.sees(r"\[near ")
    terminal.type("sleep 1000 & echo pid-$!-\r")
    pid = int(terminal.sees(r"pid-(\d+)-").group(1))
    os.kill(pid, 0)
    terminal.type("\x1dq")
    assert terminal.process.wait(10) == 0
    deadline = time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # it is nobody's child here: the kernel offers no event


def test_what_heeds_nothing_is_ended_all_the_same(terminal: Terminal) -> None:
    terminal.sees(r"\[near ")
    terminal.type("(trap '' HUP; exec sleep 1000) & echo pid-$!-\r")
    pid = int(terminal.sees(r"pid-(\d+)-").group(1))
    terminal.type("\x1dq")
    assert terminal.process.wait(10) == 0
    deadline = time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # it is nobody's child here: the kernel offers no event


LISTEN = (
    'exec {python} -c \'import os, socket; s = socket.create_server((os.environ["LAB_FAR"], 4000)); '
    "c = s.accept()[0]; c.sendall(c.recv(9)); c.recv(1)'"
)
ASK = (
    '{python} -c \'import os, socket; c = socket.create_connection((os.environ["LAB_FAR"], 4000)); '
    'c.sendall(b"hello far"); print(c.recv(9).decode(), os.environ["LAB_END"])\'; exit 7'
)


def test_two_command_lines_in_place_of_two_shells() -> None:
    ended = subprocess.run(
        [*COMMAND, "dsl", "--loss", "0.001", "--wait", "4000", "--run"]
        + [line.format(python=sys.executable) for line in (ASK, LISTEN)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 7, ended.stderr
    assert ended.stdout == "hello far near\n"
    assert re.search(r"^up +[1-9][\d,]* bytes in [1-9]", ended.stderr, re.MULTILINE)


def test_the_far_command_is_ended_with_all_it_started(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    ended = subprocess.run(
        [*COMMAND, "lan", "--run", "cat fifo", "sleep 1000 & echo $! > fifo; wait"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    pid = int(ended.stdout)
    deadline = time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # it is nobody's child here: the kernel offers no event


def test_what_cannot_be_is_said_in_words() -> None:
    nobody = subprocess.run(
        [*COMMAND, "lan", "--wait", "4000", "--run", "true", "true"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert nobody.returncode == 2
    assert "nobody listens on 4000" in nobody.stderr
    screen = subprocess.run([*COMMAND], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert screen.returncode == 2
    assert "need a terminal" in screen.stderr
    loss = subprocess.run([*COMMAND, "--loss", "2", "--run", "true", "true"], capture_output=True, text=True)
    assert loss.returncode == 2
    assert "less than 1" in loss.stderr
    unknown = subprocess.run(
        [*COMMAND, "lan", "--congestion", "vegas-not-here", "--run", "true", "true"],
        capture_output=True,
        text=True,
    )
    assert unknown.returncode == 2
    assert "the wire ended" in unknown.stderr


def test_it_ends_when_it_is_told_to(terminal: Terminal) -> None:
    terminal.sees(r"\[near ")
    pid = terminal.process.pid
    wire = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    assert len(wire) == 3  # the wire and two shells
    terminal.process.send_signal(signal.SIGKILL)
    terminal.process.wait()
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in wire):
        assert time.monotonic() < deadline, "left behind"
        time.sleep(0.02)  # nobody's children here: the kernel offers no event


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
