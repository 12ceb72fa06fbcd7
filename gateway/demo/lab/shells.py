"""Two shells in one terminal, one at each end of a link: `make lab PROFILE=geo`.

The keyboard goes to one shell at a time; what the other says meanwhile is kept (the last 64 KiB of it) and
shown when it is looked at. Ctrl-] and a letter is for us:

    n  the near end         c  cut the link          s  say what the link has carried
    f  the far end          r  restore it            q  end both shells and the link
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.lab.laboratory import Laboratory, LinkCounts, Side
from gateway.demo.lab.namespaces import enter
from gateway.demo.lab.way import Counts

ESCAPE = b"\x1d"  # Ctrl-], as in telnet: no shell wants it
_PATIENCE = 2.0  # seconds for a shell to end by itself
KEPT = 1 << 16  # bytes of a shell that is not looked at

_HELP = "Ctrl-] then: n near, f far, c cut, r restore, s counters, q quit"


def environment(lab: Laboratory, end: str) -> dict[str, str]:
    """What a program at an end is told: LAB_END, LAB_NEAR and LAB_FAR (addresses), LAB_PROFILE."""
    return {
        **os.environ,
        "LAB_END": end,
        "LAB_NEAR": lab.near.address,
        "LAB_FAR": lab.far.address,
        "LAB_PROFILE": lab.profile.name,
        "PS1": f"[{end} {lab.near.address if end == 'near' else lab.far.address}] \\w \\$ ",
    }


def counted(counts: LinkCounts) -> str:
    """Say in one line each what both directions have carried."""
    return f"up   {_way(counts.up)}\ndown {_way(counts.down)}"


def _way(counts: Counts) -> str:
    return (
        f"{counts.sent_bytes:>12,} bytes in {counts.sent_packets:,} packets sent, {counts.lost:,} lost, "
        f"{counts.dropped:,} dropped by a full queue, {counts.unheard:,} in gaps and cuts"
    )


@dataclass(slots=True)
class _Shell:
    """One shell on a pseudo terminal of its own."""

    end: str
    pid: int
    terminal: int  # our side of it
    unseen: bytearray


def _start(lab: Laboratory, end: str, side: Side) -> _Shell:
    environ = environment(lab, end)
    namespace = os.open(side.namespace, os.O_RDONLY)
    pid, terminal = os.forkpty()
    if pid == 0:  # pragma: no cover - in the child
        try:
            enter(namespace)
            os.close(namespace)
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)  # ignored by who started us in the background
            # Without the user's own files, which would set another prompt: where one is must be seen.
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environ)  # noqa: S606, S607
        finally:
            os._exit(127)
    os.close(namespace)
    os.set_inheritable(terminal, False)  # else the other shell would keep it open
    return _Shell(end, pid, terminal, bytearray())


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Have every key as it is pressed, and the terminal as it was afterwards."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


class Shells:
    """The two shells, and which of them is looked at."""

    def __init__(self, lab: Laboratory, keyboard: int, screen: Callable[[bytes], None]) -> None:
        self._lab = lab
        self._keyboard = keyboard
        self._screen = screen
        self._shells = [_start(lab, "near", lab.near), _start(lab, "far", lab.far)]
        self._shown = self._shells[0]
        self._escaped = False
        self._over = False

    def run(self) -> None:
        """Serve until both shells have ended or the person has had enough."""
        previous = signal.signal(signal.SIGWINCH, lambda *_: self._resize())
        try:
            self._resize()
            self._say(f"{self._lab.profile.name}: {self._lab.profile.words}")
            self._say(_HELP)
            while self._shells and not self._over:
                ready = select.select([self._keyboard, *(each.terminal for each in self._shells)], [], [])[0]
                for shell in [each for each in self._shells if each.terminal in ready]:
                    self._heard(shell)
                if self._keyboard in ready:
                    self._typed(os.read(self._keyboard, 4096))
        finally:
            signal.signal(signal.SIGWINCH, previous)
            for shell in tuple(self._shells):
                self._bury(shell)

    def _resize(self) -> None:
        """Both shells have the size of the window."""
        size = fcntl.ioctl(self._keyboard, termios.TIOCGWINSZ, bytes(8))
        for shell in self._shells:
            fcntl.ioctl(shell.terminal, termios.TIOCSWINSZ, size)

    def _heard(self, shell: _Shell) -> None:
        try:
            piece = os.read(shell.terminal, 1 << 14)
        except OSError as error:
            if error.errno != errno.EIO:  # Linux's way to say that nobody is left at the other side
                raise
            piece = b""
        if not piece:
            self._bury(shell)
            self._say(f"the shell at the {shell.end} end has ended")
            if shell is self._shown and self._shells:
                self._show(self._shells[0])
        elif shell is self._shown:
            self._screen(piece)
        else:
            shell.unseen += piece
            del shell.unseen[:-KEPT]

    def _typed(self, keys: bytes) -> None:
        if not keys:
            self._over = True
            return
        for key in (keys[n : n + 1] for n in range(len(keys))):
            if self._escaped:
                self._escaped = False
                self._command(key)
            elif key == ESCAPE:
                self._escaped = True
            else:
                os.write(self._shown.terminal, key)

    def _command(self, key: bytes) -> None:
        match key.lower():
            case b"n" | b"f":
                wanted = "near" if key.lower() == b"n" else "far"
                for shell in self._shells:
                    if shell.end == wanted:
                        self._show(shell)
            case b"c":
                self._lab.cut()
                self._say("the link is cut")
            case b"r":
                self._lab.restore()
                self._say("the link is restored")
            case b"s":
                self._say(counted(self._lab.counts()))
            case b"q":
                self._over = True
            case _:
                self._say(_HELP)

    def _show(self, shell: _Shell) -> None:
        self._shown = shell
        self._say(f"{shell.end} end, {getattr(self._lab, shell.end).address}")
        self._screen(bytes(shell.unseen) or b"")
        shell.unseen.clear()

    def _say(self, words: str) -> None:
        for line in words.splitlines():
            self._screen(f"\r\n\x1b[7m {line} \x1b[0m".encode())
        self._screen(b"\r\n")

    def _bury(self, shell: _Shell) -> None:
        self._shells.remove(shell)
        os.close(shell.terminal)  # hangs up: SIGHUP to the shell, which passes it on to what runs in it
        deadline = time.monotonic() + _PATIENCE
        while os.waitpid(shell.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:  # it heeds no SIGHUP
                os.kill(shell.pid, signal.SIGKILL)
            time.sleep(0.01)  # waitpid knows no time limit
        for pid in _of_session(shell.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _of_session(session: int) -> Iterator[int]:
    """What is left of a shell that has ended: nothing else can have its number while that is there."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((folder / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                yield int(folder.name)


def run(lab: Laboratory) -> None:
    """Two shells on this terminal until the person leaves."""
    keyboard = sys.stdin.fileno()

    def screen(piece: bytes) -> None:
        while piece:
            piece = piece[os.write(1, piece) :]

    with _raw(keyboard):
        Shells(lab, keyboard, screen).run()
    sys.stdout.write(counted(lab.counts()) + "\n")
