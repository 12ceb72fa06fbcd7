"""Every deadline and every bound of a connection, each shown to bite; and that idling costs nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Any

import pytest

from gateway.association.stream import Stream, StreamLimits
from gateway.dicom import messages
from gateway.dicom.events import Aborted
from gateway.listener import ListenerLimits
from gateway.notices import AssociationClosed, ConnectionRefused
from tests.support.door import Door, open_door
from tests.support.wire_peer import RT_IMAGE, WirePeer, request, wire_peer

LONG = 300.0
SHORT = 0.1


def limits(**deadlines: float) -> ListenerLimits:
    """Every deadline far away, except those given."""
    values: dict[str, Any] = {
        "artim": LONG,
        "pdu_timeout": LONG,
        "idle_timeout": LONG,
        "write_timeout": LONG,
    }
    return ListenerLimits(stream=StreamLimits(**{**values, **deadlines}))


async def closed(door: Door) -> AssociationClosed:
    return await door.log.wait(AssociationClosed)


async def test_a_peer_that_never_associates_is_hung_up_on() -> None:
    async with open_door(limits=limits(artim=SHORT)) as door, wire_peer(door.port) as peer:
        assert await peer.ended() == b""
        assert "did not associate" in (await door.log.wait(ConnectionRefused)).reason


async def test_dripping_an_association_request_does_not_hold_the_door_open() -> None:
    async with open_door(limits=limits(artim=SHORT)) as door, wire_peer(door.port) as peer:
        peer.layer.associate(request())
        peer.layer.connected()
        [whole] = peer.layer.output()
        dripping = asyncio.create_task(drip(peer, bytes(whole)))
        await peer.ended()
        assert await door.log.wait(ConnectionRefused)
        dripping.cancel()


async def drip(peer: WirePeer, data: bytes) -> None:
    for position in range(len(data)):
        peer.write(data[position : position + 1])
        await asyncio.sleep(SHORT / 20)  # the slowness is what is tested


async def test_a_pdu_that_has_begun_must_be_completed_in_time() -> None:
    async with open_door(limits=limits(pdu_timeout=SHORT)) as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        whole = b"\x04\x00\x00\x00\x10\x00" + b"\0" * 4096
        dripping = asyncio.create_task(drip(peer, whole))
        assert isinstance(await peer.event(), Aborted)
        await peer.close()
        dripping.cancel()
        ended = await closed(door)
        assert (ended.outcome, "PDU" in ended.reason) == ("timeout", True)


async def test_a_large_object_may_take_longer_than_one_pdu_may() -> None:
    async with open_door(limits=limits(pdu_timeout=0.3)) as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, messages.c_store_rq(1, RT_IMAGE, "1.2.3"))
        until = time.monotonic() + 0.8
        while time.monotonic() < until:
            peer.send_data(3, b"x" * 1000, last=False)
            await asyncio.sleep(0.05)  # a slow but honest peer
        peer.send_data(3, b"end")
        assert (await peer.response()).status == 0x0000


async def test_an_idle_association_is_ended() -> None:
    async with open_door(limits=limits(idle_timeout=SHORT)) as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        event = await peer.event()
        assert isinstance(event, Aborted)
        assert (event.source, event.by_peer) == (2, True)
        await peer.close()
        assert (await closed(door)).outcome == "timeout"


async def test_silence_in_the_middle_of_an_object_is_idleness() -> None:
    async with open_door(limits=limits(idle_timeout=SHORT)) as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, messages.c_store_rq(1, RT_IMAGE, "1.2.3"))
        peer.send_data(3, b"half", last=False)
        assert isinstance(await peer.event(), Aborted)
        assert door.spool.incoming[0].abandoned.is_set()


async def test_waiting_for_us_is_not_idleness() -> None:
    async with open_door(limits=limits(idle_timeout=SHORT)) as door, wire_peer(door.port) as peer:
        door.spool.gate = asyncio.Event()
        await peer.associate(request())
        answer = asyncio.create_task(peer.store())
        await asyncio.wait([answer], timeout=4 * SHORT)
        assert not answer.done()
        door.spool.gate.set()
        assert (await answer).status == 0x0000


async def test_a_spool_that_makes_the_peer_wait_is_not_the_peers_idleness() -> None:
    async with open_door(limits=limits(idle_timeout=SHORT, pdu_timeout=SHORT)) as door:
        door.spool.max_pending = 100_000
        async with wire_peer(door.port) as peer:
            await peer.associate(request())
            answer = asyncio.create_task(peer.store(b"x" * 3_000_000))
            await asyncio.wait_for(door.spool.begun.wait(), 10)
            incoming = door.spool.incoming[0]
            await asyncio.wait_for(incoming.pressed.wait(), 10)
            await asyncio.wait([answer], timeout=4 * SHORT)
            assert not answer.done()
            door.spool.max_pending = None
            incoming.relieve()
            assert (await answer).status == 0x0000


async def flood(peer: WirePeer) -> None:
    """Ask and ask, and never read an answer."""
    message_id = 0
    while True:
        message_id = message_id % 0xFFFF + 1
        peer.send_command(1, messages.c_echo_rq(message_id))
        await peer.writer.drain()


async def test_a_peer_that_never_reads_is_given_up_with_little_output_waiting() -> None:
    bounded = ListenerLimits(stream=StreamLimits(write_timeout=SHORT, max_output=20_000))
    async with open_door(limits=bounded) as door, wire_peer(door.port, receive_buffer=4096) as peer:
        await peer.associate(request())
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the peer does not read
        [association] = door.listener.associations
        stream = association.stream
        largest = 0
        resumed = stream.flush

        def flush() -> None:
            nonlocal largest
            resumed()
            if stream._transport is not None:
                largest = max(largest, stream._transport.get_write_buffer_size())

        stream.flush = flush  # type: ignore[method-assign]
        flooding = asyncio.create_task(flood(peer))
        ended = await closed(door)
        assert (ended.outcome, ended.reason) == ("timeout", "the peer does not read what we send")
        # What one read asked for is answered in one go, on top of what was waiting.
        assert 20_000 < largest < 600_000
        flooding.cancel()
        await asyncio.wait([flooding])
        assert flooding.cancelled() or isinstance(flooding.exception(), ConnectionError)


async def test_a_slow_reader_is_not_given_up() -> None:
    bounded = ListenerLimits(stream=StreamLimits(write_timeout=0.3, max_output=20_000))
    async with open_door(limits=bounded) as door, wire_peer(door.port, receive_buffer=4096) as peer:
        await peer.associate(request())
        [association] = door.listener.associations
        paused = asyncio.Event()
        stream = association.stream
        pause = stream.pause_writing

        def pausing() -> None:
            pause()
            paused.set()

        stream.pause_writing = pausing  # type: ignore[method-assign]
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        flooding = asyncio.create_task(flood(peer))
        await asyncio.wait_for(paused.wait(), 20)
        flooding.cancel()
        await asyncio.wait([flooding])
        descriptor = peer.writer.get_extra_info("socket").fileno()
        for _ in range(6):  # twice the deadline in all, and one small receive buffer is read each time
            os.read(descriptor, 65536)
            await asyncio.sleep(0.1)  # the slowness is what is tested
        assert not stream.writable
        assert not door.log.of(AssociationClosed)


async def test_a_half_closed_connection_is_closed() -> None:
    async with open_door(limits=limits()) as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.writer.write_eof()
        assert await peer.ended() == b""
        assert (await closed(door)).outcome == "lost"


async def test_a_peer_that_does_not_close_after_an_abort_is_hung_up_on() -> None:
    async with open_door(limits=limits(artim=SHORT, idle_timeout=LONG)) as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.write(b"\x63\x00\x00\x00\x00\x00")
        assert await peer.ended() != b""
        assert (await closed(door)).outcome == "aborted"


async def test_a_peer_that_takes_no_last_bytes_is_hung_up_on() -> None:
    bounded = ListenerLimits(stream=StreamLimits(write_timeout=SHORT, max_output=20_000))
    async with open_door(limits=bounded) as door, wire_peer(door.port, receive_buffer=4096) as peer:
        await peer.associate(request())
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        [association] = door.listener.associations
        flooding = asyncio.create_task(flood(peer))
        paused = asyncio.Event()
        association.stream.pause_writing = paused.set  # type: ignore[method-assign]  # not the stall guard's test
        await asyncio.wait_for(paused.wait(), 20)
        association.stream.close()
        await closed(door)
        flooding.cancel()


async def test_the_socket_is_tuned_for_lock_step_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    options: list[tuple[int, int, int]] = []
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        [association] = door.listener.associations
        stream: Stream = association.stream
        assert stream._transport is not None
        sock = stream._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        monkeypatch.setattr(stream, "_set_option", lambda *option: options.append(option))
        await peer.echo()
        assert options
        assert set(options) == {(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)}


async def test_a_socket_that_is_closed_already_has_no_backlog() -> None:
    """With TLS the descriptor is gone, or given to somebody else, before `connection_lost` comes."""
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        [association] = door.listener.associations
        stream = association.stream
        assert stream.backlog() == 0
        ours = stream._socket
        assert ours is not None
        gone = socket.socket()
        gone.close()
        stream._socket = gone
        assert stream.backlog() == 0
        stream._socket = ours


async def test_idle_associations_cost_one_timer_each_and_no_wake_up() -> None:
    async with open_door() as door:
        peers = [await WirePeer.connect(door.port) for _ in range(20)]
        for peer in peers:
            await peer.associate(request())
        before = time.process_time()
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.5)
        assert time.process_time() - before < 0.02
        timers = [association.stream._timer for association in door.listener.associations]
        assert len([timer for timer in timers if timer is not None]) == 20
        for peer in peers:
            await peer.close()


async def test_a_busy_association_makes_no_timer_per_pdu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        made: list[float] = []
        loop = asyncio.get_running_loop()
        call_at = loop.call_at

        def counting(when: float, *about: Any, **more: Any) -> asyncio.TimerHandle:
            made.append(when)
            return call_at(when, *about, **more)

        [association] = door.listener.associations
        monkeypatch.setattr(association.stream._loop, "call_at", counting)
        for number in range(1, 51):
            peer.send_store(b"x" * 30_000, message_id=number)
            await peer.response.__wrapped__(peer) if hasattr(
                peer.response, "__wrapped__"
            ) else await peer.response()
        # Each wait of the test itself makes one; the stream made at most two in all that time.
        own = [when for when in made if when - loop.time() > 20]
        assert len(own) <= 2


async def test_the_receive_buffer_shrinks_again_when_it_is_quiet() -> None:
    async with open_door(limits=limits(pdu_timeout=SHORT)) as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        await peer.store(b"x" * 1_000_000)
        [association] = door.listener.associations
        assert association.layer.buffer_size > 100_000
        association.stream._look()
        assert association.layer.buffer_size < 100_000
        assert (await peer.store(b"x" * 1_000_000)).status == 0x0000
