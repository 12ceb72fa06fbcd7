"""A long link of this machine's own.

    with Laboratory(PROFILES["geo"]) as lab:
        with lab.far.entered():
            hub = subprocess.Popen(...)     # its sockets live at the far end, and so do those of its children
        subprocess.Popen([*lab.near.prefix, "dicom-gateway", "run", ...])      # the same without a context
        lab.cut()                           # nothing passes, what is under way is gone; nobody is told
        lab.restore()
        lab.counts().up.sent_bytes

Thread-safe. Blocking calls are as short as a pipe (start: a third of a second).
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import gateway
from gateway.demo.lab.namespaces import enter
from gateway.demo.lab.profiles import Profile
from gateway.demo.lab.way import Counts

ADDRESSES = ("10.77.0.1", "10.77.0.2")  # nobody else's business: they exist in the two namespaces only

_ROOT = Path(gateway.__file__).parents[1]
_START_SECONDS = 20.0
_ANSWER_SECONDS = 10.0


def missing() -> str | None:
    """Say in words why there can be no long link on this machine; None: there can."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces (sudo)"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun (modprobe tun)"
    return None


class LaboratoryFailed(Exception):
    """The wire could not be laid, or is gone. Says what it said last."""


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise LaboratoryFailed("the wire was started without pipes")
    return stream


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
                enter(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                enter(home)
        finally:
            os.close(home)

    @property
    def prefix(self) -> list[str]:
        """What to put before a command line so that the program runs at this end (util-linux)."""
        return ["nsenter", f"--net={self.namespace}", "--"]


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """What the link has seen so far."""

    up: Counts
    down: Counts


class Laboratory:
    """A link between `near` (the clinic) and `far` (the centre)."""

    def __init__(
        self,
        profile: Profile,
        *,
        seed: int = 1,
        congestion: str | None = None,
        lifetime: int | None = None,
        addresses: tuple[str, str] = ADDRESSES,
    ) -> None:
        """What is lost and how delays drift is the same for the same `seed` and the same packets.

        `congestion` is the congestion control of both ends ("reno" is in every kernel), by default the
        machine's own. After `lifetime` whole seconds the link is gone, whatever happened.
        """
        self.profile = profile
        self._options = {
            "profile": profile.facts(),
            "seed": seed,
            "congestion": congestion,
            "lifetime": lifetime,
            "addresses": addresses,
        }
        self._addresses = addresses
        self._asking = threading.Lock()
        self._wire: subprocess.Popen[bytes] | None = None
        self._heard = b""
        self.near: Side
        self.far: Side

    def start(self) -> Self:
        """Make the link; it is up on return. Raises LaboratoryFailed with words."""
        reason = missing()
        if reason is not None:
            raise LaboratoryFailed(f"a long link {reason}")
        self._wire = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "gateway.demo.lab.wire", json.dumps(self._options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=_ROOT,
            bufsize=0,
        )
        try:
            numbers = self._answer(_START_SECONDS)["namespaces"]
        except BaseException:
            self.stop()
            raise
        self.near, self.far = (
            Side(address, Path(f"/proc/{self._wire.pid}/fd/{number}"))
            for address, number in zip(self._addresses, numbers, strict=True)
        )
        return self

    @property
    def pid(self) -> int:
        """Process id of the wire."""
        return self._running().pid

    def cut(self) -> None:
        """Let nothing pass from now on; what is under way is lost. Neither end is told."""
        self._ask(do="cut")

    def restore(self) -> None:
        """Let everything pass again."""
        self._ask(do="restore")

    def reshape(self, profile: Profile) -> None:
        """Be another link from now on; what is under way arrives as it would have."""
        self._ask(do="reshape", profile=profile.facts())
        self.profile = profile

    def restart(self) -> None:
        """Count the profile's gaps and outages from now."""
        self._ask(do="restart")

    def counts(self) -> LinkCounts:
        """What was carried and what was not."""
        facts = self._ask(do="counts")
        return LinkCounts(Counts(**facts["up"]), Counts(**facts["down"]))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._wire is None:
            raise LaboratoryFailed("the link was not started, or is stopped")
        return self._wire

    def _ask(self, **order: object) -> dict[str, Any]:
        wire = self._running()
        with self._asking:
            try:
                _pipe(wire.stdin).write(json.dumps(order).encode() + b"\n")
            except BrokenPipeError:
                raise LaboratoryFailed(self._last_words(wire)) from None
            return self._answer(_ANSWER_SECONDS)

    def _answer(self, timeout: float) -> dict[str, Any]:
        wire = self._running()
        answers = _pipe(wire.stdout)
        pipe = select.poll()  # select() knows no descriptor above 1023
        pipe.register(answers, select.POLLIN)
        while b"\n" not in self._heard:
            if not pipe.poll(timeout * 1000):
                raise LaboratoryFailed(f"the wire said nothing in {timeout:g} s")
            piece = os.read(answers.fileno(), 1 << 16)
            if not piece:
                raise LaboratoryFailed(self._last_words(wire))
            self._heard += piece
        line, _, self._heard = self._heard.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self, wire: subprocess.Popen[bytes]) -> str:
        code = wire.wait()
        said = _pipe(wire.stderr).read().decode(errors="replace").strip().splitlines()
        return f"the wire ended with {code}: {said[-1] if said else 'it said nothing'}"

    def wait(self, timeout: float) -> int:
        """Wait for the end of the wire, as its lifetime brings it, and return its exit code."""
        return self._running().wait(timeout)

    def stop(self) -> None:
        """Take the link away. Programs at its ends are their owners' business."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.kill()
            wire.wait()
            for stream in (wire.stdin, wire.stdout, wire.stderr):
                if stream is not None:
                    stream.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
