"""A link that goes down without a word, as a satellite link does: TCP knows before DICOM does."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

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


async def test_what_is_not_acknowledged_any_more_is_noticed_while_the_peer_may_still_be_thinking(
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
                timeouts=RequestorTimeouts(),
                way=None,
            )
        assert await far.echo() < 1.0
        assert far.stream.unacknowledged() == 0.0
        link.cut()
        asked = asyncio.create_task(far.echo())
        async with asyncio.timeout(10):
            while far.stream.unacknowledged() < 0.5:  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0.05)
        assert not asked.done()
        far.abort()
        with pytest.raises(PeerError):
            await asked
    finally:
        await centre.close(grace=0)
        far.stream.kill()
