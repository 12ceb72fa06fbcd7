from __future__ import annotations

import asyncio

from gateway.relay.warm import WarmPolicy
from tests.support.fake_far import EXPLICIT, FakePeer
from tests.support.loop_clock import run_fast, turns
from tests.support.warm_scene import HOUR, P, Q, R, Scene, scene

# --- where it does not pay ----------------------------------------------------------------------------------


def test_nothing_is_kept_where_dialling_costs_nothing() -> None:
    async def run() -> None:
        it = Scene(peer=FakePeer(rtt=0.001))
        far, _ = await it.use()
        await asyncio.sleep(HOUR)
        assert far.end == "released"
        assert (it.idle, len(it.peer.dials)) == (0, 1)
        await it.warm.close()

    run_fast(run())


def test_a_way_that_turns_out_short_ends_it() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        it.peer.rtt = 0.001
        for _ in range(60):
            it.reach.measured(0.001)
        await asyncio.sleep(HOUR)
        assert far.end == "released"
        assert len(it.peer.fars) == 1

    scene(act)


def test_an_unknown_way_is_taken_for_a_long_one() -> None:
    async def act(it: Scene) -> None:
        it.reach.rtt = None
        await it.use()
        assert it.idle == 1

    scene(act)


def test_it_can_be_switched_off() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        await asyncio.sleep(HOUR)
        assert far.end == "released"
        assert len(it.peer.dials) == 1

    scene(act, WarmPolicy(max_warm=0))


# --- for how long -------------------------------------------------------------------------------------------


def test_a_profile_is_kept_warm_until_it_was_not_used_for_long() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        await asyncio.sleep(11.9 * HOUR)
        assert (far.usable, it.idle, len(it.peer.fars)) == (True, 1, 1)
        await asyncio.sleep(0.2 * HOUR)
        assert far.end == "released"
        await asyncio.sleep(HOUR)
        assert len(it.peer.dials) == 1

    scene(act)


def test_times_are_kept_whatever_the_keepalive_is() -> None:
    async def act(it: Scene) -> None:
        one, other = await it.dial(P), await it.dial(P)
        it.warm.give_back(one)
        it.warm.give_back(other)
        await asyncio.sleep(599)
        assert it.idle == 2
        await asyncio.sleep(2)
        assert it.idle == 1
        await asyncio.sleep(12 * HOUR - 602)
        assert it.idle == 1
        await asyncio.sleep(2)
        assert it.idle == 0

    scene(act, WarmPolicy(keepalive=100 * HOUR))


def test_more_than_one_of_a_kind_goes_after_the_hold() -> None:
    async def act(it: Scene) -> None:
        one, other = await it.dial(P), await it.dial(P)
        it.warm.give_back(one)
        await asyncio.sleep(1)
        it.warm.give_back(other)
        await asyncio.sleep(590)
        assert it.idle == 2
        await asyncio.sleep(20)
        assert (one.end, other.usable, it.idle) == ("released", True, 1)

    scene(act)


def test_at_most_so_many_and_the_profiles_last_used() -> None:
    async def act(it: Scene) -> None:
        fars = [(await it.use(wanted))[0] for wanted in (P, Q, R)]
        await asyncio.sleep(5)
        assert [far.usable for far in fars] == [False, True, True]
        await asyncio.sleep(HOUR)
        assert len(it.peer.dials) == 3
        await it.use(P)
        await asyncio.sleep(5)
        assert [far.usable for far in fars] == [False, False, True]
        assert it.idle == 2

    scene(act)


def test_one_that_cannot_be_asked_is_renewed_after_the_hold() -> None:
    async def act(it: Scene) -> None:
        it.peer.verifies = False
        far, _ = await it.use()
        await asyncio.sleep(590)
        assert it.idle == 1
        await asyncio.sleep(20)
        assert far.end == "released"
        assert (it.idle, len(it.peer.fars)) == (1, 2)

    scene(act)


# --- opened before it is asked for --------------------------------------------------------------------------


def test_one_that_a_caller_used_up_is_opened_again() -> None:
    async def act(it: Scene) -> None:
        far = await it.dial(P)
        far.peer_ends()
        it.warm.give_back(far)
        await asyncio.sleep(5)
        assert it.idle == 1
        _, warm = await it.use()
        assert warm

    scene(act)


def test_one_that_ends_while_nobody_watches_it_is_opened_again() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        await asyncio.sleep(HOUR)
        assert it.warm.take(P) is not None
        far.peer_ends()  # the session let go of it and did not come to giving it back
        await asyncio.sleep(5)
        assert it.idle == 1

    scene(act)


def test_one_that_ends_and_is_never_given_back_takes_no_place_for_ever() -> None:
    async def act(it: Scene) -> None:
        far, _ = await it.use()
        await asyncio.sleep(HOUR)
        assert it.warm.take(P) is not None
        far.usable = False
        it.reach.failed(it.loop.time(), "no answer")
        it.reach.succeeded(it.loop.time())
        await asyncio.sleep(5)
        assert it.idle == 1

    scene(act)


def test_callers_that_come_together_get_a_spare_one() -> None:
    async def act(it: Scene) -> None:
        await it.use()
        found = it.warm.take(P)
        await asyncio.sleep(5)
        assert found is not None
        assert it.idle == 1
        _, warm = await it.use()
        assert warm
        await asyncio.sleep(1)
        it.warm.give_back(found[0])
        assert it.idle == 2
        assert len(it.peer.dials) == 2

    scene(act)


def test_seldom_used_is_not_worth_a_spare_one() -> None:
    async def act(it: Scene) -> None:
        await it.use()
        await asyncio.sleep(HOUR)
        found = it.warm.take(P)
        assert found is not None
        await asyncio.sleep(60)
        assert len(it.peer.dials) == 1
        it.warm.give_back(found[0])

    scene(act)


def test_a_spare_one_takes_no_place_from_another_profile() -> None:
    async def act(it: Scene) -> None:
        for _ in range(3):
            await it.use(P)
            await it.use(Q)
        await asyncio.sleep(30)
        assert it.idle == 2
        assert len(it.peer.dials) == 2

    scene(act)


def test_a_first_use_opens_nothing_beside_it() -> None:
    async def act(it: Scene) -> None:
        await it.use(seconds=60)
        assert len(it.peer.dials) == 1

    scene(act)


def test_what_callers_bring_back_ends_an_opening_that_has_no_place() -> None:
    async def act(it: Scene) -> None:
        await it.use(P)
        found = it.warm.take(P)  # a spare one is being opened
        assert found is not None
        await turns()
        mine, other = await it.dial_quickly(Q), await it.dial_quickly(R)
        it.warm.give_back(mine)
        it.warm.give_back(other)
        await turns()
        assert len(it.peer.open_ones) == 3
        await asyncio.sleep(60)
        assert len(it.peer.fars) == 3  # P, Q, R; the spare one never came
        it.warm.give_back(found[0])
        await asyncio.sleep(5)
        assert it.idle == 2

    scene(act)


# --- what was learned and is not so any more ----------------------------------------------------------------


def test_another_answer_replaces_what_was_learned() -> None:
    async def act(it: Scene) -> None:
        old, _ = await it.use()
        held = it.warm.take(P)
        assert held is not None
        spare = await it.peer.open(P)
        it.warm.learned(spare)
        it.warm.give_back(spare)
        it.peer.syntax = EXPLICIT  # the peer was configured anew
        new = await it.peer.open(P)
        it.warm.learned(new)
        await asyncio.sleep(1)
        assert spare.end == "released"
        it.warm.give_back(old)
        await asyncio.sleep(1)
        assert old.end == "released"
        it.warm.give_back(new)
        _, warm = await it.use()
        assert warm
        assert all(far.answer.contexts[0].transfer_syntax == EXPLICIT for far in it.peer.open_ones)

    scene(act)


def test_one_that_is_being_asked_is_let_go_when_it_has_answered() -> None:
    async def act(it: Scene) -> None:
        old, _ = await it.use()
        await asyncio.sleep(60.1)
        it.peer.syntax = EXPLICIT
        new = await it.dial_quickly(P)
        assert old.usable
        await asyncio.sleep(1.5)
        assert old.end == "released"
        it.warm.give_back(new)
        assert it.idle == 1

    scene(act)


def test_one_opened_in_the_background_teaches_too() -> None:
    async def act(it: Scene) -> None:
        await it.use()
        first = it.warm.take(P)
        assert first is not None
        it.peer.syntax = EXPLICIT
        await asyncio.sleep(5)  # the spare one came
        it.warm.give_back(first[0])
        await asyncio.sleep(5)
        assert first[0].end == "released"
        assert it.idle == 1

    scene(act)
