"""A gateway on a disk that goes wrong, a console that sends to it, a centre; and what everybody was told."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from gateway.demo.synthetic import SyntheticObject
from tests.durability.campaign import Failure, Tally
from tests.durability.fuse.mount import Mounted
from tests.durability.power_cuts.ledger import Ledger, things
from tests.support.console import Console, ConsoleError
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.receiver import Receiver

_ALARM = re.compile(r'alarm code=(\S+) text="([^"]*)"')
SUCCESS = 0x0000
NO_ROOM = 0xA700
FAILED = 0x0110
SPOOL = {"reserve": "4 MiB", "floor": "1 MiB", "min_free_inodes": 100}
"""Small marks, for a small disk."""


class Clinic:
    """One daemon; `centre` may be down for as long as the test says."""

    def __init__(self, folder: Path, *, seed: int, spool: dict[str, object] | None = None) -> None:
        self.seed = seed
        self.disk = Mounted(folder, seed=seed)
        self.centre = Receiver()
        self.ledger = Ledger()
        self.refused: list[int] = []
        self.unanswered = 0
        self.gateway = GatewayProcess(
            folder / "gateway",
            peers=[peer("centre", "CENTRE", self.centre.port)],
            state_dir=self.disk.path / "lib" / "gateway",
            sections={"spool": {**SPOOL, **(spool or {})}},
        )
        self._offers = things(seed * 1_000_000)
        self._again: list[SyntheticObject] = []

    def __enter__(self) -> Self:
        self.disk.start()
        try:
            self.centre.start()
            self.gateway.start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.gateway.program is not None:
            self.gateway.kill()
        if self.centre.program is not None:
            self.centre.stop()
        self.disk.stop()

    # the console

    def records(self, count: int) -> list[SyntheticObject]:
        """Return so many that live in the journal."""
        return list(itertools.islice(self._of(small=True), count))

    def images(self, count: int) -> list[SyntheticObject]:
        """Return so many that live in files."""
        return list(itertools.islice(self._of(small=False), count))

    def _of(self, *, small: bool) -> Iterator[SyntheticObject]:
        for thing in self._offers:
            if (len(thing.data) < 64 * 1024) is small:
                yield thing

    def send(self, wanted: list[SyntheticObject]) -> list[int | None]:
        """Send them, each on an association of its own; return the statuses (None: no answer at all)."""
        return [self._send(thing) for thing in wanted]

    def _send(self, thing: SyntheticObject) -> int | None:
        self.ledger.offer(thing)
        console = Console(self.gateway.port, "CENTRE", calling="LINAC1", timeout=30)
        try:
            console.connect()
            status = console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data)
            console.release()
        except ConsoleError:
            self.unanswered += 1
            self._again.append(thing)
            return None
        finally:
            console.drop()
        if status == SUCCESS:
            self.ledger.acknowledge(thing.sop_instance_uid)
        else:
            self.refused.append(status)
            self._again.append(thing)
        return status

    def send_again(self) -> None:
        """As consoles do: what was not acknowledged is offered again. Now it must be taken."""
        wanted, self._again = self._again, []
        statuses = self.send(wanted)
        if any(status != SUCCESS for status in statuses):
            raise Failure(f"refused on a disk that is well: {statuses}", seed=self.seed)

    # what the gateway says

    def alarms(self) -> dict[str, str]:
        """What was said to a person: the words of each kind of alarm."""
        program = self.gateway.program
        return dict(_ALARM.findall(program.output)) if program is not None else {}

    def wait_alarm(self, code: str) -> str:
        """Return its words once it was raised."""
        self.gateway.wait(f"the alarm {code}", lambda: code in self.alarms())
        return self.alarms()[code]

    def ended(self) -> str:
        """Wait until it has ended by itself; return its exit code and its last words."""
        program = self.gateway.program
        assert program is not None
        code = program.wait(30)
        program.kill()  # lets go of what it had to say
        self.gateway.program = None
        last = [line for line in program.output.splitlines() if "the gateway ends" in line]
        if code != 1 or not last:
            raise Failure(f"it ended with {code} and said {program.output[-1500:]}", seed=self.seed)
        return last[-1]

    def check(self, tally: Tally, history: str) -> None:
        """The gateway runs again and the disk is well: everything arrives that was ever acknowledged."""
        self.send_again()
        self.gateway.wait("the queue is empty", self._is_empty, timeout=60)
        held = self.gateway.deliveries(state="held")
        if held:
            raise Failure(f"held: {held}", seed=self.seed, history=history)
        self.ledger.check(self.centre.stored(), tally, seed=self.seed, history=history)
        tally.add("answers refused", len(self.refused))

    def _is_empty(self) -> bool:
        return all(not amount["count"] for amount in self.gateway.destination()["waiting"].values())
