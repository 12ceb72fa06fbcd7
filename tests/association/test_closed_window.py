"""A peer that does not read for a while is alive: its TCP acknowledges every probe of the closed window."""

from __future__ import annotations

import asyncio
import socket
import sys

from gateway.association.far import open_far
from gateway.association.stream import Stream
from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom import messages
from gateway.dicom.negotiation import AssociateRequest, ProposedContext
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from tests.support.wire_centre import WireCentre, wire_centre

CT = "1.2.840.10008.5.1.4.1.1.2"
REQUEST = AssociateRequest("CENTRE", "LINAC1", (ProposedContext(1, CT, ("1.2.840.10008.1.2",)),))


async def test_a_closed_window_does_not_count_as_silence() -> None:
    enough = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await enough.wait()  # reads nothing more

    async with wire_centre(script) as port:
        far = await open_far(
            Peer("centre", AETitle("CENTRE"), "127.0.0.1", port),
            REQUEST,
            profile=None,
            notices=Notices(),
            timeouts=RequestorTimeouts(),
            way=None,
        )
        far.stream_command(1, messages.c_store_rq(1, CT, "2.25.1"))
        while far.stream.writable:
            far.stream_data(1, bytes(1 << 18), False)
            far.stream.flush()
        async with asyncio.timeout(20):
            while _since_last_acknowledgement(far.stream) < 0.5:  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0.02)
        assert far.stream.unacknowledged() == 0.0
        enough.set()
        far.abort()
        far.stream.kill()


def _since_last_acknowledgement(stream: Stream) -> float:
    sock = stream._socket
    assert sock is not None
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int.from_bytes(info[56:60], sys.byteorder) / 1000
