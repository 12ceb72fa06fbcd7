from __future__ import annotations

import asyncio

import pytest

from gateway.errors import LocalError
from gateway.relay.warm import WarmPolicy
from tests.support.fake_far import ECHO, FIND, MOVE, profile
from tests.support.loop_clock import FastLoop, turns
from tests.support.warm_scene import HOUR, P, Q, Scene, scene


def test_the_second_query_finds_a_warm_one() -> None:
    async def act(it: Scene) -> None:
        first, dialled = await it.use()
        assert (dialled, it.idle) == (False, 1)
        second, warm = await it.use()
        assert warm
        assert second is first
        assert len(it.peer.fars) == 1

    scene(act)


def test_the_mapping_says_which_context_serves() -> None:
    async def act(it: Scene) -> None:
        await it.use(profile(ECHO, FIND, MOVE))
        found = it.warm.take(profile(MOVE, ECHO))
        assert found is not None
        assert found[1] == (2, 0)
        it.warm.give_back(found[0])

    scene(act)


def test_nothing_is_handed_out_twice() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        assert it.warm.take(P) is not None
        assert it.warm.take(P) is None
        it.warm.give_back(far)
        with pytest.raises(LocalError, match="twice"):
            it.warm.give_back(far)

    scene(act)


def test_the_closest_fit_is_taken_first() -> None:
    async def act(it: Scene) -> None:
        large, _ = await it.use(profile(ECHO, FIND, MOVE))
        small = await it.peer.open(profile(FIND, MOVE))
        it.warm.learned(small)
        it.warm.give_back(small)
        for wanted, far in ((profile(FIND), small), (profile(ECHO), large)):
            found = it.warm.take(wanted)
            assert found is not None
            assert found[0] is far
            it.warm.give_back(far)

    scene(act)


def test_calling_titles_and_user_identities_never_mix() -> None:
    async def act(it: Scene) -> None:
        await it.use(P)
        assert it.warm.take(profile(FIND, calling="LINAC2")) is None
        assert it.warm.take(profile(FIND, personal=True)) is None
        theirs = await it.peer.open(profile(FIND, personal=True))
        it.warm.learned(theirs)
        it.warm.give_back(theirs)
        await asyncio.sleep(10)
        assert theirs.end == "released"
        assert it.idle == 1

    scene(act)


def test_what_ended_meanwhile_is_neither_kept_nor_handed_out() -> None:
    async def act(it: Scene) -> None:
        far = await it.dial(P)
        far.peer_ends()
        it.warm.give_back(far)
        assert it.idle == 0
        assert it.warm.take(P) is None

    scene(act)


def test_nothing_accepted_is_not_worth_keeping() -> None:
    async def act(it: Scene) -> None:
        it.peer.accepts = False
        far, _ = await it.use()
        await asyncio.sleep(HOUR)
        assert far.end == "released"
        assert len(it.peer.dials) == 1

    scene(act)


def test_one_that_is_not_to_be_had_again_is_released() -> None:
    async def act(it: Scene) -> None:
        far = await it.dial(P)
        it.warm.release_soon(far)
        await asyncio.sleep(1)
        assert far.end == "released"

    scene(act)


# --- the end ------------------------------------------------------------------------------------------------


def test_closing_is_bounded_by_nobody_at_the_other_end() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        it.peer.deaf = True
        began = it.loop.time()
        await it.warm.close()
        assert it.loop.time() - began == pytest.approx(WarmPolicy().close)
        assert far.end == "aborted"

    scene(act)


def test_closing_ends_what_is_under_way() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        other = await it.dial(Q)
        await asyncio.sleep(60.1 - 2.4)  # a keepalive is under way
        other.peer_ends()
        it.warm.give_back(other)  # an opening is under way
        await turns()
        assert len(it.peer.dials) == 3
        began = it.loop.time()
        await it.warm.close()
        assert it.loop.time() == began
        assert far.end == "aborted"

    scene(act)


def test_after_the_close_what_comes_back_is_released() -> None:
    async def act(it: Scene) -> None:
        far = await it.dial(P)
        await it.warm.close()
        it.warm.give_back(far)
        await asyncio.sleep(1)
        assert far.end == "released"
        it.reach.failed(it.loop.time(), "no answer")
        it.reach.succeeded(it.loop.time())
        await asyncio.sleep(HOUR)
        assert len(it.peer.dials) == 1

    scene(act)


def test_a_defect_reaches_the_process() -> None:
    async def act(it: Scene) -> None:
        seen: list[object] = []
        it.loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
        far = await it.dial(P)
        it.peer.refuses = ZeroDivisionError()
        far.peer_ends()
        it.warm.give_back(far)
        await asyncio.sleep(3)
        assert isinstance(seen[0], ZeroDivisionError)
        it.peer.refuses = None

    scene(act)


def test_idling_wakes_for_keepalives_and_for_nothing_else() -> None:
    async def act(it: Scene) -> None:
        await it.use(P)
        await it.use(Q)
        assert isinstance(it.loop, FastLoop)
        before = it.loop.wakings
        await asyncio.sleep(11 * HOUR)
        echoes = sum(far.echoes for far in it.peer.fars)
        assert 2 * 640 < echoes <= 2 * 660
        # For each keepalive: it is due, and its answer comes (both may fall together with the other's).
        assert it.loop.wakings - before <= 2 * echoes + 5

    scene(act)
