"""Consoles that go on sending whatever happens to the gateway, and note what was acknowledged.

As real ones do, they offer an object that got no answer again. What is not success is a complaint: nothing in
these tests gives a gateway a reason to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from gateway.demo.synthetic import SyntheticObject
from tests.durability.power_cuts.ledger import Ledger
from tests.support import dcmtk
from tests.support.console import Console, ConsoleError

_PAUSE = 0.01  # seconds between two objects
_AGAIN = 0.05  # seconds until a console that found nobody tries again
_BATCH = 4


class Sender(Protocol):
    """One console."""

    complaints: list[str]

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Send no more, and return when the last one was answered or given up."""


class _Sender(Thread):
    """`up` says when it makes sense to try: nothing is learnt from knocking at a box that is down."""

    def __init__(self, port: int, offers: Iterator[SyntheticObject], ledger: Ledger, up: Event) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.complaints: list[str] = []
        self._port = port
        self._offers = offers
        self._ledger = ledger
        self._up = up
        self._stopping = Event()

    def stop(self) -> None:
        """Send no more, and return when the last one was answered or given up."""
        self._stopping.set()
        self.join(60)
        if self.is_alive():
            self.complaints.append(f"{self.name} did not end in a minute")


class WireSender(_Sender):
    """Our own wire console: one object at a time on one association, as long as that lasts."""

    def run(self) -> None:
        """Until it is stopped, or answered with anything but success."""
        thing = next(self._offers)
        while not self._stopping.is_set():
            if not self._up.wait(_AGAIN):
                continue
            console = Console(self._port, "CENTRE", calling="LINAC1", timeout=60)
            try:
                console.connect()
                while not self._stopping.wait(_PAUSE):
                    self._ledger.offer(thing)
                    status = console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data)
                    if status != 0x0000:
                        self.complaints.append(f"the wire console was answered 0x{status:04X}")
                        return
                    self._ledger.acknowledge(thing.sop_instance_uid)
                    thing = next(self._offers)
                console.release()
            except ConsoleError:
                self._stopping.wait(_AGAIN)  # cut, or not up again yet
            finally:
                console.drop()


class StorescuSender(_Sender):
    """DCMTK storescu, a few files at a time; what was not acknowledged is in the next run again."""

    def __init__(
        self, port: int, offers: Iterator[SyntheticObject], ledger: Ledger, up: Event, folder: Path
    ) -> None:
        super().__init__(port, offers, ledger, up)
        self._folder = folder
        folder.mkdir(parents=True)

    def run(self) -> None:
        """Until it is stopped, or answered with anything but success."""
        left: dict[Path, str] = {}
        while not self._stopping.wait(_PAUSE):
            if not self._up.wait(_AGAIN):
                continue
            while len(left) < _BATCH:
                thing = next(self._offers)
                self._ledger.offer(thing)
                left[thing.write(self._folder)] = thing.sop_instance_uid
            ran = dcmtk.run_console("storescu", self._port, "CENTRE", list(left), calling="LINAC2")
            sending: Path | None = None
            for line in ran.output.splitlines():
                if line.startswith("I: Sending file: "):
                    sending = Path(line.removeprefix("I: Sending file: "))
                elif line.startswith("I: Received Store Response (Success)") and sending in left:
                    self._ledger.acknowledge(left.pop(sending))
                    sending.unlink()
                elif "Received Store Response" in line:
                    self.complaints.append(f"storescu was answered: {line}")
                    return
