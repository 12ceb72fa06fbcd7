from __future__ import annotations

import asyncio
import itertools

import pytest

from gateway.association.errors import AssociateRejectedError
from gateway.errors import LocalError
from gateway.reachability import Reach
from tests.support.fake_far import FakeFar, FakePeer
from tests.support.loop_clock import turns
from tests.support.warm_scene import HOUR, P, Scene, scene

# --- alive or not -------------------------------------------------------------------------------------------


def test_silence_is_asked_and_the_answer_measured() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        await asyncio.sleep(59)
        assert far.echoes == 0
        it.peer.rtt = 0.7
        await asyncio.sleep(3)
        assert far.echoes == 1
        assert it.reach.rtt == pytest.approx(0.6 + 0.1 / 8)
        assert it.reach.state is Reach.UP
        await asyncio.sleep(10 * 60)
        assert far.echoes == 10

    scene(act)


def test_one_that_is_being_asked_is_not_handed_out() -> None:
    async def act(it: Scene) -> None:
        await it.use()
        await asyncio.sleep(60.1)
        assert it.warm.take(P) is None
        assert it.idle == 0
        await asyncio.sleep(1)
        _, warm = await it.use()
        assert warm

    scene(act)


def test_a_keepalive_that_fails_says_that_the_peer_is_down() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        it.peer.silent = it.peer.down = True
        await asyncio.sleep(60 + 10)
        await turns()
        assert far.end == "aborted"
        assert it.reach.reason(it.loop.time()) is not None
        it.peer.silent = it.peer.down = False
        await asyncio.sleep(5)
        assert it.reach.state is Reach.UP
        assert it.idle == 1

    scene(act)


def test_while_it_is_down_it_is_tried_as_the_backoff_says() -> None:
    async def act(it: Scene) -> None:
        await it.use()
        it.peer.down = True
        it.peer.dials.clear()
        await asyncio.sleep(60 + HOUR)
        gaps = [after - before for before, after in itertools.pairwise(it.peer.dials)]
        assert gaps[:4] == pytest.approx([2 + 2.4, 4 + 2.4, 8 + 2.4, 15 + 2.4])
        assert gaps[4:] == pytest.approx([15 + 2.4] * len(gaps[4:]))
        assert 200 < len(gaps) < 210

    scene(act)


def test_when_somebody_finds_it_up_it_is_opened_at_once() -> None:
    async def act(it: Scene) -> None:
        await it.use()
        it.peer.down = True
        await asyncio.sleep(HOUR)
        while it.reach.state is not Reach.DOWN:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.1)
        it.peer.down = False
        it.peer.dials.clear()
        it.reach.succeeded(it.loop.time())
        await turns()
        assert len(it.peer.dials) == 1
        await asyncio.sleep(5)
        assert it.idle == 1

    scene(act)


def test_when_somebody_finds_it_down_what_is_open_is_asked_first() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        it.reach.failed(it.loop.time(), "a dial timed out")
        await asyncio.sleep(0.9)
        assert far.echoes == 1
        assert it.reach.state is Reach.UP
        assert it.warm.take(P) is not None
        it.warm.give_back(far)

    scene(act)


def test_somebody_elses_trial_is_waited_for() -> None:
    async def act(it: Scene) -> None:
        far = await it.dial(P)
        it.reach.failed(it.loop.time(), "no answer")
        await asyncio.sleep(1)
        assert it.reach.down(it.loop.time()) is None
        far.peer_ends()
        it.warm.give_back(far)
        await asyncio.sleep(9.9)
        assert len(it.peer.dials) == 1
        await asyncio.sleep(5)  # that trial came to nothing
        assert it.idle == 1

    scene(act)


# --- peers that do not want it ------------------------------------------------------------------------------


def test_a_peer_that_ends_idle_ones_is_not_hammered() -> None:
    async def act(it: Scene) -> None:
        ending = asyncio.create_task(end_after(it.peer, 30.0))
        await it.use()
        await asyncio.sleep(11 * HOUR)
        opened = it.peer.dials[1:]
        assert len(opened) == 4  # after 10 s, 40 s, 160 s, 640 s; then no more
        gaps = [after - before for before, after in itertools.pairwise(opened)]
        assert gaps == sorted(gaps)
        assert it.idle == 0
        # A use makes it warm for as long as the peer allows, and no longer.
        await it.use()
        assert it.idle == 1
        await asyncio.sleep(HOUR)
        assert len(it.peer.dials) == 6
        assert it.reach.state is Reach.UP
        ending.cancel()
        await asyncio.wait([ending])

    scene(act)


async def end_after(peer: FakePeer, idle: float) -> None:
    """Be a peer that ends every association `idle` seconds after it began."""
    began: dict[FakeFar, float] = {}
    loop = asyncio.get_running_loop()
    while True:
        for far in peer.open_ones:
            if loop.time() - began.setdefault(far, loop.time()) >= idle:
                far.peer_ends()
        await asyncio.sleep(1)


def test_the_first_time_it_is_opened_again_after_a_short_wait() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        await asyncio.sleep(5)
        far.peer_ends()
        await asyncio.sleep(9.9)
        assert len(it.peer.dials) == 1
        await asyncio.sleep(0.2)
        assert len(it.peer.dials) == 2

    scene(act)


def test_a_peer_that_comes_back_from_an_outage_is_trusted_again() -> None:
    async def act(it: Scene) -> None:
        ending = asyncio.create_task(end_after(it.peer, 30.0))
        await it.use()
        await asyncio.sleep(HOUR)
        assert it.idle == 0
        it.reach.failed(it.loop.time(), "no answer")
        it.reach.succeeded(it.loop.time())
        await asyncio.sleep(5)
        assert it.idle == 1
        ending.cancel()
        await asyncio.wait([ending])

    scene(act)


def test_one_taken_after_a_long_idle_time_mends_it_too() -> None:
    async def act(it: Scene) -> None:
        it.peer.verifies = False
        far, _ = await it.use()
        await asyncio.sleep(30)
        far.peer_ends()
        await it.use()
        await asyncio.sleep(40)
        await it.use()  # a spare one would not live until the next use
        await asyncio.sleep(5)
        assert it.idle == 1
        await asyncio.sleep(61)
        await it.use()  # now a spare one is worth it
        await asyncio.sleep(5)
        assert it.idle == 2

    scene(act)


def test_others_who_get_through_do_not_make_it_dial_without_end() -> None:
    async def act(it: Scene) -> None:
        far = await it.dial(P)
        it.peer.down = True
        it.peer.dials.clear()
        far.peer_ends()
        it.warm.give_back(far)
        for _ in range(600):
            await asyncio.sleep(1)
            it.reach.succeeded(it.loop.time())
        assert len(it.peer.dials) <= 4

    scene(act)


def test_a_peer_that_changed_its_ways_is_trusted_again() -> None:
    async def act(it: Scene) -> None:
        ending = asyncio.create_task(end_after(it.peer, 30.0))
        await it.use()
        await asyncio.sleep(HOUR)
        ending.cancel()
        await asyncio.wait([ending])
        far, _ = await it.use()
        await asyncio.sleep(HOUR)  # outlived what was learned
        far.peer_ends()
        await asyncio.sleep(60)
        assert it.idle == 1

    scene(act)


@pytest.mark.parametrize(
    "error",
    [AssociateRejectedError(2, 3, 2, "local limit exceeded"), LocalError("no such peer"), OSError(24, "")],
)
def test_a_peer_that_refuses_more_is_up_and_left_alone(error: Exception) -> None:
    async def act(it: Scene) -> None:
        far = await it.dial(P)
        it.peer.refuses = error
        far.peer_ends()
        it.warm.give_back(far)
        await asyncio.sleep(2 * HOUR)
        assert it.reach.state is Reach.UP
        assert len(it.peer.dials) == 1 + 5

    scene(act)


def test_a_peer_that_rejects_the_trial_does_not_block_it() -> None:
    async def act(it: Scene) -> None:
        await it.use()
        it.peer.down = True
        await asyncio.sleep(HOUR)
        it.peer.down, it.peer.refuses = False, AssociateRejectedError(1, 1, 3, "calling AE title")
        await asyncio.sleep(60)
        assert it.reach.down(it.loop.time()) is None

    scene(act)
