"""One destination, whatever happens in whatever order."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dicom.command import Command
from gateway.model import AETitle
from gateway.procedure_steps.sender import Answered, Reply
from gateway.spool.step_values import Step, StepState
from tests.support.loop_clock import run_fast, turns
from tests.support.step_line import BUSY, CUT, DOWN, SYNTAX, Scene, running
from tests.support.steps import a_step, an_answer

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
