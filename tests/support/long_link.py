"""A long link of this machine's own: two network namespaces, real TCP, and 300 ms each way between them.

    with LongLink(delay=0.3, rate=1_250_000) as link:
        with link.far.entered():
            centre.start()      # its sockets live at the far end, and so do those of its children
        with link.near.entered():
            gateway.start()     # calls link.far.address; the console calls it on 127.0.0.1
        link.cut()              # nothing passes, what is under way is gone; nobody is told
        link.restore()

TCP is the kernel's own at both ends; only the wire is ours (long_link_wire.py, a process of its own). It
needs root and /dev/net/tun. Nothing has a name that could be left behind: the namespaces go with the last
process in them.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.processes import Program

_CLONE_NEWNET = 0x40000000
_REPOSITORY = Path(__file__).parents[2]
_ADDRESSES = ("10.77.0.1", "10.77.0.2")  # nobody else's business: they exist in the two namespaces only

GEOSTATIONARY = 0.3
"""One way over a geostationary satellite with what is around it, in seconds: 600 ms there and back."""


def missing() -> str | None:
    """Say in words why there can be no long link on this machine; None: there can."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces (sudo make test)"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun (modprobe tun)"
    return None


@dataclass(frozen=True, slots=True)
class Side:
    """One end of the link."""

    address: str
    namespace: Path  # of the kernel's: can be opened as long as the link is there

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be at this end: what this thread makes meanwhile (sockets, threads, programs) stays there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            there = os.open(self.namespace, os.O_RDONLY)
            try:
                _enter(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                _enter(home)
        finally:
            os.close(home)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"network namespace: {os.strerror(number)}")


@dataclass(frozen=True, slots=True)
class Counts:
    """What the link has seen so far."""

    up: int  # bytes carried from the near end to the far one
    down: int
    lost: int  # packets, by chance
    dropped: int  # packets, because the modem's queue was full


class LongLink:
    """A link between `near` (the clinic) and `far` (the centre)."""

    def __init__(
        self,
        *,
        delay: float = GEOSTATIONARY,
        rate: float | None = 1_250_000.0,
        loss: float = 0.0,
        seed: int = 1,
        queue: int = 1 << 20,
        congestion: str | None = None,
        lifetime: int = 300,
    ) -> None:
        """`delay` seconds one way; `rate` bytes a second each way; `loss` from 0 to 1, the same per `seed`.

        `queue` bytes wait for the rate, more are dropped. `congestion` is the congestion control of both ends
        ("reno" is in every kernel), by default the machine's own. After `lifetime` seconds the link is gone,
        whatever happened.
        """
        self._options = {
            "delay": delay,
            "rate": rate,
            "loss": loss,
            "seed": seed,
            "queue": queue,
            "congestion": congestion,
            "lifetime": lifetime,
            "addresses": _ADDRESSES,
        }
        self._asking = threading.Lock()
        self._wire: Program | None = None
        self.near: Side
        self.far: Side

    def start(self) -> LongLink:
        """Make the link; it is up on return."""
        command = [sys.executable, "-m", "tests.support.long_link_wire", json.dumps(self._options)]
        wire = Program(command, stdin=True, cwd=_REPOSITORY)
        try:
            ready = wire.wait_line(r"^ready (\d+) (\d+)$")
        except BaseException:
            wire.kill()
            raise
        self._wire = wire
        self.near, self.far = (
            Side(address, Path(f"/proc/{wire.pid}/fd/{number}"))
            for address, number in zip(_ADDRESSES, ready.groups(), strict=True)
        )
        return self

    @property
    def pid(self) -> int:
        """Process id of the wire."""
        assert self._wire is not None
        return self._wire.pid

    def cut(self) -> None:
        """Let nothing pass from now on; what is under way is lost. Neither end is told."""
        self._ask("cut", "^done cut$")

    def restore(self) -> None:
        """Let everything pass again."""
        self._ask("restore", "^done restore$")

    def counts(self) -> Counts:
        """What was carried and what was not."""
        return Counts(*(int(each) for each in self._ask("counts", r"^counts (\d+) (\d+) (\d+) (\d+)$")))

    def _ask(self, line: str, answer: str) -> tuple[str, ...]:
        assert self._wire is not None
        with self._asking:
            heard = self._wire.line_count()
            self._wire.tell(line)
            return self._wire.wait_line(answer, after=heard).groups()

    def stop(self) -> None:
        """Take the link away. Programs at its ends are their owners' business."""
        if self._wire is not None:
            self._wire.kill()
            self._wire = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
