"""What is told about a try: to the journal, and to whoever looks on."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from gateway.notices import Alarm, StepSettled
from gateway.procedure_steps.outcomes import Outcomes, Try
from gateway.procedure_steps.policy import StepPolicy
from gateway.procedure_steps.sender import Answered, NotSent, Scope, Unanswered
from gateway.procedure_steps.waiting import Waits
from tests.support.notice_log import NoticeLog
from tests.support.steps import UID, FakeStepSpool, a_step, an_answer


class Scene:
    """Outcomes, and what hears of them."""

    def __init__(self) -> None:
        self.spool = FakeStepSpool()
        self.log = NoticeLog()
        self.waits = Waits()
        self.now = 100.0
        self.outcomes = Outcomes(
            "oncology",
            self.spool,
            self.log.notices,
            StepPolicy(),
            self.waits,
            clock=lambda: self.now,
            wall_clock=lambda: 5000.0,
            rng=random.Random(1),
        )

    async def settle(
        self, reply: Answered | Unanswered | NotSent, *, kind: str = "create", uncertain: bool = False
    ) -> None:
        """Settle a try of a new step."""
        row = await self.spool.add_step(a_step(1, kind))  # type: ignore[arg-type]  # one of the literals
        await self.outcomes.settle(Try(row, "LINAC1", uncertain=uncertain, seconds=0.5), reply)


@pytest.mark.parametrize(
    ("reply", "event", "outcome", "status"),
    [
        (Answered(an_answer(0)), "done", "done", 0),
        (Answered(an_answer(0x0116)), "done", "done", 0x0116),
        (Answered(an_answer(0x0106)), "held", "held", 0x0106),
        (Answered(an_answer(0x0213)), "put-back", "retry", 0x0213),
        (Unanswered("cut"), "put-back", "retry", None),
        (NotSent(Scope.STEP, "syntax"), "held", "held", None),
    ],
)
async def test_nobody_waits(
    reply: Answered | Unanswered | NotSent, event: str, outcome: str, status: int | None
) -> None:
    scene = Scene()
    await scene.settle(reply)
    assert scene.spool.events == [("add", 1), (event, 1)]
    [told] = scene.log.of(StepSettled)
    assert (told.outcome, told.status, told.attempts, told.seconds) == (outcome, status, 1, 0.5)
    assert (told.kind, told.destination, told.calling_ae) == ("create", "oncology", "LINAC1")
    assert bool(scene.log.of(Alarm)) == (event == "held")


@pytest.mark.parametrize(
    ("reply", "event", "outcome"),
    [
        (Answered(an_answer(0)), "done", "done"),
        (Answered(an_answer(0x0106)), "refused", "refused"),
        (Answered(an_answer(0x0213)), "refused", "refused"),
        (NotSent(Scope.STEP, "syntax"), "refused", "refused"),
    ],
)
async def test_a_console_waits(reply: Answered | NotSent, event: str, outcome: str) -> None:
    scene = Scene()
    wait = asyncio.create_task(scene.waits.open(1, f"{UID}1").outcome(30))
    await asyncio.sleep(0)
    await scene.settle(reply)
    assert scene.spool.events == [("add", 1), (event, 1)]
    assert [told.outcome for told in scene.log.of(StepSettled)] == [outcome]
    answer = await wait
    assert answer is not None
    if isinstance(reply, Answered):
        assert answer is reply.command
    assert not scene.log.of(Alarm)


async def test_when_the_next_one_is_due() -> None:
    scene = Scene()
    assert scene.outcomes.next_due(scene.now) is None
    await scene.settle(Unanswered("cut"))
    due = scene.outcomes.next_due(scene.now)
    assert due is not None
    assert scene.now < due <= scene.now + StepPolicy().backoff_base
    assert scene.spool.rows[1].not_before == pytest.approx(5000.0 + due - scene.now)
    assert scene.outcomes.next_due(due) is None
    assert not scene.outcomes._later


async def test_what_is_cut_off_goes_again_at_once_and_may_have_arrived() -> None:
    scene = Scene()
    row = await scene.spool.add_step(a_step())
    await scene.outcomes.cut_off(row, "stopped")
    row = scene.spool.rows[1]
    assert (row.not_before, row.uncertain, row.reason) == (0.0, True, "stopped")


async def test_neither_identities_nor_the_words_of_the_peer_are_told() -> None:
    scene = Scene()
    said = an_answer(0x0106, comment="DOE^JOHN 1970")
    await scene.settle(Answered(said))
    await scene.settle(Answered(replace(said, status=0x0213)))
    assert "DOE" not in repr(scene.log.all)
    assert UID not in repr(scene.log.all)
    assert "DOE" not in repr(scene.spool.rows[1].reason)
