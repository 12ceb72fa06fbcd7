"""One destination: order, tries, and what a console that waits is told. Virtual time throughout."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dicom.command import Command
from gateway.errors import SpoolFailure
from gateway.model import AETitle
from gateway.notices import Alarm
from gateway.procedure_steps.line import Line
from gateway.procedure_steps.notices import StepLinkChanged, StepSettled
from gateway.procedure_steps.policy import StepPolicy
from gateway.procedure_steps.sender import Answered, NotSent, Reply, Scope, Unanswered
from gateway.spool.step_values import Step, StepState
from tests.support.loop_clock import run_fast, turns
from tests.support.notice_log import NoticeLog
from tests.support.steps import UID, FakeSender, FakeStepSpool, a_step, an_answer

POLICY = StepPolicy(backoff_base=5.0, backoff_ceiling=300.0, alarm_attempts=3)
DOWN = NotSent(Scope.DESTINATION, "no route to host")
REFUSED = NotSent(Scope.TITLE, "the calling AE title is not known there", slow=True)
BUSY = NotSent(Scope.TITLE, "too many associations")
SYNTAX = NotSent(Scope.STEP, "not in this transfer syntax")
CUT = Unanswered("the connection broke")


class Longest(random.Random):
    """Every wait is as long as it may be."""

    def uniform(self, a: float, b: float) -> float:
        return b


@dataclass
class Scene:
    """A line with a spool in memory and a peer that does as told."""

    policy: StepPolicy = POLICY
    from_before: bool = False
    sender: FakeSender = field(default_factory=FakeSender)
    log: NoticeLog = field(default_factory=NoticeLog)
    trouble: str | None = None  # what `reachable` says
    reports: list[str | None] = field(default_factory=list)
    wait: float = 5.0

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.spool = FakeStepSpool(self.loop.time)
        self.line = Line(
            "oncology",
            self.spool,
            self.sender,
            self.log.notices,
            self.policy,
            title_of=lambda step: AETitle(step.calling_ae),
            from_before=lambda number: self.from_before,
            reachable=lambda name: self.trouble,
            report=lambda name, trouble: self.reports.append(trouble),
            clock=self.loop.time,
            wall_clock=self.loop.time,
            rng=Longest(),
        )
        self.spool.on_step(lambda destination: self.line.news())

    def now(self) -> float:
        """Seconds since the start."""
        return self.loop.time() - 1000.0

    def replies(self, *replies: Reply | asyncio.Future[Reply]) -> None:
        """What the peer does with the next steps."""
        self.sender.replies.extend(replies)

    def pending(self) -> asyncio.Future[Reply]:
        """An answer that comes when the test says."""
        reply: asyncio.Future[Reply] = self.loop.create_future()
        self.sender.replies.append(reply)
        return reply

    async def queue(self, *steps: Step) -> None:
        """Add steps whose consoles are not waiting."""
        for step in steps:
            await self.spool.add_step(step)
        await turns()

    def submit(self, step: Step) -> asyncio.Task[Command | None]:
        """Hand in a step as a console does, and wait for its answer."""

        async def work() -> Command | None:
            with self.line.arrival(step.sop_instance_uid):
                row = await self.spool.add_step(step)
                wait = self.line.wait_for(row.number, step.sop_instance_uid)
            try:
                return await wait.outcome(self.wait)
            finally:
                self.line.waits.close(row.number)

        return asyncio.create_task(work())

    def states(self) -> list[str]:
        """Where every step stands."""
        return [row.state.value for row in self.spool.rows.values()]

    def alarms(self) -> list[str]:
        """The codes of all alarms."""
        return [alarm.code for alarm in self.log.of(Alarm)]

    def outcomes(self) -> list[tuple[int, str]]:
        """What was told of every try."""
        return [(one.number, one.outcome) for one in self.log.of(StepSettled)]


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[Scene]:
    """Run the line, and stop it in the end."""
    run = asyncio.create_task(scene.line.run())
    await turns()
    try:
        yield scene
    finally:
        scene.line.stop()
        await asyncio.wait([run])
        if not isinstance(run.exception(), ExceptionGroup):
            run.result()
            assert scene.sender.closed
        assert not scene.line.waits.open_now()


# --- the console's own answer --------------------------------------------------------------------------


def test_success_of_the_destination_is_what_the_console_hears() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            warning = an_answer(0x0116, comment="out of range")
            scene.replies(Answered(warning))
            assert await scene.submit(a_step()) is warning
            assert scene.states() == ["done"]
            assert scene.spool.rows[1].status == 0x0116
            assert scene.spool.rows[1].comment == "out of range"
            assert scene.outcomes() == [(1, "done")]
            assert scene.reports == [None]

    run_fast(scenario())


@pytest.mark.parametrize("status", [0x0106, 0x0110, 0x0111, 0x0213, 0xA700, 0xC000])
def test_a_failure_told_to_the_console_is_the_end_of_the_step(status: int) -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            failure = an_answer(status, comment="no")
            scene.replies(Answered(failure))
            assert await scene.submit(a_step()) is failure
            assert scene.states() == ["refused"]
            assert scene.outcomes() == [(1, "refused")]
            assert not scene.alarms()
            # What follows is asked about anew.
            assert await scene.submit(a_step(1, "set")) is not None
            assert scene.states() == ["refused", "done"]

    run_fast(scenario())


def test_the_journal_knows_before_the_console_does() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            gate = asyncio.Event()

            async def hold_up(what: str) -> None:
                if what == "refused":
                    await gate.wait()

            scene.spool.before_writing = hold_up
            scene.replies(Answered(an_answer(0x0106)))
            asked = scene.submit(a_step())
            await asyncio.sleep(60)  # longer than the console would wait for the destination
            assert not asked.done()
            gate.set()
            answer = await asked
            assert answer is not None
            assert answer.status == 0x0106

    run_fast(scenario())


def test_no_answer_in_time_means_durable_and_a_late_failure_is_held() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            reply = scene.pending()
            assert await scene.submit(a_step()) is None
            assert scene.now() == 5.0
            reply.set_result(Answered(an_answer(0x0106)))
            await turns()
            assert scene.states() == ["held"]
            assert scene.outcomes() == [(1, "held")]
            assert scene.alarms() == ["step-held"]
            # It blocks what follows of its procedure step, visibly, and nothing else.
            assert await scene.submit(a_step(1, "set")) is None
            assert scene.now() == 5.0
            assert await scene.submit(a_step(2)) is not None
            assert scene.sender.order() == [(1, "create"), (2, "create")]

    run_fast(scenario())


def test_a_late_success_is_simply_done() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            reply = scene.pending()
            assert await scene.submit(a_step()) is None
            reply.set_result(Answered(an_answer(0)))
            await turns()
            assert scene.states() == ["done"]

    run_fast(scenario())


def test_a_console_that_goes_away_was_told_nothing_and_leaves_nothing() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            reply = scene.pending()
            asked = scene.submit(a_step())
            await turns()
            asked.cancel()
            await turns()
            assert not scene.line.waits.open_now()
            reply.set_result(Answered(an_answer(0)))
            await turns()
            assert scene.states() == ["done"]

    run_fast(scenario())


def test_a_duplicate_that_an_earlier_try_left_is_a_success_for_the_console_too() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(Answered(an_answer(0x0111), again=True))
            answer = await scene.submit(a_step())
            assert answer is not None
            assert answer.status == 0x0000
            assert scene.states() == ["done"]
            assert scene.spool.rows[1].status == 0x0111

    run_fast(scenario())


def test_a_step_that_cannot_be_sent_as_it_is_is_told_at_once_or_held() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(SYNTAX)
            answer = await scene.submit(a_step())
            assert answer is not None
            assert answer.status == 0x0110
            assert answer.error_comment == SYNTAX.reason
            scene.replies(SYNTAX)
            await scene.queue(a_step(2))
            assert scene.states() == ["refused", "held"]
            assert scene.spool.rows[2].reason == SYNTAX.reason
            assert scene.outcomes() == [(1, "refused"), (2, "held")]

    run_fast(scenario())


def test_a_step_is_not_sent_before_its_console_waits() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            with scene.line.arrival(f"{UID}1"):
                await scene.queue(a_step())
                assert not scene.sender.sent
                await scene.queue(a_step(2))
                assert scene.sender.order() == [(2, "create")]
            await turns()
            assert scene.sender.order() == [(2, "create"), (1, "create")]

    run_fast(scenario())


# --- order ---------------------------------------------------------------------------------------------


def test_what_was_queued_goes_in_order_and_one_at_a_time_for_each_title() -> None:
    async def scenario() -> None:
        scene = Scene()
        steps = [a_step(1), a_step(2), a_step(1, "set", "IN PROGRESS"), a_step(2, "set"), a_step(1, "set")]
        for step in steps:
            await scene.spool.add_step(step)
        async with running(scene):
            await turns(100)
            assert scene.states() == ["done"] * 5
            assert scene.sender.order() == [
                *((1, "create"), (2, "create")),
                *((1, "set"), (2, "set"), (1, "set")),
            ]
            assert scene.sender.most_flying == 1

    run_fast(scenario())


def test_a_console_that_waits_comes_before_what_is_being_caught_up_with() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            reply = scene.pending()
            await scene.queue(a_step(1), a_step(2), a_step(3))
            asked = scene.submit(a_step(9))
            await turns()
            reply.set_result(Answered(an_answer()))
            await asked
            assert scene.sender.order()[:2] == [(1, "create"), (9, "create")]

    run_fast(scenario())


def test_titles_have_each_their_own_association_up_to_the_limit() -> None:
    async def scenario() -> None:
        scene = Scene(replace(POLICY, max_associations=2))
        for number, title in enumerate(("A", "B", "C", "A"), 1):
            await scene.spool.add_step(a_step(number, calling_ae=title))
        first, second = scene.pending(), scene.pending()
        async with running(scene):
            assert [title for _, title in scene.sender.sent] == ["A", "B"]
            second.set_result(Answered(an_answer()))
            await turns()
            assert [title for _, title in scene.sender.sent] == ["A", "B", "C"]
            first.set_result(Answered(an_answer()))
            await turns()
            assert scene.states() == ["done"] * 4
            assert scene.sender.most_flying == 2

    run_fast(scenario())


def test_a_journal_read_before_a_step_was_settled_does_not_send_it_again() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            reply = scene.pending()
            await scene.queue(a_step())
            for _ in range(20):  # at every turn of the loop once
                scene.line.news()
                await asyncio.sleep(0)
                if not reply.done():
                    reply.set_result(Answered(an_answer()))
            await turns()
            assert scene.sender.order() == [(1, "create")]

    run_fast(scenario())


# --- a destination that is out of reach ----------------------------------------------------------------


def test_while_the_destination_is_down_consoles_are_answered_at_once_and_nothing_is_written() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(*[DOWN] * 20)
            assert await scene.submit(a_step()) is None
            assert scene.now() == 0.0
            for number in range(2, 6):
                assert await scene.submit(a_step(number)) is None
            assert scene.now() == 0.0
            await asyncio.sleep(3600)
            assert scene.states() == ["queued"] * 5
            assert {event for event, _ in scene.spool.events} == {"add"}
            assert [(one.up, one.reason) for one in scene.log.of(StepLinkChanged)] == [(False, DOWN.reason)]
            assert set(scene.reports) == {DOWN.reason}
            assert 10 < len(scene.sender.sent) < 25

    run_fast(scenario())


def test_it_is_tried_again_with_growing_waits_and_then_everything_flows() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            times: list[float] = []

            def down(step: Step, title: AETitle) -> Reply:
                times.append(scene.now())
                return DOWN

            scene.sender.replies.extend([down] * 4)
            await scene.queue(a_step(1), a_step(1, "set"), a_step(2))
            await asyncio.sleep(200)
            assert times == [0.0, 5.0, 15.0, 35.0]
            assert scene.states() == ["done"] * 3
            assert scene.reports[-1] is None
            assert [one.up for one in scene.log.of(StepLinkChanged)] == [False, True]

    run_fast(scenario())


def test_somebody_who_knows_that_it_is_back_is_believed() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(DOWN)
            await scene.queue(a_step())
            assert scene.states() == ["queued"]
            scene.line.kick()
            await turns()
            assert scene.states() == ["done"]
            assert scene.now() == 0.0

    run_fast(scenario())


def test_nothing_is_tried_while_it_is_known_to_be_unreachable() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.trouble = "the link is down"
        async with running(scene):
            assert await scene.submit(a_step()) is None
            assert scene.now() == 0.0
            await asyncio.sleep(1000)
            assert not scene.sender.sent
            assert not scene.reports
            scene.trouble = None
            scene.line.kick()
            await turns()
            assert scene.states() == ["done"]

    run_fast(scenario())


def test_nobody_is_asked_whether_it_is_reachable_when_there_is_nothing_to_send() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.trouble = "would take the one trial there is"
        async with running(scene):
            scene.line.news()
            await turns()
            assert not scene.log.all

    run_fast(scenario())


def test_a_link_that_breaks_while_the_console_waits_lets_it_go_with_what_is_durable() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            reply = scene.pending()
            asked = scene.submit(a_step())
            await asyncio.sleep(1)
            reply.set_result(NotSent(Scope.DESTINATION, "no route to host", again=True))
            assert await asked is None
            assert scene.now() == 1.0
            # A try on a warm association may have arrived: the journal has to know.
            assert scene.spool.rows[1].uncertain
            scene.replies(Answered(an_answer(0x0111)))
            await asyncio.sleep(10)
            assert scene.states() == ["done"]

    run_fast(scenario())


# --- a title that is refused ---------------------------------------------------------------------------


def test_a_title_that_is_refused_keeps_back_its_own_steps_only() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:

            def refuse_a(step: Step, title: AETitle) -> Reply:
                return REFUSED if title == "A" else Answered(an_answer())

            scene.sender.replies.extend([refuse_a] * 6)
            asked = scene.submit(a_step(1, calling_ae="A"))
            assert await asked is None
            assert scene.now() == 0.0
            assert await scene.submit(a_step(2, calling_ae="B")) is not None
            assert await scene.submit(a_step(3, calling_ae="A")) is None
            assert scene.now() == 0.0
            assert scene.states() == ["queued", "done", "queued"]
            assert scene.alarms() == ["steps-refused"]
            await asyncio.sleep(301)
            assert len(scene.sender.sent) == 3
            await asyncio.sleep(900)
            assert scene.alarms() == ["steps-refused"]
            scene.sender.replies.clear()
            await asyncio.sleep(301)
            assert scene.states() == ["done"] * 3
            changes = scene.log.of(StepLinkChanged)
            assert [(one.calling_ae, one.up) for one in changes] == [("A", False), ("A", True)]

    run_fast(scenario())


def test_a_step_that_waits_for_its_time_is_not_forgotten_behind_a_title_that_is_shut() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:

            def refuse_a(step: Step, title: AETitle) -> Reply:
                return REFUSED if title == "A" else Answered(an_answer(0xA700))

            scene.sender.replies.extend([refuse_a] * 2)
            await scene.queue(a_step(1, calling_ae="A"), a_step(2, calling_ae="B"))
            await asyncio.sleep(5.1)
            assert scene.states() == ["queued", "done"]

    run_fast(scenario())


def test_a_transient_refusal_is_tried_again_soon() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(BUSY, BUSY)
            await scene.queue(a_step())
            await asyncio.sleep(16)
            assert scene.states() == ["done"]
            assert not scene.alarms()
            assert set(scene.reports) == {None}

    run_fast(scenario())


def test_many_steps_of_a_refused_title_do_not_hide_the_others() -> None:
    async def scenario() -> None:
        scene = Scene(replace(POLICY, window=4))
        for number in range(1, 11):
            await scene.spool.add_step(a_step(number, calling_ae="A"))
        await scene.spool.add_step(a_step(99, calling_ae="B"))

        def refuse_a(step: Step, title: AETitle) -> Reply:
            return REFUSED if title == "A" else Answered(an_answer())

        scene.sender.replies.extend([refuse_a] * 2)
        async with running(scene):
            await turns(200)
            assert scene.states() == ["queued"] * 10 + ["done"]
            assert scene.now() == 0.0
            scene.sender.replies.clear()
            await asyncio.sleep(600)
            assert scene.states() == ["done"] * 11
            assert scene.sender.order()[-10:] == [(number, "create") for number in range(1, 11)]

    run_fast(scenario())


def test_what_is_remembered_of_titles_is_bounded() -> None:
    async def scenario() -> None:
        async with running(Scene(replace(POLICY, max_titles=3))) as scene:
            scene.replies(*[REFUSED] * 10)
            await scene.queue(*(a_step(number, calling_ae=f"T{number}") for number in range(1, 9)))
            assert len(scene.line._shut) <= 3

    run_fast(scenario())


# --- a step that goes wrong ----------------------------------------------------------------------------


def test_a_step_without_an_answer_may_have_arrived_and_is_sent_again() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(CUT, Answered(an_answer(0x0111)))
            assert await scene.submit(a_step()) is None
            assert scene.now() == 0.0
            row = scene.spool.rows[1]
            assert (row.uncertain, row.attempts, row.not_before) == (True, 1, 1005.0)
            await asyncio.sleep(4.9)
            assert len(scene.sender.sent) == 1
            await asyncio.sleep(0.2)
            assert scene.states() == ["done"]
            assert scene.outcomes() == [(1, "retry"), (1, "done")]

    run_fast(scenario())


def test_a_duplicate_without_a_lost_try_is_held() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(Answered(an_answer(0x0111)))
            await scene.queue(a_step())
            assert scene.states() == ["held"]

    run_fast(scenario())


def test_what_was_queued_by_an_earlier_life_may_have_arrived() -> None:
    async def scenario() -> None:
        scene = Scene(from_before=True)
        await scene.spool.add_step(a_step())
        scene.replies(Answered(an_answer(0x0111)))
        async with running(scene):
            await turns()
            assert scene.states() == ["done"]

    run_fast(scenario())


def test_a_failure_that_passes_is_tried_on_with_an_alarm_after_a_while() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            left = 5

            def full(step: Step, title: AETitle) -> Reply:
                nonlocal left
                left -= step.sop_instance_uid == f"{UID}1"
                return Answered(an_answer(0xA700 if left >= 0 and step.sop_instance_uid == f"{UID}1" else 0))

            scene.sender.replies.extend([full] * 20)
            await scene.queue(a_step(1), a_step(1, "set"))
            await scene.queue(a_step(2))
            assert scene.states() == ["queued", "queued", "done"]
            await asyncio.sleep(5 + 10 + 20 + 40 + 80 + 1)
            assert scene.states() == ["done"] * 3
            assert scene.alarms() == ["step-not-passed-on"]
            assert not scene.spool.rows[1].uncertain

    run_fast(scenario())


def test_that_a_try_may_have_arrived_is_not_forgotten_over_another_failure() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(Answered(an_answer(0xA700), again=True), Answered(an_answer(0x0111)))
            await scene.queue(a_step())
            await asyncio.sleep(6)
            assert scene.states() == ["done"]

    run_fast(scenario())


def test_a_doubtful_answer_is_repeated_a_few_times() -> None:
    async def scenario() -> None:
        async with running(Scene(replace(POLICY, doubtful_attempts=2))) as scene:
            scene.replies(*[Answered(an_answer(0x0110, "set"))] * 2)
            await scene.queue(a_step(1, "set"))
            await asyncio.sleep(6)
            assert scene.states() == ["held"]
            assert len(scene.sender.sent) == 2

    run_fast(scenario())


def test_the_words_of_the_peer_are_kept_on_one_line_and_bounded() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(Answered(an_answer(comment="a\nb\x1b" + "c" * 500)))
            await scene.queue(a_step())
            assert scene.spool.rows[1].comment == "a b " + "c" * 60

    run_fast(scenario())


def test_a_held_step_that_a_person_retries_goes_on_and_what_waited_behind_it() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(Answered(an_answer(0x0106)))
            await scene.queue(a_step(1), a_step(1, "set"))
            assert scene.states() == ["held", "queued"]
            await asyncio.sleep(1000)
            await scene.spool.retry_step(1)
            await turns()
            assert scene.states() == ["done", "done"]
            assert scene.sender.order() == [(1, "create"), (1, "create"), (1, "set")]

    run_fast(scenario())


def test_a_step_that_a_person_discards_while_it_is_on_the_wire_stays_discarded() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            reply = scene.pending()
            await scene.queue(a_step())
            await scene.spool.discard_step(1, "wrong patient")
            reply.set_result(Answered(an_answer(0x0106)))
            await turns()
            assert scene.spool.state(1) is StepState.DISCARDED
            await scene.queue(a_step(2))
            assert scene.spool.state(2) is StepState.DONE

    run_fast(scenario())


# --- economy, and the end ------------------------------------------------------------------------------


def test_an_idle_line_does_nothing() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            scene.replies(Answered(an_answer(0x0106)))
            await scene.queue(a_step())  # held: it waits for a person
            before, wakings = scene.spool.questions, scene.loop.wakings  # type: ignore[attr-defined]
            await asyncio.sleep(80_000)
            assert scene.spool.questions == before
            assert scene.loop.wakings == wakings + 1  # type: ignore[attr-defined]  # this test's own

    run_fast(scenario())


def test_a_journal_that_names_a_moment_that_has_come_is_not_asked_in_a_circle() -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:

            async def now(destination: str) -> float:
                return 0.0

            scene.spool.next_step_due = now  # type: ignore[method-assign]
            scene.line.news()
            before = scene.spool.questions
            await asyncio.sleep(10)
            assert scene.spool.questions <= before + 10 / POLICY.shortest + 2

    run_fast(scenario())


def test_a_step_that_waits_for_its_time_from_an_earlier_life_is_sent_then() -> None:
    async def scenario() -> None:
        scene = Scene()
        await scene.spool.add_step(a_step())
        await scene.spool.step_put_back(1, 1000.0 + 50, "later", uncertain=False)
        async with running(scene):
            await asyncio.sleep(49)
            assert not scene.sender.sent
            await asyncio.sleep(2)
            assert scene.states() == ["done"]

    run_fast(scenario())


def test_stopping_waits_for_what_is_on_the_wire_and_records_its_answer() -> None:
    async def scenario() -> None:
        scene = Scene()
        async with running(scene):
            reply = scene.pending()
            asked = scene.submit(a_step())
            await turns()
            scene.loop.call_later(1, reply.set_result, Answered(an_answer()))
        assert await asked is None
        assert scene.states() == ["done"]
        assert scene.now() == 1.0

    run_fast(scenario())


def test_stopping_does_not_wait_for_ever_and_what_is_cut_off_may_have_arrived() -> None:
    async def scenario() -> None:
        scene = Scene()
        async with running(scene):
            scene.pending()
            await scene.queue(a_step())
        assert scene.now() == POLICY.drain
        assert scene.states() == ["queued"]
        assert scene.spool.rows[1].uncertain

    run_fast(scenario())


def test_after_the_stop_nobody_waits() -> None:
    async def scenario() -> None:
        scene = Scene()
        async with running(scene):
            pass
        assert await scene.submit(a_step()) is None
        assert scene.now() == 0.0

    run_fast(scenario())


def test_a_journal_that_fails_ends_the_line_and_nobody_is_told_what_it_does_not_know() -> None:
    async def scenario() -> None:
        scene = Scene()
        run = asyncio.create_task(scene.line.run())
        reply = scene.pending()
        asked = scene.submit(a_step())
        await turns()
        scene.spool.failure = SpoolFailure("the disk")
        reply.set_result(Answered(an_answer(0)))
        with pytest.raises(ExceptionGroup):
            await run
        with pytest.raises(SpoolFailure):
            await asked

    run_fast(scenario())


# --- in any order --------------------------------------------------------------------------------------

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("set"), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("reply"), st.sampled_from((0, 0x0106, 0x0110, 0x0111, 0xA700)), st.booleans()),
        st.tuples(
            st.just("trouble"),
            st.sampled_from((DOWN, BUSY, SYNTAX, CUT, replace(DOWN, again=True))),
            st.none(),
        ),
        st.tuples(st.just("time"), st.integers(1, 40), st.none()),
        st.tuples(st.just("person"), st.integers(0, 9), st.booleans()),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(MOVES)
def test_whatever_happens_order_holds_and_no_step_is_lost_or_lied_about(
    moves: list[tuple[str, object, object]],
) -> None:
    async def scenario() -> None:
        async with running(Scene()) as scene:
            spool, sender = scene.spool, scene.sender
            told: dict[int, asyncio.Task[Command | None]] = {}

            def watch(step: Step, title: AETitle) -> None:
                # Whatever is sent is the first unfinished one of its procedure step.
                earlier = [
                    row
                    for row in spool.rows.values()
                    if row.step.sop_instance_uid == step.sop_instance_uid
                    and row.state in (StepState.QUEUED, StepState.HELD)
                ]
                assert earlier[0].step is step

            real_send = sender.send

            async def send(step: Step, title: AETitle) -> Reply:
                watch(step, title)
                return await real_send(step, title)

            sender.send = send  # type: ignore[method-assign]
            for what, first, second in moves:
                match what:
                    case "create" | "set":
                        step = a_step(int(first), what)  # type: ignore[call-overload, arg-type]
                        task = scene.submit(step)
                        await turns(4)
                        number = next(n for n, row in spool.rows.items() if row.step is step)
                        if second:
                            told[number] = task
                        else:
                            task.cancel()
                    case "reply":
                        answer = an_answer(int(first))  # type: ignore[call-overload]
                        sender.replies.append(Answered(answer, again=bool(second)))
                    case "trouble":
                        sender.replies.append(first)  # type: ignore[arg-type]
                    case "time":
                        await asyncio.sleep(float(first))  # type: ignore[arg-type]
                    case _:
                        held = [row.number for row in spool.rows.values() if row.state is StepState.HELD]
                        if held:
                            number = held[int(first) % len(held)]  # type: ignore[call-overload]
                            await (spool.retry_step(number) if second else spool.discard_step(number, "no"))
                await turns(4)
            sender.replies.clear()
            await asyncio.sleep(4000)
            for number, row in spool.rows.items():
                task = told.get(number)
                answer = task.result() if task is not None else None
                # A step is dropped only when its console heard of the failure.
                if row.state is StepState.REFUSED and task is not None:
                    assert answer is not None
                    assert answer.status == row.status
                if answer is not None and answer.status == 0:
                    assert row.state is StepState.DONE
                if row.state is StepState.QUEUED:  # only behind one that is held
                    uid = row.step.sop_instance_uid
                    before = [r for n, r in spool.rows.items() if n < number]
                    assert any(r.state is StepState.HELD and r.step.sop_instance_uid == uid for r in before)

    run_fast(scenario())
