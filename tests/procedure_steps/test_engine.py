"""The queue as the service that takes steps sees it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.errors import LocalError, NoRoom, SpoolFailure
from gateway.model import AETitle, Peer, Route
from gateway.procedure_steps.engine import StepEngine
from gateway.procedure_steps.policy import StepPolicy
from gateway.procedure_steps.sender import Answered, NotSent, Scope
from gateway.routing import RoutingTable
from gateway.spool.step_values import Step, StepRow
from tests.support.loop_clock import run_fast, turns
from tests.support.notice_log import NoticeLog
from tests.support.steps import UID, FakeSender, FakeStepSpool, a_step, an_answer

OWN = AETitle("GATEWAY")
PEERS = {name: Peer(name, AETitle(name.upper()), "127.0.0.1", 104) for name in ("oncology", "radiology")}
ROUTING = RoutingTable(
    [
        Route(AETitle("ARIA"), ("oncology",), mpps="queue", calling=frozenset({AETitle("HIDDEN")}),
              calling_upstream="gateway"),
        Route(AETitle("ARIA"), ("oncology",), mpps="queue"),
    ],
    OWN,
)  # fmt: skip


@dataclass
class Scene:
    """An engine with a spool in memory and a sender for each peer."""

    policy: StepPolicy = field(default_factory=StepPolicy)
    spool: FakeStepSpool | None = None

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.store = self.spool or FakeStepSpool(loop.time)
        self.senders = {name: FakeSender() for name in PEERS}
        self.log = NoticeLog()
        self.engine = StepEngine(
            self.store,
            PEERS,
            OWN,
            self.log.notices,
            self.policy,
            routing=ROUTING,
            sender=lambda peer: self.senders[peer.name],
            clock=loop.time,
            wall_clock=loop.time,
            rng=random.Random(3),
        )


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[Scene]:
    run = asyncio.create_task(scene.engine.run())
    await turns()
    yield scene
    await scene.engine.close()
    assert run.done()
    assert scene.store.listeners == 0
    assert all(sender.closed for sender in scene.senders.values())


def test_the_destinations_answer_comes_back_in_time() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            answer = an_answer(0x0120)
            scene.senders["oncology"].replies.append(Answered(answer))
            assert await scene.engine.submit(a_step()) is answer
            assert scene.store.events == [("add", 1), ("refused", 1)]
            assert not scene.engine._lines["oncology"].waits._waits

    run_fast(scenario())


def test_without_one_the_wait_of_the_policy_is_over_and_the_step_is_durable() -> None:
    async def scenario() -> None:
        async with running(Scene(StepPolicy(wait=2.5))) as scene:
            before = scene.loop.time()
            reply = scene.loop.create_future()
            scene.senders["oncology"].replies.append(reply)
            assert await scene.engine.submit(a_step()) is None
            assert scene.loop.time() - before == 2.5
            reply.set_result(Answered(an_answer()))
            await turns()
            assert scene.store.events == [("add", 1), ("done", 1)]

    run_fast(scenario())


def test_destinations_do_not_hinder_each_other() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.senders["oncology"].replies.append(NotSent(Scope.DESTINATION, "down"))
            assert await scene.engine.submit(a_step(1)) is None
            assert await scene.engine.submit(a_step(2, destination="radiology")) is not None
            assert [row.state.value for row in scene.store.rows.values()] == ["queued", "done"]
            scene.engine.kick("oncology")
            scene.engine.kick("of another configuration")
            await turns()
            assert scene.store.state(1).value == "done"

    run_fast(scenario())


def test_titles_upstream() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            await scene.engine.submit(a_step(1, calling_ae="LINAC1"))
            await scene.engine.submit(a_step(2, calling_ae="HIDDEN"))
            assert [title for _, title in scene.senders["oncology"].sent] == ["LINAC1", OWN]

    run_fast(scenario())


@pytest.mark.parametrize("error", [NoRoom("full"), SpoolFailure("the disk")])
def test_what_is_not_durable_is_not_waited_for(error: LocalError) -> None:
    class Full(FakeStepSpool):
        async def add_step(self, step: Step) -> StepRow:
            raise error

    async def scenario() -> None:
        async with running(Scene(spool=Full())) as scene:
            with pytest.raises(type(error)):
                await scene.engine.submit(a_step())
            assert not scene.engine._lines["oncology"]._arriving

    run_fast(scenario())


def test_an_unknown_destination_is_our_own_mistake() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            with pytest.raises(LocalError, match="no destination"):
                await scene.engine.submit(a_step(destination="nowhere"))
            errors: list[object] = []
            scene.loop.set_exception_handler(lambda _, context: errors.append(context))
            await scene.store.add_step(a_step(destination="nowhere"))  # of an earlier configuration
            await turns()
            assert not errors

    run_fast(scenario())


def test_what_is_queued_and_held_is_counted() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.senders["oncology"].replies.append(NotSent(Scope.DESTINATION, "down"))
            await scene.engine.submit(a_step(1))
            await scene.engine.submit(a_step(1, "set"))
            assert await scene.engine.open_steps(f"{UID}1", "oncology") == 2
            assert await scene.engine.open_steps(f"{UID}2", "oncology") == 0

    run_fast(scenario())


def test_only_what_an_earlier_life_queued_may_have_been_sent_by_it() -> None:
    async def scenario() -> None:
        scene = Scene()
        await scene.store.add_step(a_step(1))  # by an earlier life, which died while it was sent
        scene.senders["oncology"].replies += [Answered(an_answer(0x0111))] * 2
        async with running(scene):
            await turns()
            assert scene.store.state(1).value == "done"
            answer = await scene.engine.submit(a_step(2))
            assert answer is not None
            assert answer.status == 0x0111
            assert scene.store.state(2).value == "refused"

    run_fast(scenario())


class Slow(FakeStepSpool):
    """Steps are in the journal, and told of, well before `add_step` returns."""

    def __init__(self, *turns: int) -> None:
        super().__init__()
        self._turns = list(turns)

    async def add_step(self, step: Step) -> StepRow:
        row = await super().add_step(step)
        await turns(self._turns.pop(0))
        return row


def test_an_answer_cannot_come_before_its_console_waits() -> None:
    async def scenario() -> None:
        async with running(Scene(spool=Slow(30))) as scene:
            scene.senders["oncology"].replies.append(Answered(an_answer(0x0106)))
            answer = await scene.engine.submit(a_step())
            assert answer is not None
            assert answer.status == 0x0106

    run_fast(scenario())


@pytest.mark.parametrize("slow", [(2, 20), (20, 2)])
def test_of_two_steps_at_once_neither_is_from_an_earlier_life(slow: tuple[int, int]) -> None:
    async def scenario() -> None:
        async with running(Scene(spool=Slow(*slow))) as scene:
            scene.senders["oncology"].replies += [Answered(an_answer(0x0111))] * 2
            answers = await asyncio.gather(*(scene.engine.submit(a_step(number)) for number in (1, 2)))
            assert [answer and answer.status for answer in answers] == [0x0111, 0x0111]
            assert scene.engine._first_own == 1

    run_fast(scenario())


def test_an_earlier_life_is_told_apart_also_when_new_steps_come_first() -> None:
    async def scenario() -> None:
        scene = Scene()
        await scene.store.add_step(a_step(1))
        scene.senders["oncology"].replies += [Answered(an_answer(0x0111))] * 2
        submitted = asyncio.create_task(scene.engine.submit(a_step(2)))
        await turns()
        async with running(scene):
            answer = await submitted
            assert answer is not None
            assert answer.status == 0x0111
            await turns()
            assert scene.store.state(1).value == "done"

    run_fast(scenario())


def test_a_spool_that_fails_ends_the_engine() -> None:
    async def scenario() -> None:
        scene = Scene()
        run = asyncio.create_task(scene.engine.run())
        await turns()
        await scene.store.add_step(a_step())
        scene.store.failure = SpoolFailure("the disk")
        with pytest.raises(ExceptionGroup):
            await run
        assert scene.store.listeners == 0

    run_fast(scenario())


def test_cancelled_it_lets_everybody_go() -> None:
    async def scenario() -> None:
        scene = Scene()
        run = asyncio.create_task(scene.engine.run())
        await turns()
        scene.senders["oncology"].replies.append(scene.loop.create_future())
        submitted = asyncio.create_task(scene.engine.submit(a_step()))
        await turns()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert await submitted is None
        assert scene.store.state(1).value == "queued"

    run_fast(scenario())


def test_without_any_peer_it_lives_until_it_is_closed() -> None:
    async def scenario() -> None:
        store = FakeStepSpool()
        engine = StepEngine(store, {}, OWN, NoticeLog().notices)
        run = asyncio.create_task(engine.run())
        await asyncio.sleep(3600)
        assert not run.done()
        await engine.close()
        assert run.done()
        assert store.listeners == 0

    run_fast(scenario())
