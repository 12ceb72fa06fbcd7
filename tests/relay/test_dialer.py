"""From what a caller wants to an association: slots, peers that are down, callers that go away meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.association.tls import client_context, server_context
from gateway.dicom import messages
from gateway.dicom.negotiation import AssociateRequest, ProposedContext, UserIdentity
from gateway.dicom.upper_layer import State
from gateway.model import AETitle, TlsMaterial
from gateway.reachability import Reach
from gateway.relay.dialer import NotReached, Reached
from gateway.relay.mirror import Wanted
from tests.support.certs import Authority
from tests.support.ports import free_port
from tests.support.relay_dialing import FIND_CONTEXT, ROUTE, content, scene
from tests.support.relay_door import KEEPING, POLICY, descriptors, until
from tests.support.relay_play import FIND, gone, reset
from tests.support.wire_centre import WireCentre, wire_centre
from tests.support.wire_peer import IMPLICIT


async def test_a_caller_gets_an_association_with_the_far_end_and_its_answer() -> None:
    asked: list[AssociateRequest] = []

    async def script(centre: WireCentre) -> None:
        asked.append(await centre.accept())
        await gone(centre)

    async with wire_centre(script) as port, scene(port) as it:
        found = await it.reached()
        assert not found.warm
        assert found.mirror.accepts(FIND_CONTEXT)
        assert found.end.contexts == {1: 1}
        assert it.slots == (1, 0)
        found.end.done(found.end.association, True)
        assert it.slots == (0, 0)
        await found.end.association.wait_closed()
        assert (it.reach.state, it.reach.rtt is not None) == (Reach.UP, True)
    assert [(one.called_ae.strip(), one.calling_ae.strip()) for one in asked] == [("CENTRE", "LINAC1")]


@pytest.mark.parametrize(
    ("upstream", "calling_ae", "title"),
    [("caller", None, "LINAC1"), ("gateway", None, "GATEWAY"), ("caller", "FORCED", "FORCED")],
)
async def test_the_far_end_sees_the_title_that_is_configured(
    upstream: str, calling_ae: str | None, title: str
) -> None:
    asked: list[str] = []

    async def script(centre: WireCentre) -> None:
        asked.append((await centre.accept()).calling_ae.strip())
        await gone(centre)

    about = {"calling_ae": AETitle(calling_ae)} if calling_ae else {}
    async with wire_centre(script) as port, scene(port, **about) as it:
        found = await it.reached(replace(ROUTE, calling_upstream=upstream))
        found.end.done(found.end.association, True)
    assert asked == [title]


async def test_only_so_many_associations_at_a_time_and_only_so_many_wait() -> None:
    async with wire_centre(content) as port, scene(port) as it:
        first, second = await it.reached(), await it.reached()
        third = asyncio.create_task(it.find())
        await until(lambda: it.slots == (2, 1))
        fourth = await it.find()
        assert isinstance(fourth, NotReached)
        assert "waiting already" in fourth.reason
        first.end.done(first.end.association, False)
        got = await third
        assert isinstance(got, Reached)
        fifth = await it.find()  # nobody gives one back in time
        assert isinstance(fifth, NotReached)
        assert "0.2 s" in fifth.reason
        for each in (second, got):
            each.end.done(each.end.association, False)


async def test_nobody_waits_for_a_peer_that_is_known_to_be_down() -> None:
    async with scene(free_port()) as it:
        first = await it.find()
        assert isinstance(first, NotReached)
        assert "connection refused" in first.reason
        assert it.reach.state is Reach.DOWN
        dialled: list[object] = []
        it.dialer._dial = dialled.append  # type: ignore[assignment]  # nobody is to come so far
        again = await it.find()
        assert isinstance(again, NotReached)
        assert again.reason == first.reason
        assert dialled == []


async def test_nobody_waits_in_line_for_a_peer_that_is_known_to_be_down() -> None:
    patient = replace(POLICY, max_associations=1, wait=60)
    async with wire_centre(content) as port, scene(port, patient) as it:
        first = await it.reached()
        it.reach.failed(it.clock(), "the cable is out")
        assert await asyncio.wait_for(it.find(), 5) == NotReached("the cable is out")
        first.end.done(first.end.association, False)


async def test_one_caller_tries_when_the_moment_has_come_and_the_others_are_told_no_meanwhile() -> None:
    accept = asyncio.Event()
    connected = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        connected.set()
        await accept.wait()
        await content(centre)

    async with wire_centre(script) as port, scene(port) as it:
        it.reach.failed(it.clock(), "the cable is out")
        it.clock.ahead += 3600
        trial = asyncio.create_task(it.find())
        await asyncio.wait_for(connected.wait(), 5)
        assert it.reach.state is Reach.TRIAL
        other = await it.find()
        assert other == NotReached("the cable is out")
        accept.set()
        found = await trial
        assert isinstance(found, Reached)
        assert it.reach.state is Reach.UP
        found.end.done(found.end.association, False)


async def test_a_trial_goes_on_without_the_caller_who_began_it() -> None:
    connected, accept = asyncio.Event(), asyncio.Event()

    async def script(centre: WireCentre) -> None:
        connected.set()
        await accept.wait()
        await content(centre)

    async with wire_centre(script) as port, scene(port, KEEPING) as it:
        it.reach.failed(it.clock(), "the cable is out")
        it.clock.ahead += 3600
        trial = asyncio.create_task(it.find())
        await asyncio.wait_for(connected.wait(), 5)
        trial.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trial
        assert it.slots == (0, 0)
        assert it.reach.state is Reach.TRIAL
        accept.set()
        await until(lambda: it.dialer.warm.idle("oncology") == 1)
        assert it.reach.state is Reach.UP


async def test_nobody_waits_long_for_a_peer_that_was_down() -> None:
    accept = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await accept.wait()
        await content(centre)

    async with wire_centre(script) as port, scene(port, replace(KEEPING, trial_wait=0.05)) as it:
        it.reach.failed(it.clock(), "the cable is out")
        it.clock.ahead += 3600
        found = await it.find()
        assert isinstance(found, NotReached)
        assert "is being tried" in found.reason
        assert it.slots == (0, 0)
        accept.set()
        await until(lambda: it.dialer.warm.idle("oncology") == 1)
        again = await it.reached()
        assert again.warm
        again.end.done(again.end.association, False)


async def test_a_trial_under_way_ends_with_the_gateway() -> None:
    connected = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        connected.set()
        await gone(centre)

    async with wire_centre(script) as port, scene(port, replace(POLICY, trial_wait=0.05)) as it:
        it.reach.failed(it.clock(), "the cable is out")
        it.clock.ahead += 3600
        assert isinstance(await it.find(), NotReached)
        await asyncio.wait_for(connected.wait(), 5)
        await it.dialer.close()
        assert it.reach.reason(it.clock()) is None  # the next one may try


async def test_a_far_end_that_does_not_answer_in_time_is_down_and_no_connection_is_left() -> None:
    async def script(centre: WireCentre) -> None:
        await gone(centre)

    quick = replace(POLICY, timeouts=replace(POLICY.timeouts, connect=0.2))
    async with wire_centre(script) as port, scene(port, quick) as it:
        found = await it.find()
        assert isinstance(found, NotReached)
        assert "0.2 s" in found.reason
        assert found.rejection is None
        assert it.reach.state is Reach.DOWN


async def test_a_far_end_that_rejects_is_there_and_its_words_are_passed_on() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.requested()
        centre.layer.reject(1, 1, 7)
        centre.flush()
        await gone(centre)

    async with wire_centre(script) as port, scene(port) as it:
        found = await it.find()
        assert isinstance(found, NotReached)
        assert found.rejection is not None
        assert (found.rejection.result, found.rejection.source, found.rejection.diagnostic) == (1, 1, 7)
        assert it.reach.state is Reach.UP


async def test_a_caller_may_go_away_in_any_moment_and_nothing_is_left() -> None:
    reached = 0
    before = descriptors()
    async with wire_centre(content) as port, scene(port) as it:
        for moment in range(120):
            task = asyncio.create_task(it.find())
            for _ in range(moment // 2):
                await asyncio.sleep(0 if moment % 2 else 0.0002)
            task.cancel()
            try:
                found = await task
            except asyncio.CancelledError:
                assert it.slots == (0, 0)
            else:
                assert isinstance(found, Reached)
                found.end.done(found.end.association, True)
                reached += 1
    assert 0 < reached < 120
    await until(lambda: descriptors() <= before)


async def test_what_is_given_back_serves_the_next_and_never_another_title() -> None:
    async with wire_centre(content) as port, scene(port, KEEPING) as it:
        first = await it.reached()
        first.end.done(first.end.association, True)
        second = await it.reached()
        assert second.warm
        assert second.end.association is first.end.association
        second.end.done(second.end.association, True)
        masked = await it.reached(replace(ROUTE, calling_upstream="gateway"))
        assert not masked.warm
        masked.end.done(masked.end.association, False)


async def test_a_user_identity_goes_on_over_tls_only_and_is_never_kept() -> None:
    asked: list[AssociateRequest] = []

    async def script(centre: WireCentre) -> None:
        asked.append(await centre.accept())
        await gone(centre)

    identity = UserIdentity(1, b"physicist")
    async with wire_centre(script) as port, scene(port) as it:
        found = await it.reached(user_identity=identity)
        assert not found.end.association.personal
        found.end.done(found.end.association, False)
    assert asked[0].user_identity is None


async def test_over_tls_every_user_has_an_association_of_its_own(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    asked: list[AssociateRequest] = []

    async def script(centre: WireCentre) -> None:
        asked.append(await centre.accept())
        await gone(centre)

    ours = authority.issue("gateway")
    assert isinstance(ours, TlsMaterial)
    identity = UserIdentity(1, b"physicist")
    theirs = server_context(authority.issue("centre"))
    async with wire_centre(script, tls=theirs) as port, scene(port, KEEPING, tls=ours) as it:
        it.dialer._way_to = lambda _: client_context(ours)
        for _ in range(2):
            found = await it.reached(user_identity=identity)
            assert not found.warm
            assert found.end.association.personal
            found.end.done(found.end.association, True)
            assert it.dialer.warm.idle("oncology") == 0
            await found.end.association.wait_closed()
    assert [one.user_identity for one in asked] == [identity, identity]


async def test_an_association_lost_in_use_tells_everybody_that_the_peer_is_down() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.event()
        reset(centre)

    class Holder:
        def __init__(self, found: Reached) -> None:
            self.found = found
            self.ended = asyncio.Event()

        def far_flush(self) -> None:
            """Nothing came."""

        def far_ended(self, closed: object) -> None:
            self.found.end.lost(closed)  # type: ignore[arg-type]
            self.found.end.done(self.found.end.association, False)
            self.ended.set()

    async with wire_centre(script) as port, scene(port) as it:
        found = await it.reached()
        holder = Holder(found)
        found.end.association.hold(holder)  # type: ignore[arg-type]  # as much as is called here
        found.end.association.send_command(1, messages.c_find_rq(1, FIND))
        found.end.association.stream.flush()
        await asyncio.wait_for(holder.ended.wait(), 5)
        assert it.reach.state is Reach.DOWN
        assert it.reach.reason(it.clock())


CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize(
    ("contexts", "roles", "kept"),
    [
        ((FIND,), {}, 1),
        ((CT,), {}, 0),  # objects go down on it: the console may wait for its release
        ((FIND, CT), {}, 0),
        ((FIND, CT), {CT: (False, True)}, 1),  # C-GET: objects come up on it
        (("1.2.826.0.1.3680043.10.9999.1",), {}, 1),  # a private SOP class
    ],
)
async def test_what_objects_go_down_on_is_released_with_the_callers_own(
    contexts: tuple[str, ...], roles: dict[str, tuple[bool, bool]], kept: int
) -> None:
    proposed = tuple(ProposedContext(2 * number + 1, uid, (IMPLICIT,)) for number, uid in enumerate(contexts))
    caller = AssociateRequest("ARIA", "LINAC1", proposed, roles=roles)
    async with wire_centre(content) as port, scene(port, KEEPING) as it:
        found = await it.dialer.reach(ROUTE, "LINAC1", caller, Wanted(proposed))
        assert isinstance(found, Reached)
        found.end.done(found.end.association, True)
        assert it.dialer.warm.idle("oncology") == kept
        if not kept:
            await asyncio.wait_for(found.end.association.wait_closed(), 5)


# --- C-ECHO to the far end -----------------------------------------------------------------------------


async def test_an_echo_goes_through_and_its_association_is_given_back() -> None:
    async with wire_centre(content) as port, scene(port, KEEPING) as it:
        assert await it.dialer.echo(ROUTE, "LINAC1") is None
        assert it.slots == (0, 0)
        assert it.dialer.warm.idle("oncology") == 1
        assert await it.dialer.echo(ROUTE, "LINAC1") is None


async def test_an_echo_waits_for_no_longer_than_an_association_may_take() -> None:
    async def silent(centre: WireCentre) -> None:
        await centre.accept()
        await gone(centre)

    quick = replace(POLICY, timeouts=replace(POLICY.timeouts, connect=0.3, response=60.0))
    async with wire_centre(silent) as port, scene(port, quick) as it:
        words = await asyncio.wait_for(it.dialer.echo(ROUTE, "LINAC1"), 10)
        assert "did not answer C-ECHO" in (words or "")
        assert it.slots == (0, 0)
        assert it.reach.state is Reach.DOWN


async def test_an_echo_says_why_there_is_none() -> None:
    async def refuses(centre: WireCentre) -> None:
        await centre.requested()
        centre.layer.reject(2, 3, 1)
        centre.flush()
        await gone(centre)

    async def breaks(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        reset(centre)

    async with wire_centre(refuses) as port, scene(port) as it:
        assert "rejects" in (await it.dialer.echo(ROUTE, "LINAC1") or "")
    async with wire_centre(breaks) as port, scene(port) as it:
        assert await it.dialer.echo(ROUTE, "LINAC1")
        assert it.slots == (0, 0)
    async with scene(free_port()) as it:
        assert "connection refused" in (await it.dialer.echo(ROUTE, "LINAC1") or "")


async def test_a_caller_that_goes_away_during_its_echo_leaves_no_association() -> None:
    asked = asyncio.Event()

    async def silent(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        asked.set()
        await gone(centre)
        assert centre.layer.state in (State.STA1, State.STA13)

    async with wire_centre(silent) as port, scene(port) as it:
        task = asyncio.create_task(it.dialer.echo(ROUTE, "LINAC1"))
        await asyncio.wait_for(asked.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.slots == (0, 0)
