"""One destination that is out of reach, refuses a title or fails a step. Virtual time throughout."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.model import AETitle
from gateway.notices import StepLinkChanged
from gateway.procedure_steps.sender import Answered, NotSent, Reply, Scope
from gateway.spool.step_values import Step, StepState
from tests.support.loop_clock import run_fast, turns
from tests.support.step_line import BUSY, CUT, DOWN, POLICY, REFUSED, Scene, running
from tests.support.steps import UID, a_step, an_answer

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
