"""A link that goes down without a word, as a satellite link does: TCP knows before DICOM does."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from gateway.association.association import LOST
from gateway.association.far import open_far
from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom.negotiation import AssociateRequest, ProposedContext
from gateway.dicom.sop_classes import VERIFICATION
from gateway.errors import PeerError
from gateway.listener import Listener, ListenerSettings
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.routing import RoutingTable
from gateway.services.registry import ServiceRegistry
from gateway.services.verification import VerificationService
from tests.support import long_link
from tests.support.long_link import LongLink

pytestmark = pytest.mark.root

REQUEST = AssociateRequest("CENTRE", "LINAC1", (ProposedContext(1, VERIFICATION, ("1.2.840.10008.1.2",)),))


@pytest.fixture
def link() -> Iterator[LongLink]:
    reason = long_link.missing()
    if reason is not None:
        if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with LongLink(delay=0.02) as link:
        yield link


async def test_a_request_on_a_silently_cut_link_is_given_up_long_before_the_response_is_due(
    link: LongLink,
) -> None:
    notices = Notices()
    centre = Listener(
        ListenerSettings("far", link.far.address, 0),
        ServiceRegistry(RoutingTable([], AETitle("CENTRE")), [VerificationService()]),
        notices=notices,
    )
    with link.far.entered():
        knocked = socket.create_server((link.far.address, 0))
    await centre.start([knocked])
    try:
        with link.near.entered():
            far = await open_far(
                Peer("centre", AETitle("CENTRE"), link.far.address, centre.port),
                REQUEST,
                profile=None,
                notices=notices,
                timeouts=RequestorTimeouts(response=60.0, silence=1.0),
                tls_context=None,
            )
        assert await far.echo() < 1.0
        link.cut()
        with pytest.raises(PeerError):
            await asyncio.wait_for(far.echo(), 10)
        assert (await far.wait_closed()).outcome == LOST
    finally:
        await centre.close(grace=0)
