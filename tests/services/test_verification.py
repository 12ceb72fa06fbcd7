"""C-ECHO to the gateway."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dicom.negotiation import AssociateAccept, ProposedContext
from gateway.notices import AssociationClosed
from tests.support.dcmtk import run_console
from tests.support.door import open_door
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
