"""The UPS safety rule, whatever happens in whatever order."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.services.ups_guard import UpsGuarded
from tests.support.loop_clock import run_fast, turns
from tests.support.ups_scene import (
    CONSOLE,
    ROUTE,
    Scene,
    change,
    context,
    state,
)

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.sampled_from(("oncology", "copy", "elsewhere"))),
        st.tuples(
            st.sampled_from(("sending", "held", "queued", "accepted", "discarded")), st.integers(0, 30)
        ),
        st.tuples(st.just("ask"), st.just(0)),
        st.tuples(st.just("pass"), st.integers(1, 9)),  # seconds
        st.tuples(st.just("leave"), st.integers(0, 5)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_in_any_order_completed_passes_only_after_all_records_before_it(
    actions: list[tuple[str, int | str]],
) -> None:
    async def scenario() -> None:
        scene = Scene()
        records = scene.records
        waiting: list[asyncio.Task[None]] = []
        passed = refused = 0

        async def ask() -> None:
            nonlocal passed, refused
            before = {number for number in records.deliveries if records.matters(number, ROUTE.to, CONSOLE)}
            began = asyncio.get_running_loop().time()
            answer = await scene.guard.inspect(ROUTE, CONSOLE, context(), change(), state())
            if answer is None:
                passed += 1
                assert all(records.arrived_once(number) for number in before)
            else:
                refused += 1
                assert answer.status == 0xC304
                assert asyncio.get_running_loop().time() - began >= ROUTE.ups_guard - 0.01
            assert asyncio.get_running_loop().time() - began <= ROUTE.ups_guard + 0.01

        for what, how in actions:
            match what:
                case "store":
                    records.store(str(how))
                case "ask":
                    waiting.append(asyncio.create_task(ask()))
                case "pass":
                    await asyncio.sleep(float(how))
                case "leave":
                    if waiting:
                        waiting[int(how) % len(waiting)].cancel()
                case _:
                    if records.deliveries:
                        records.settle(list(records.deliveries)[int(how) % len(records.deliveries)], what)
            await turns(3)
        await asyncio.sleep(ROUTE.ups_guard + 1)
        for task in waiting:
            assert task.done()
            if not task.cancelled():
                task.result()
        assert not records.listeners
        assert len([one for one in scene.log.of(UpsGuarded) if one.outcome == "refused"]) == refused

    run_fast(scenario())
