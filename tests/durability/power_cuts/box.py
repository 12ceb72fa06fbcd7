"""One box whose power is cut again and again: a real gateway on a disk that forgets, consoles, a centre.

with Box(tmp_path, centre.port, seed=3) as box:
    for _ in range(50):
        box.live_and_cut()
    box.drain()
    box.check(centre, "an example")
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from pathlib import Path
from typing import Any, Self

from tests.durability.campaign import Failure, Tally
from tests.durability.disk.crash import Policy
from tests.durability.disk.materialize import materialize
from tests.durability.fuse.mount import Mounted
from tests.durability.power_cuts.ledger import Ledger, things
from tests.durability.power_cuts.senders import Sender, StorescuSender, WireSender
from tests.support import machine
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.processes import ProgramFailed
from tests.support.receiver import Receiver

_LONGEST_LIFE = 0.4  # seconds between readiness and a cut that comes by the clock
_CALLS = 400  # a cut that comes at a call of the filesystem: at most so many after readiness
_SYNCS = 40
_PATIENCE = 10.0  # seconds for a call that does not come, because the gateway has nothing to do
_QUICK = {"delivery": {"link_backoff": {"base": 0.05, "ceiling": 0.1}}}
_SAYING = 10.0  # seconds for the centre's words to come through
_PLENTY = 1_000_000  # objects per console: their numbers never meet


class Box:
    """The disk, the gateway on it, the consoles that send to it, and what they were told."""

    def __init__(self, folder: Path, centre: int, *, seed: int, storescu: bool = True) -> None:
        """`centre`: a port on this machine. Without `storescu` there is our own console alone."""
        self.seed = seed
        self._folder = folder
        self.tally = Tally()
        self.ledger = Ledger()
        self.disk = Mounted(folder, seed=seed)
        self._dice = random.Random(seed)
        self.gateway = GatewayProcess(
            folder / "gateway",
            peers=[peer("centre", "CENTRE", centre)],
            state_dir=self.disk.path / "lib" / "gateway",
            sections=_QUICK,
        )
        first = seed * 10 * _PLENTY
        self._up = threading.Event()
        port = self.gateway.port
        self._senders: list[Sender] = [WireSender(port, things(first), self.ledger, self._up)]
        if storescu and machine.find("storescu"):
            offers = things(first + _PLENTY)
            self._senders.append(StorescuSender(port, offers, self.ledger, self._up, folder / "files"))

    def __enter__(self) -> Self:
        self.disk.start()
        try:
            self.launch()
        except BaseException:
            self.disk.stop()
            raise
        for sender in self._senders:
            sender.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is not None:
                self._keep_evidence()
            for sender in self._senders:
                sender.stop()
        finally:
            if self.gateway.program is not None:
                self.gateway.kill()
            self.disk.stop()
        if kind is None:
            self.check_complaints()

    def _keep_evidence(self) -> None:
        """What is on the disk now, and what the gateway said last, in the box's folder, to be looked at."""
        program = self.gateway.program
        if program is not None:
            (self._folder / "gateway said").write_text(program.output)
        kept = self._folder / "disk when it failed"
        kept.mkdir()
        with contextlib.suppress(OSError, EOFError):  # its process may be what failed
            materialize(self.disk.disk(), kept)

    def check_complaints(self) -> None:
        """Failure when a console got anything but success."""
        complaints = [words for sender in self._senders for words in sender.complaints]
        if complaints:
            raise Failure("; ".join(complaints), seed=self.seed, history="power cuts")

    # one life

    def launch(self) -> None:
        """Start it; the consoles try again when it is ready."""
        self.gateway.launch()
        self._up.set()

    def live_and_cut(self) -> None:
        """Let it work until some moment, cut the power there, and start it again."""
        self._wait_for_the_moment()
        self.cut()
        self.launch()

    def _wait_for_the_moment(self) -> None:
        kind = self._dice.choice(("clock", "call", "before a sync", "after a sync"))
        if kind == "clock":
            threading.Event().wait(self._dice.uniform(0, _LONGEST_LIFE))
        elif kind == "call":
            self.disk.freeze_at(nth=self._dice.randint(1, _CALLS))
            self.disk.wait_frozen(_PATIENCE)
        else:
            call = self._dice.choice(("fsync", "fsync", "fsync", "fsyncdir"))
            nth = self._dice.randint(1, 5 if call == "fsyncdir" else _SYNCS)
            self.disk.freeze_at(call, nth=nth, after=kind == "after a sync")
            self.disk.wait_frozen(_PATIENCE if call == "fsync" else 1.0)

    def cut(self, *starting: threading.Thread) -> None:
        """Cut the power, with what survives drawn by chance; the disk is there again, the gateway is not."""
        policy = self._dice.choice((Policy.WEAK, Policy.WEAK, Policy.ORDERED, None))
        done = self.disk.cut(self.gateway.pid, policy=policy)
        self._up.clear()
        for thread in starting:
            thread.join(30)  # it sees the death of what it waited for
        self.gateway.kill()
        self.disk.power_on()
        self.tally.add("power cuts")
        self.tally.add("sectors that were not synced", done.sectors_pending)
        self.tally.add("of these lost", done.sectors_pending - done.sectors_survived)

    def wait_for_objects(self, count: int) -> None:
        """Return when so many more were acknowledged. Failure when nothing gets through any more."""
        if not self.ledger.wait_acknowledged(count, 60):
            words = f"nothing gets through any more\n{self.gateway.describe()}"
            raise Failure(words, seed=self.seed, history="power cuts")

    def launch_if_down(self) -> None:
        """Let it start in peace."""
        if self.gateway.program is None:
            self.launch()

    def cut_during_start(self) -> bool:
        """Cut it now, if it runs, and again at some call of the start that follows.

        Whether that start was cut: then it is down, otherwise it runs.
        """
        if self.gateway.program is not None:
            self.cut()
        self.disk.freeze_at(nth=self._dice.randint(1, 60 if self._dice.random() < 0.8 else 1500))
        ready = threading.Event()
        starting = threading.Thread(target=self._try_to_launch, args=(ready,), daemon=True)
        starting.start()
        frozen = False
        while not (frozen or ready.is_set()):
            frozen = self.disk.wait_frozen(0.05)
        if not frozen:
            starting.join()
            return False
        self.cut(starting)
        return True

    def _try_to_launch(self, ready: threading.Event) -> None:
        try:
            self.launch()
        except ProgramFailed:
            return  # it was cut
        ready.set()

    # the end

    def drain(self) -> None:
        """No more is sent; a gateway that is left in peace delivers everything, and nothing is held."""
        for sender in self._senders:
            sender.stop()
        self.check_complaints()
        if self.gateway.program is not None:
            self.gateway.kill()
        with self.gateway as gateway:
            gateway.wait("the queue is empty", self._is_empty, timeout=90)
            self._decide(gateway.deliveries(state="held"))
            gateway.wait("the queue is empty", self._is_empty, timeout=90)
            held = gateway.deliveries(state="held")
            attention = gateway.status()["attention"]
        if held or attention:
            raise Failure(f"held: {held}, attention: {attention}", seed=self.seed, history="power cuts")

    def _decide(self, held: list[dict[str, Any]]) -> None:
        """Do what a person would after a cut that tore a transaction.

        A file without a row behind such a transaction was never acknowledged, and is held, because damage to
        the disk would look the same. What its console sent meanwhile under the same UID is the right one.
        """
        for one in held:
            with self.gateway.client() as client:
                if one["cause"] == "rebuilt":
                    client.act(one["number"], "discard", reason="never acknowledged")
                    self.tally.add("leftovers held for a person")
                elif one["cause"] == "conflict":
                    client.act(one["number"], "release")

    def check(self, centre: Receiver, history: str) -> None:
        """Compare what was acknowledged with what the centre says it kept; it says so a moment later."""
        deadline = time.monotonic() + _SAYING
        while self.ledger.missing(centre.stored()) and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        evidence = str(self._folder)
        self.ledger.check(centre.stored(), self.tally, seed=self.seed, history=history, evidence=evidence)

    def _is_empty(self) -> bool:
        return all(not amount["count"] for amount in self.gateway.destination()["waiting"].values())
