"""One destination: order, and what a console that waits is told. Virtual time throughout."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.errors import SpoolFailure
from gateway.procedure_steps.sender import Answered
from tests.support.loop_clock import run_fast, turns
from tests.support.step_line import POLICY, SYNTAX, Scene, running
from tests.support.steps import UID, a_step, an_answer

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
