"""The spool against a model of it: random operations, in random order, with restarts and crashes in between.

The model is a dictionary; the spool is the real one, on a real directory. A crash abandons the process's
state without closing anything, by copying the directory as it is on the disk and going on with the copy.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.errors import LocalError
from gateway.model import DeliveryState, Priority
from gateway.notices import Notices
from gateway.spool import Accepted, Confirmed, Hold, PutBack, Settlement, Spool, SpoolLimits
from gateway.spool.states import FINISHED
from tests.support.spooling import a_receipt, content, store

S = DeliveryState
DESTINATIONS = ("oncology", "archive")
SIZES = (0, 300, 70_000)


@dataclass
class ModelDelivery:
    object: int
    destination: str
    priority: Priority
    state: S = S.QUEUED
    due: float = 0.0


@dataclass
class Model:
    now: float = 1_000_000.0
    contents: dict[int, bytes] = field(default_factory=dict)  # object -> data set
    uids: dict[int, int] = field(default_factory=dict)  # object -> which UID
    deliveries: dict[int, ModelDelivery] = field(default_factory=dict)

    def of(self, number: int) -> list[ModelDelivery]:
        return [one for one in self.deliveries.values() if one.object == number]

    def living(self, uid: int) -> list[int]:
        return [
            number
            for number, its in self.uids.items()
            if its == uid and any(one.state is not S.DISCARDED for one in self.of(number))
        ]

    def has_bytes(self, number: int) -> bool:
        return any(one.state not in FINISHED for one in self.of(number))


class SpoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="spool-model-"))
        self.generation = 0
        self.model = Model()
        self.crashed: list[Spool] = []

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self) -> None:
        self.spool = Spool.open(
            self.root / str(self.generation),
            SpoolLimits(retention_seconds=100.0),
            notices=Notices(),
            wall_clock=lambda: self.model.now,
            steady_clock=lambda: self.model.now,
        )

    def run(self, coroutine):  # type: ignore[no-untyped-def]
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        for spool in (*self.crashed, self.spool):
            self.run(spool.close())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.root)

    @rule(
        uid=st.integers(1, 4),
        seed=st.integers(0, 1),
        size=st.sampled_from(SIZES),
        priority=st.sampled_from(Priority),
        to=st.lists(st.sampled_from(DESTINATIONS), min_size=1, max_size=2, unique=True),
    )
    def put(self, uid: int, seed: int, size: int, priority: Priority, to: list[str]) -> None:
        data = content(seed, size)
        stored = self.run(store(self.spool, data, uid, priority=priority, to=to))
        model = self.model
        assert stored.digest == hashlib.sha256(data).digest()
        living = model.living(uid)
        twins = [number for number in living if model.contents[number] == data]
        if twins:
            twin = twins[0]
            served = {one.destination for one in model.of(twin) if one.state is not S.DISCARDED}
            wanting = [name for name in to if name not in served]
            if wanting and not model.has_bytes(twin):
                assert stored.outcome == "new"
                self.add(stored.number, uid, data, priority, wanting, S.QUEUED)
                return
            assert (stored.outcome, stored.number) == ("duplicate", twin)
            doubtful = twin in self.conflicts and any(
                one.state is S.HELD and self.cause(one) == "conflict" for one in model.of(twin)
            )
            self.add(twin, uid, data, priority, wanting, S.HELD if doubtful else S.QUEUED)
        elif living:
            assert stored.outcome == "conflict"
            self.conflicts.add(stored.number)
            self.add(stored.number, uid, data, priority, to, S.HELD)
        else:
            assert stored.outcome == "new"
            self.add(stored.number, uid, data, priority, to, S.QUEUED)

    @property
    def conflicts(self) -> set[int]:
        if not hasattr(self, "_conflicts"):
            self._conflicts: set[int] = set()
        return self._conflicts

    def cause(self, delivery: ModelDelivery) -> str:
        number = next(key for key, one in self.model.deliveries.items() if one is delivery)
        return str(self.run(self.spool.show(number)).cause)

    def add(self, number: int, uid: int, data: bytes, priority: Priority, to: list[str], state: S) -> None:
        self.model.contents[number] = data
        self.model.uids[number] = uid
        for name in to:
            following = max(self.model.deliveries, default=0) + 1
            self.model.deliveries[following] = ModelDelivery(number, name, priority, state)

    @rule(destination=st.sampled_from(DESTINATIONS), limit=st.integers(1, 3))
    def claim(self, destination: str, limit: int) -> None:
        ready = sorted(
            (one.priority, number)
            for number, one in self.model.deliveries.items()
            if one.state is S.QUEUED and one.destination == destination and one.due <= self.model.now
        )[:limit]
        due = self.run(self.spool.next_due(destination))
        waiting = [
            one.due
            for one in self.model.deliveries.values()
            if one.state is S.QUEUED and one.destination == destination
        ]
        if not waiting:
            assert due is None
        else:
            assert max(due, self.model.now) == max(min(waiting), self.model.now)
        jobs = self.run(self.spool.claim(destination, limit))
        assert [job.delivery.number for job in jobs] == [number for _, number in ready]
        for job in jobs:
            self.model.deliveries[job.delivery.number].state = S.SENDING
            assert job.object.digest == hashlib.sha256(self.model.contents[job.object.number]).digest()

    def numbers(self, *states: S) -> list[int]:
        return [number for number, one in self.model.deliveries.items() if one.state in states]

    @precondition(lambda self: self.numbers(S.SENDING))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        outcomes: list[Settlement] = []
        for number in data.draw(st.sets(st.sampled_from(self.numbers(S.SENDING)), min_size=1)):
            delivery = self.model.deliveries[number]
            kind = data.draw(st.sampled_from(("accepted", "back", "later", "held", "confirmed")))
            if kind in ("accepted", "confirmed"):
                row = self.run(self.spool.list_deliveries(after=number - 1, limit=1))[0]
                outcomes.append(Accepted(number, a_receipt(row)))
                delivery.state = S.ACCEPTED
                if kind == "confirmed":
                    outcomes.append(Confirmed(number, "verified"))
                    delivery.state = S.CONFIRMED
            elif kind == "held":
                outcomes.append(Hold(number, "no", "rejected"))
                delivery.state = S.HELD
            else:
                delivery.due = self.model.now + (50 if kind == "later" else 0)
                outcomes.append(PutBack(number, delivery.due, "busy"))
                delivery.state = S.QUEUED
        self.run(self.spool.settle(outcomes))

    @precondition(lambda self: self.model.deliveries)
    @rule(data=st.data(), action=st.sampled_from(("retry", "hold", "release", "discard")))
    def operate(self, data: st.DataObject, action: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.deliveries)))
        delivery = self.model.deliveries[number]
        legal = {
            "retry": {S.QUEUED, S.HELD, S.ACCEPTED, S.CONFIRMED},
            "hold": {S.QUEUED, S.HELD},
            "release": {S.HELD},
            "discard": {S.QUEUED, S.HELD},
        }[action]
        arguments = ("because",) if action in ("hold", "discard") else ()
        call = getattr(self.spool, action)(number, *arguments)
        if delivery.state not in legal:
            with pytest.raises(LocalError):
                self.run(call)
            return
        after = self.run(call)
        delivery.state = {"hold": S.HELD, "discard": S.DISCARDED}.get(action, S.QUEUED)
        delivery.due = 0.0
        assert after.state is delivery.state

    @rule(seconds=st.sampled_from((1.0, 60.0, 200.0)))
    def time_passes_and_retention_is_applied(self, seconds: float) -> None:
        # Everything that ended before now is old enough once the retention is over.
        self.model.now += seconds
        self.run(self.spool.expire(now=self.model.now + 1000.0))
        for one in self.model.deliveries.values():
            if one.state in (S.ACCEPTED, S.CONFIRMED):
                one.state = S.RELEASED

    def after_restart(self) -> None:
        self.open()
        for one in self.model.deliveries.values():
            if one.state is S.SENDING:
                one.state = S.QUEUED
                one.due = 0.0

    @rule()
    def restart(self) -> None:
        self.run(self.spool.close())
        self.after_restart()

    @rule()
    def crash(self) -> None:
        self.crashed.append(self.spool)
        before, self.generation = self.generation, self.generation + 1
        shutil.copytree(
            self.root / str(before),
            self.root / str(self.generation),
            ignore=shutil.ignore_patterns("lock"),
        )
        self.after_restart()

    @invariant()
    def everything_is_in_exactly_the_state_it_should_be(self) -> None:
        rows = self.run(self.spool.list_deliveries(limit=1000))
        found = {
            row.delivery.number: (row.object.number, row.delivery.destination, row.delivery.state)
            for row in rows
        }
        assert found == {
            number: (one.object, one.destination, one.state) for number, one in self.model.deliveries.items()
        }
        summary = self.run(self.spool.summary())
        kept = [number for number in self.model.contents if self.model.has_bytes(number)]
        assert summary.objects == len(kept)
        assert summary.bytes == sum(len(self.model.contents[number]) for number in kept)
        for number in kept:
            with self.spool.open_data(number) as reader:
                assert reader.read(100_000) == self.model.contents[number]


SpoolMachine.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.slow
class TestSpoolAgainstItsModel(SpoolMachine.TestCase):  # type: ignore[name-defined,misc]
    pass
