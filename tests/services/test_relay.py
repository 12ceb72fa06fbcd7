"""The relay as a service: what is told of it, who goes first, and how promptly a caller is told no."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.events import AssociateRejected
from gateway.dicom.negotiation import AssociateAccept, ProposedContext
from gateway.model import Priority
from gateway.notices import AssociationClosed, RelayOpened, RelayRefused
from gateway.relay.mirror import Wanted
from gateway.relay.session import SessionLimits
from gateway.services.relay import _urgency
from tests.support.ports import free_port
from tests.support.relay_door import KEEPING, POLICY, relay_door, relayed, until
from tests.support.relay_guard import Guard
from tests.support.relay_play import FIND, UPS_PUSH, console, gone
from tests.support.wire_centre import WireCentre
from tests.support.wire_console import proposals, wire_console
from tests.support.wire_peer import RT_IMAGE, VERIFICATION, request, wire_peer

RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
CT = "1.2.840.10008.5.1.4.1.1.2"


async def content(centre: WireCentre) -> None:
    """Accepts and answers everything."""
    await centre.accept()
    while True:
        try:
            context_id, command, _ = await centre.message()
        except AssertionError:
            break
        centre.answer(context_id, command)
    if centre.layer.can_answer_release:
        centre.layer.release_response()
        centre.flush()


async def test_a_relay_is_told_of_with_the_association_it_belongs_to() -> None:
    async with relayed(content, policy=KEEPING) as door:
        for warm in (False, True):
            async with console(door) as peer:
                [answer] = await peer.ask(FIND, messages.c_find_rq(1, FIND), b"who")
                assert answer.status == 0
                await peer.release()
            await door.settled()
            opened = door.log.of(RelayOpened)[-1]
            closed = [one for one in door.log.of(AssociationClosed) if one.inbound][-1]
            assert (opened.association, opened.peer, opened.warm) == (closed.association, "oncology", warm)
            assert opened.far == door.fars[0].id
            assert 0 <= opened.seconds < 5


async def test_a_caller_is_told_no_promptly_while_the_far_end_is_known_to_be_down() -> None:
    async with relay_door(free_port()) as door:
        for _ in range(3):
            async with wire_peer(door.port) as peer:
                answer = await peer.associate(request("THROUGH"))
                assert isinstance(answer, AssociateRejected)
                assert (answer.result, answer.source, answer.diagnostic) == (2, 3, 1)
        async with wire_peer(door.port) as peer:
            mixed = await peer.associate(request("ARIA", contexts=proposals(FIND, RT_IMAGE)))
            assert isinstance(mixed, AssociateAccept)
            assert [context.result for context in mixed.contexts] == [2, 0]
        refused = door.log.of(RelayRefused)
        assert len(refused) == 4
        assert all("connection refused" in notice.reason for notice in refused)
        assert all(notice.seconds < 0.5 for notice in refused)
        assert {(notice.calling_ae, notice.peer, notice.address) for notice in refused} == {
            ("LINAC1", "oncology", "127.0.0.1")
        }


async def test_a_caller_that_finds_no_place_is_told_so() -> None:
    policy = replace(POLICY, max_associations=1, max_waiting=0)
    async with relayed(content, policy=policy) as door, console(door) as first:
        async with wire_peer(door.port) as peer:
            assert isinstance(await peer.associate(request("THROUGH")), AssociateRejected)
        await first.release()
        await until(lambda: door.held == 0)
        async with console(door) as second:
            await second.release()


async def test_a_caller_that_goes_away_while_the_far_end_is_dialled_leaves_nothing() -> None:
    dialled = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.requested()
        dialled.set()
        await gone(centre)

    async with relayed(script) as door:
        async with wire_peer(door.port) as peer:
            peer.layer.associate(request("THROUGH"))
            peer.layer.connected()
            peer.flush()
            await asyncio.wait_for(dialled.wait(), 5)
            assert door.held == 1
        await door.settled()


async def test_callers_beyond_the_places_wait_their_turn() -> None:
    policy = replace(POLICY, max_associations=1, max_waiting=2, wait=5)
    async with relayed(content, policy=policy) as door:

        async def ask() -> None:
            async with console(door) as peer:
                await peer.ask(FIND, messages.c_find_rq(1, FIND), b"who")
                await peer.release()

        await asyncio.gather(*(ask() for _ in range(3)))


@pytest.mark.parametrize(
    ("classes", "urgency"),
    [((FIND,), 0), ((FIND, CT), 0), ((RECORD, CT), 1), ((CT,), 1 + Priority.BULK)],
)
def test_conversation_goes_first_and_then_as_objects_go_up(classes: tuple[str, ...], urgency: int) -> None:
    contexts = tuple(ProposedContext(2 * n + 1, uid, ("1.2",)) for n, uid in enumerate(classes))
    assert _urgency(Wanted(contexts)) == urgency


@pytest.mark.parametrize("called", ["ARIA", "THROUGH"])
async def test_requests_are_looked_at_on_every_route_within_the_bound(called: str) -> None:
    guard = Guard(verdict=0xC310, called=called)

    def action(number: int) -> Command:
        return messages.n_action_rq(number, UPS_PUSH, "1.2.3", 1, has_data_set=True)

    limits = SessionLimits(max_inspected=100)
    async with (
        relayed(content, inspectors=[guard], session_limits=limits) as door,
        console(door, called, UPS_PUSH) as peer,
    ):
        [refused] = await peer.ask(UPS_PUSH, action(1), b"completed")
        assert refused.status == 0xC310
        [too_long] = await peer.ask(UPS_PUSH, action(2), b"x" * 101)
        assert too_long.status == 0x0213
        guard.verdict = None
        [passed] = await peer.ask(UPS_PUSH, action(3), b"in progress")
        assert passed.status == 0
        await peer.release()
    assert guard.seen == [b"completed", b"in progress"]


async def test_verification_is_passed_on_where_there_is_a_relay_and_asked_for_where_there_is_none() -> None:
    seen: list[str] = []

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        while True:
            try:
                context_id, command, _ = await centre.message()
            except AssertionError:
                break
            seen.append(command.name)
            centre.answer(context_id, command, 0x0122 if len(seen) == 1 else 0)
        centre.layer.release_response()
        centre.flush()

    async with relayed(script) as door:
        async with console(door, "THROUGH", FIND, VERIFICATION) as peer:
            [answer] = await peer.ask(VERIFICATION, messages.c_echo_rq(1))
            assert answer.status == 0x0122  # the far end's own words
            await peer.release()
        async with wire_console(door.port, "ARIA", VERIFICATION) as peer:
            [answer] = await peer.ask(VERIFICATION, messages.c_echo_rq(1))
            assert answer.status == 0
    assert seen == ["C-ECHO-RQ", "C-ECHO-RQ"]
