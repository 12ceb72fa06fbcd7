"""The bookkeeping of storage commitment against a model of it: random operations, restarts and crashes.

The model knows of each instance at each destination one delivery (or none), what was asked about it, and of
each transaction its items. Everything else (what is to be asked, what is to be reported) it derives anew.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.model import DeliveryState, Priority
from gateway.notices import Notices
from gateway.spool import Accepted, CommitmentState, Confirmed, Hold, Spool, SpoolLimits
from gateway.spool.commitment_values import PROCESSING_FAILURE
from tests.support.committing import NOT_HERE, a_reference, a_request, put, references
from tests.support.spooling import a_receipt

S = DeliveryState
PLACES = ("oncology", "archive")
INSTANCES = (1, 2, 3)
REFUSED = 0x0122
UNDELIVERED = (S.QUEUED, S.HELD)
Where = tuple[int, str]


@dataclass
class ModelDelivery:
    number: int
    state: S = S.QUEUED
    asked: bool = False  # since it was accepted
    not_before: float = 0.0
    resent: bool = False


@dataclass
class ModelAsk:
    place: str
    instances: frozenset[int]
    state: str = "open"
    newest: int = 0


@dataclass
class ModelItem:
    outcome: int | None = None  # None: open; 0: committed; else why not
    not_before: float = 0.0


@dataclass
class ModelTransaction:
    instances: tuple[int, ...]
    places: tuple[str, ...]
    since: float  # by the age clock
    items: dict[Where, ModelItem]
    state: CommitmentState = CommitmentState.OPEN
    not_before: float = 0.0


@dataclass
class Model:
    now: float = 1_000_000.0
    age: float = 1_000_000.0  # the age clock: time in which the spool ran, as far as it is written down
    written: float = 1_000_000.0  # its reading after a crash
    count: int = 0  # deliveries so far
    deliveries: dict[Where, ModelDelivery] = field(default_factory=dict)  # none when it was discarded
    asks: dict[str, ModelAsk] = field(default_factory=dict)
    transactions: list[ModelTransaction] = field(default_factory=list)

    def asking(self, where: Where) -> bool:
        return any(
            one.state == "open" and where[1] == one.place and where[0] in one.instances
            for one in self.asks.values()
        )

    def open_items(self, where: Where, newest: int | None = None) -> list[ModelItem]:
        return [
            one.items[where]
            for one in self.transactions[:newest]
            if where in one.items and one.items[where].outcome is None
        ]

    def state(self, where: Where) -> S | None:
        delivery = self.deliveries.get(where)
        return delivery.state if delivery else None

    def to_ask(self, place: str, everything: bool) -> set[int]:
        found = set()
        for number in INSTANCES:
            where = (number, place)
            state = self.state(where)
            if self.asking(where) or state in (*UNDELIVERED, S.CONFIRMED):
                continue
            if state is S.ACCEPTED:
                moments = [self.deliveries[where].not_before] * bool(everything or self.open_items(where))
            else:
                moments = [item.not_before for item in self.open_items(where)]
            if moments and min(moments) <= self.now:
                found.add(number)
        return found

    def moved(self, where: Where) -> None:
        """A delivery was accepted, confirmed, released or discarded: its items are looked at."""
        for item in self.open_items(where):
            item.not_before = 0.0
            if self.state(where) is S.CONFIRMED:
                item.outcome = 0
        self.complete()

    def complete(self) -> None:
        for one in self.transactions:
            if one.state is CommitmentState.OPEN and all(
                item.outcome is not None for item in one.items.values()
            ):
                one.state = CommitmentState.REPORTING

    def later(self, where: Where, moment: float) -> None:
        """An ask about it ended without an answer."""
        if self.asking(where):
            return
        delivery = self.deliveries.get(where)
        if delivery and delivery.state is S.ACCEPTED and delivery.asked and not delivery.not_before:
            delivery.not_before = moment
        for item in self.open_items(where):
            item.not_before = 0.0 if self.state(where) in (*UNDELIVERED, S.ACCEPTED) else moment

    def resolve(self, where: Where, items: list[ModelItem], outcome: int) -> None:
        """Everything there is has been asked about and answered."""
        if self.state(where) in (*UNDELIVERED, S.ACCEPTED):
            return
        for item in items:
            item.outcome = 0 if self.state(where) is S.CONFIRMED else outcome

    def answer(
        self, ask: ModelAsk, committed: set[int], failed: dict[int, int], resend: set[int], wait: float
    ) -> tuple[int, int]:
        was, ask.state = ask.state, "answered"
        resent = held = 0
        for number in sorted(ask.instances):
            where = (number, ask.place)
            delivery = self.deliveries.get(where)
            meant = delivery is not None and delivery.state is S.ACCEPTED and delivery.asked
            if number in failed:
                if self.asking(where):
                    continue
                items = self.open_items(where, ask.newest if was == "put off" else None)
                if delivery and meant and failed[number] in resend and not delivery.resent:
                    delivery.state, delivery.asked, delivery.not_before = S.QUEUED, False, 0.0
                    delivery.resent = True
                    resent += 1
                elif delivery and meant:
                    delivery.state, delivery.asked, delivery.not_before = S.HELD, False, 0.0
                    held += 1
                    for item in items:
                        item.outcome = failed[number]
                else:
                    self.resolve(where, items, failed[number])
            elif number in committed:
                if delivery and meant:
                    delivery.state, delivery.not_before = S.CONFIRMED, 0.0
                    self.moved(where)
                self.resolve(where, self.open_items(where), 0)
            elif was == "open":
                self.later(where, wait)
        self.complete()
        return resent, held

    def result(self, one: ModelTransaction) -> tuple[set[int], dict[int, int]]:
        failed: dict[int, int] = {}
        for number in one.instances:
            for place in one.places:
                if one.items[number, place].outcome:
                    failed.setdefault(number, one.items[number, place].outcome or 0)
        return set(one.instances) - set(failed), failed


class CommitmentMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="commitment-model-"))
        self.generation = 0
        self.model = Model()
        self.crashed: list[Spool] = []

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self) -> None:
        self.spool = Spool.open(
            self.root / str(self.generation),
            SpoolLimits(retention_seconds=0.0, max_open_commitments=4),
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

    # deliveries

    @rule(number=st.sampled_from(INSTANCES), to=st.sampled_from([*((one,) for one in PLACES), PLACES]))
    def store(self, number: int, to: tuple[str, ...]) -> None:
        self.run(put(self.spool, number, to=to))
        for place in to:
            if (number, place) not in self.model.deliveries:
                self.model.count += 1
                self.model.deliveries[number, place] = ModelDelivery(self.model.count)

    @rule(place=st.sampled_from(PLACES), take=st.booleans())
    def deliver(self, place: str, take: bool) -> None:
        jobs = self.run(self.spool.claim(place, 100))
        queued = {
            one.number: (where, one)
            for where, one in self.model.deliveries.items()
            if where[1] == place and one.state is S.QUEUED
        }
        assert {job.delivery.number for job in jobs} == set(queued)
        for job in jobs:
            where, delivery = queued[job.delivery.number]
            if take:
                self.run(self.spool.settle([Accepted(job.delivery.number, a_receipt(job))]))
                delivery.state, delivery.asked, delivery.not_before = S.ACCEPTED, False, 0.0
                self.model.moved(where)
            else:
                self.run(self.spool.settle([Hold(job.delivery.number, "no", "rejected")]))
                delivery.state = S.HELD

    @precondition(lambda self: self.model.deliveries)
    @rule(data=st.data(), action=st.sampled_from(("retry", "discard", "confirm")))
    def operate(self, data: st.DataObject, action: str) -> None:
        where = data.draw(st.sampled_from(sorted(self.model.deliveries)))
        delivery = self.model.deliveries[where]
        if action == "retry" and delivery.state is not S.RELEASED:
            self.run(self.spool.retry(delivery.number))
            delivery.state, delivery.asked, delivery.not_before = S.QUEUED, False, 0.0
        elif action == "discard" and delivery.state in UNDELIVERED:
            self.run(self.spool.discard(delivery.number, "no"))
            del self.model.deliveries[where]
            self.model.moved(where)
        elif action == "confirm" and delivery.state is S.ACCEPTED:
            self.run(self.spool.settle([Confirmed(delivery.number, "verified")]))
            delivery.state = S.CONFIRMED
            self.model.moved(where)

    @rule()
    def retention(self) -> None:
        self.run(self.spool.expire(self.model.now + 1.0))
        self.model.written = self.model.age
        for where, one in self.model.deliveries.items():
            if one.state in (S.ACCEPTED, S.CONFIRMED):
                one.state = S.RELEASED
                self.model.moved(where)

    # consoles

    @rule(
        instances=st.lists(st.sampled_from(INSTANCES), min_size=1, max_size=3, unique=True),
        to=st.sampled_from([*((one,) for one in PLACES), PLACES]),
    )
    def request(self, instances: list[int], to: tuple[str, ...]) -> None:
        model = self.model
        unfinished = (CommitmentState.OPEN, CommitmentState.REPORTING)
        if sum(one.state in unfinished for one in model.transactions) >= 4:
            return
        added = self.run(
            self.spool.add_commitment(a_request(*instances, uid=f"1.2.{len(model.transactions)}", to=to))
        )
        one = ModelTransaction(
            instances=tuple(instances),
            places=to,
            since=model.age,
            items={(number, place): ModelItem() for number in instances for place in to},
        )
        for where, item in one.items.items():
            item.outcome = 0 if model.state(where) is S.CONFIRMED else None
        model.transactions.append(one)
        model.complete()
        assert (added.number, added.outcome) == (len(model.transactions), "new")

    @precondition(lambda self: self.model.transactions)
    @rule(data=st.data(), differently=st.booleans())
    def request_again(self, data: st.DataObject, differently: bool) -> None:
        place = data.draw(st.integers(0, len(self.model.transactions) - 1))
        one = self.model.transactions[place]
        instances = (*one.instances, 9) if differently else one.instances[::-1]
        added = self.run(self.spool.add_commitment(a_request(*instances, uid=f"1.2.{place}", to=one.places)))
        assert (added.number, added.outcome) == (place + 1, "different" if differently else "again")
        if not differently and one.state in (CommitmentState.REPORTED, CommitmentState.GIVEN_UP):
            one.state, one.not_before = CommitmentState.REPORTING, 0.0

    @rule(data=st.data(), end=st.sampled_from(("reported", "failed", "given up")))
    def report(self, data: st.DataObject, end: str) -> None:
        due = self.run(self.spool.commitments_to_report(10))
        if not due:
            return
        number = data.draw(st.sampled_from([one.number for one in due]))
        one = self.model.transactions[number - 1]
        if end == "reported":
            self.run(self.spool.commitment_reported(number))
            one.state = CommitmentState.REPORTED
        elif end == "given up":
            self.run(self.spool.give_up_commitment(number, "no answer"))
            one.state = CommitmentState.GIVEN_UP
        else:
            one.not_before = self.model.now + 50.0
            self.run(self.spool.commitment_report_failed(number, one.not_before, "no answer"))

    @rule(age=st.sampled_from((0.0, 100.0)))
    def patience_ends(self, age: float) -> None:
        before = self.model.age - age
        count = 0
        for one in self.model.transactions:
            for item in one.items.values():
                if one.since < before and item.outcome is None:
                    item.outcome = PROCESSING_FAILURE
                    count += 1
        self.model.complete()
        assert self.run(self.spool.expire_commitments(self.model.now - age)) == count

    # destinations

    @rule(place=st.sampled_from(PLACES), data=st.data(), stale=st.booleans())
    def ask(self, place: str, data: st.DataObject, stale: bool) -> None:
        """`stale`: what was to be asked about has changed since the engine looked."""
        wanted = set(INSTANCES) if stale else self.model.to_ask(place, everything=True)
        if not wanted:
            return
        instances = data.draw(st.sets(st.sampled_from(sorted(wanted)), min_size=1))
        uid = f"2.25.{len(self.model.asks)}"
        self.run(self.spool.ask_begun(place, uid, references(*instances), self.model.now + 100.0))
        self.model.asks[uid] = ModelAsk(place, frozenset(instances))
        for number in instances:
            delivery = self.model.deliveries.get((number, place))
            if delivery and delivery.state is S.ACCEPTED:
                delivery.asked, delivery.not_before = True, 0.0

    @precondition(lambda self: self.model.asks)
    @rule(data=st.data(), wait=st.sampled_from((0.0, 50.0)))
    def put_off(self, data: st.DataObject, wait: float) -> None:
        uid = data.draw(st.sampled_from(sorted(self.model.asks)))
        moment = self.model.now + wait
        self.run(self.spool.ask_put_off(uid, moment, "no answer"))
        ask = self.model.asks[uid]
        if ask.state == "open":
            ask.state, ask.newest = "put off", len(self.model.transactions)
            for number in ask.instances:
                self.model.later((number, ask.place), moment)

    @precondition(lambda self: self.model.asks)
    @rule(
        data=st.data(),
        committed=st.sets(st.sampled_from(INSTANCES)),
        failed=st.dictionaries(st.sampled_from(INSTANCES), st.sampled_from((NOT_HERE, REFUSED))),
        resend=st.booleans(),
    )
    def answer(self, data: st.DataObject, committed: set[int], failed: dict[int, int], resend: bool) -> None:
        """In time, late, twice; naming all, some, none, or what was not asked."""
        uid = data.draw(st.sampled_from([*sorted(self.model.asks), "2.25.999"]))
        reasons = {NOT_HERE} if resend else set()
        answered = self.run(
            self.spool.ask_answered(
                uid,
                references(*committed),
                [(a_reference(number), reason) for number, reason in failed.items()],
                "committed",
                resend=frozenset(reasons),
            )
        )
        ask = self.model.asks.get(uid)
        if ask is None or ask.state == "answered":
            assert answered.outcome == ("unknown" if ask is None else "again")
            return
        resent, held = self.model.answer(ask, committed, failed, reasons, self.model.now + 300.0)
        assert (answered.outcome, answered.resent, answered.held) == ("known", resent, held)

    # time and trouble

    @rule(seconds=st.sampled_from((60.0, 400.0)))
    def time_passes(self, seconds: float) -> None:
        self.model.now += seconds
        self.model.age += seconds

    @rule()
    def restart(self) -> None:
        self.run(self.spool.close())
        self.model.written = self.model.age
        self.open()

    @rule()
    def crash(self) -> None:
        self.crashed.append(self.spool)
        self.model.age = self.model.written
        before, self.generation = self.generation, self.generation + 1
        shutil.copytree(
            self.root / str(before),
            self.root / str(self.generation),
            ignore=shutil.ignore_patterns("lock"),
        )
        self.open()

    # what must hold

    @invariant()
    def deliveries_are_where_they_should_be(self) -> None:
        rows = self.run(self.spool.list_deliveries(limit=1000))
        found = {
            row.delivery.number: row.delivery.state for row in rows if row.delivery.state is not S.DISCARDED
        }
        assert found == {one.number: one.state for one in self.model.deliveries.values()}
        left = self.run(self.spool.unsettled(calling_ae="LINAC1", destinations=PLACES, most=Priority.BULK))
        assert left.count == sum(one.state in UNDELIVERED for one in self.model.deliveries.values())

    @invariant()
    def the_right_questions_are_to_be_asked(self) -> None:
        for place in PLACES:
            for everything in (False, True):
                found = self.run(self.spool.references_to_ask(place, everything=everything, limit=100))
                numbers = [int(one.reference.sop_instance_uid.rpartition(".")[2]) for one in found]
                assert len(set(numbers)) == len(numbers)
                assert set(numbers) == self.model.to_ask(place, everything)

    @invariant()
    def consoles_are_told_the_truth(self) -> None:
        rows = self.run(self.spool.list_commitments(100))
        assert [row.state for row in reversed(rows)] == [one.state for one in self.model.transactions]
        reports = {one.number: one for one in self.run(self.spool.commitments_to_report(100))}
        for number, one in enumerate(self.model.transactions, 1):
            due = one.state is CommitmentState.REPORTING and one.not_before <= self.model.now
            assert (number in reports) is due
            if due:
                committed, failed = self.model.result(one)
                assert set(reports[number].committed) == set(references(*committed))
                assert dict(reports[number].failed) == {a_reference(key): why for key, why in failed.items()}


CommitmentMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.slow
class TestCommitmentAgainstItsModel(CommitmentMachine.TestCase):  # type: ignore[name-defined,misc]
    pass
