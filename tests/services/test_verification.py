"""C-ECHO to the gateway, and through it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.dicom import messages
from gateway.dicom.negotiation import AssociateAccept, ProposedContext
from gateway.notices import AssociationClosed
from tests.support.dcmtk import run_console
from tests.support.door import open_door
from tests.support.ports import free_port
from tests.support.relay_door import relay_door, relayed
from tests.support.relay_play import gone, reset
from tests.support.wire_centre import WireCentre
from tests.support.wire_peer import VERIFICATION, request, wire_peer


@pytest.mark.parametrize("called", ["CLINIC07", "ARIA"])
async def test_echo_is_answered_for_our_title_and_for_routes(called: str) -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request(called))
        first, second = await peer.echo(1), await peer.echo(2)
        assert (first.status, first.message_id_responded_to) == (0x0000, 1)
        assert (second.status, second.message_id_responded_to) == (0x0000, 2)


async def test_any_transfer_syntax_will_do_for_verification() -> None:
    odd = ProposedContext(1, VERIFICATION, ("1.2.840.10008.1.2.4.90",))
    async with open_door() as door, wire_peer(door.port) as peer:
        answer = await peer.associate(request(contexts=[odd]))
        assert isinstance(answer, AssociateAccept)
        assert answer.contexts[0].accepted


@pytest.mark.peers
async def test_echoscu_is_content() -> None:
    async with open_door() as door:
        ran = await asyncio.to_thread(run_console, "echoscu", door.port, "CLINIC07", [])
        assert ran.code == 0, ran.output
        closed = await door.log.wait(AssociationClosed)
        assert (closed.outcome, closed.calling_ae) == ("released", "LINAC1")


# --- to the far end of a route -------------------------------------------------------------------------


async def answers(centre: WireCentre) -> None:
    await centre.accept()
    context_id, command, _ = await centre.message()
    centre.answer(context_id, command)
    await centre.finish()


async def test_an_echo_to_a_route_goes_through_to_its_far_end() -> None:
    async with relayed(answers) as door, wire_peer(door.port) as peer:
        await peer.associate(request("ARIA"))
        assert (await peer.echo(1)).status == 0x0000
        assert door.held == 0
        assert len(door.fars) == 1


async def test_an_echo_to_our_own_title_stays_here() -> None:
    async with relay_door(free_port()) as door, wire_peer(door.port) as peer:
        await peer.associate(request("CLINIC07"))
        assert (await peer.echo(1)).status == 0x0000
        assert door.fars == []


async def test_an_echo_fails_when_the_far_end_is_not_there_and_objects_are_still_taken() -> None:
    async with relay_door(free_port()) as door, wire_peer(door.port) as peer:
        await peer.associate(request("ARIA"))
        for number in (1, 2):
            response = await peer.echo(number)
            assert (response.status, response.message_id_responded_to) == (0x0110, number)
            assert "objects are still taken" in (response.error_comment or "")
        assert (await peer.store(message_id=3)).status == 0x0000


async def test_a_far_end_that_takes_the_association_and_not_the_echo_is_a_failure_too() -> None:
    async def breaks(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        reset(centre)

    async with relayed(breaks) as door, wire_peer(door.port) as peer:
        await peer.associate(request("ARIA"))
        assert (await peer.echo()).status == 0x0110


async def test_a_caller_that_goes_away_during_its_echo_leaves_no_association() -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        asked.set()
        await answer.wait()
        centre.answer(context_id, command)
        await centre.finish()

    async with relayed(slow) as door:
        async with wire_peer(door.port) as peer:
            await peer.associate(request("ARIA"))
            peer.send_command(1, messages.c_echo_rq(1))
            await asyncio.wait_for(asked.wait(), 5)
        answer.set()  # it is asked to its end, and its association given back
        await door.settled()


async def test_a_shutdown_does_not_wait_for_an_echo_without_end() -> None:
    asked = asyncio.Event()

    async def silent(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        asked.set()
        await gone(centre)

    async with relayed(silent, grace=0.05) as door, wire_peer(door.port) as peer:
        await peer.associate(request("ARIA"))
        peer.send_command(1, messages.c_echo_rq(1))
        await asyncio.wait_for(asked.wait(), 5)
        await door.listener.close(grace=0.05)
        assert door.held == 0


async def test_a_data_set_that_comes_with_an_echo_is_dropped() -> None:
    async with relayed(answers) as door, wire_peer(door.port) as peer:
        await peer.associate(request("ARIA"))
        peer.send_command(1, replace(messages.c_echo_rq(1), has_data_set=True))
        peer.send_data(1, b"what for?")
        assert (await peer.response()).status == 0x0000
