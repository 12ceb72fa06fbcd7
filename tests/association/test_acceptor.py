"""The acceptor's side of an association: operations, their bounds, and every way it can end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.association.acceptor import AcceptorLimits
from gateway.dicom import messages, pdu
from gateway.dicom.command import Command
from gateway.dicom.events import Aborted, Event, ReleaseConfirmed
from gateway.dicom.limits import MessageLimits
from gateway.listener import ListenerLimits
from gateway.notices import AssociationClosed, AssociationOpened, ConnectionRefused, ObjectStored
from tests.support.door import Door, open_door
from tests.support.wire_peer import RT_IMAGE, request, wire_peer


async def begun(door: Door) -> Any:
    await asyncio.wait_for(door.spool.begun.wait(), 10)
    incoming = door.spool.incoming[-1]
    await asyncio.wait_for(incoming.started.wait(), 10)
    return incoming


async def test_opening_and_closing_are_told_with_everything_that_was_carried() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        await peer.store(b"x" * 1000)
        await peer.release()
        opened = await door.log.wait(AssociationOpened)
        closed = await door.log.wait(AssociationClosed)
        assert (opened.calling_ae, opened.called_ae, opened.address) == ("LINAC1", "ARIA", "127.0.0.1")
        assert (opened.accepted, opened.refused, opened.tls, opened.inbound) == (3, 0, "", True)
        assert opened.association == closed.association
        assert (closed.outcome, closed.objects, closed.failures) == ("released", 1, 0)
        assert closed.bytes_in > 1000
        assert closed.bytes_out > 100
        assert 0 <= closed.seconds < 10


async def test_a_duplicate_message_id_is_refused_and_the_first_request_goes_on() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        door.spool.gate = asyncio.Event()
        await peer.associate(request(window=(8, 1)))
        peer.send_store(b"first", message_id=5)
        peer.send_store(b"second", message_id=5)
        assert (await peer.response()).status == 0x0210
        door.spool.gate.set()
        assert (await peer.response()).status == 0x0000
        assert [kept.data for kept in door.spool.kept] == [b"first"]
        assert (await peer.store(b"third", message_id=5)).status == 0x0000


async def test_no_more_operations_than_allowed_are_performed_at_a_time() -> None:
    limits = ListenerLimits(acceptor=AcceptorLimits(max_operations=2))
    async with open_door(limits=limits) as door, wire_peer(door.port) as peer:
        door.spool.gate = asyncio.Event()
        two, three = asyncio.Event(), asyncio.Event()
        door.spool.on_commit_asked = lambda count: {2: two, 3: three}.get(count, asyncio.Event()).set()
        await peer.associate(request(window=(8, 1)))
        for number in range(1, 4):
            # Longer than one read: what one read completes is performed even above the limit.
            peer.send_store(b"x" * 300_000, message_id=number, instance=f"1.{number}")
        await asyncio.wait_for(two.wait(), 10)
        third = asyncio.create_task(three.wait())
        await asyncio.wait([third], timeout=0.2)
        assert not third.done()
        door.spool.gate.set()
        assert {(await peer.response()).message_id_responded_to for _ in range(3)} == {1, 2, 3}
        await third


async def test_a_spool_under_pressure_stops_the_reading_until_it_is_relieved() -> None:
    total = 8_000_000
    async with open_door() as door, wire_peer(door.port) as peer:
        door.spool.max_pending = 500_000
        await peer.associate(request())
        answer = asyncio.create_task(peer.store(b"x" * total))
        incoming = await begun(door)
        await asyncio.wait_for(incoming.pressed.wait(), 10)
        await asyncio.wait([answer], timeout=0.1)
        assert incoming.size < 500_000 + 400_000  # one read may come on top of what made the pressure
        while not answer.done():
            waiter = asyncio.create_task(incoming.pressed.wait())
            await asyncio.wait([waiter, answer], return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
            incoming.pressed.clear()
            incoming.relieve()
        assert (await answer).status == 0x0000
        assert len(door.spool.kept[0].data) == total
        assert incoming.largest_pending < 500_000 + 400_000


async def test_a_command_set_is_no_longer_than_the_listener_allows() -> None:
    limits = ListenerLimits(acceptor=AcceptorLimits(messages=MessageLimits(max_command_length=64)))
    async with open_door(limits=limits) as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, messages.c_store_rq(1, RT_IMAGE, "1.1"))
        assert isinstance(await peer.event(), Aborted)
        await peer.close()
        assert not door.spool.kept


async def test_a_response_out_of_nowhere_ends_the_association() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, Command(command_field=0x8001, message_id_responded_to=1, status=0))
        assert isinstance(await peer.event(), Aborted)
        await peer.close()
        assert (await door.log.wait(AssociationClosed)).outcome == "aborted"


async def test_a_cancel_of_what_is_over_is_ignored() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, messages.c_cancel_rq(77))
        assert (await peer.store()).status == 0x0000


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n",
        b"\x01\x00\xff\xff\xff\xff" + b"x" * 1000,  # an A-ASSOCIATE-RQ of 4 GiB
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,  # a TLS client hello
    ],
)
async def test_garbage_instead_of_an_association_is_one_refused_connection(garbage: bytes) -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        peer.write(garbage)
        peer.writer.write_eof()
        await peer.ended()
        refused = await door.log.wait(ConnectionRefused)
        assert (refused.listener, refused.address) == ("console", "127.0.0.1")
        assert len(door.log.all) == 1


async def test_a_connection_that_says_nothing_and_closes_is_one_refused_connection() -> None:
    async with open_door() as door:
        async with wire_peer(door.port):
            pass
        assert "before there was an association" in (await door.log.wait(ConnectionRefused)).reason


async def test_a_declared_length_of_4_gib_is_refused_without_memory_for_it() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        [association] = door.listener.associations
        peer.write(b"\x04\x00\xff\xff\xff\xff" + b"x" * 500_000)
        assert isinstance(await peer.event(), Aborted)
        assert association.layer.buffer_size < 300_000
        await peer.close()
        assert (await door.log.wait(AssociationClosed)).outcome == "aborted"


async def test_a_request_that_is_performed_outlives_its_peer() -> None:
    async with open_door() as door:
        door.spool.gate = asyncio.Event()
        async with wire_peer(door.port) as peer:
            await peer.associate(request())
            peer.send_store(b"kept all the same")
            await asyncio.wait_for(door.spool.committing.wait(), 10)
        [association] = door.listener.associations
        door.spool.gate.set()
        closed = await door.log.wait(AssociationClosed)
        assert (closed.outcome, closed.objects) == ("lost", 1)
        assert association.closed
        assert [kept.data for kept in door.spool.kept] == [b"kept all the same"]
        assert door.log.of(ObjectStored)


async def test_a_release_waits_for_the_responses_that_are_still_to_come() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        door.spool.gate = asyncio.Event()
        await peer.associate(request())
        peer.send_store(b"data")
        await asyncio.wait_for(door.spool.committing.wait(), 10)
        [association] = door.listener.associations
        asked = asyncio.Event()
        on_control = association._on_control

        def seen(event: Event) -> None:
            on_control(event)
            asked.set()

        association._on_control = seen  # type: ignore[method-assign]
        peer.layer.release()
        peer.flush()
        await asyncio.wait_for(asked.wait(), 10)
        door.spool.gate.set()
        assert (await peer.response()).status == 0x0000
        assert isinstance(await peer.event(), ReleaseConfirmed)


async def test_a_release_with_data_after_it_is_aborted() -> None:
    # Both come with one read: when the release is looked at, what follows has ended the association.
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.write(pdu.RELEASE_RQ_PDU + b"\x04\x00\x00\x00\x00\x07\x00\x00\x00\x03\x03\x03\x00")
        assert isinstance(await peer.event(), Aborted)
        await peer.close()
        await door.log.wait(AssociationClosed)


async def test_half_an_object_and_a_release_keep_nothing() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, messages.c_store_rq(1, RT_IMAGE, "1.1"))
        peer.send_data(3, b"half", last=False)
        incoming = await begun(door)
        peer.write(pdu.RELEASE_RQ_PDU)
        await asyncio.wait_for(incoming.abandoned.wait(), 10)
        assert not door.spool.kept


async def test_an_unexpected_error_in_a_service_reaches_the_event_loop_and_aborts() -> None:
    async with open_door(expect_errors=True) as door, wire_peer(door.port) as peer:

        def broken() -> None:
            raise ZeroDivisionError

        door.spool.on_commit = broken
        await peer.associate(request())
        peer.send_store(b"data")
        assert isinstance(await peer.event(), Aborted)
        assert [type(context["exception"]) for context in door.errors] == [ZeroDivisionError]


async def test_leaving_lets_a_request_have_its_response_first() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        door.spool.gate = asyncio.Event()
        await peer.associate(request())
        peer.send_store(b"data")
        await asyncio.wait_for(door.spool.committing.wait(), 10)
        closing = asyncio.create_task(door.listener.close(grace=10))
        await asyncio.sleep(0)
        door.spool.gate.set()
        assert (await peer.response()).status == 0x0000
        assert isinstance(await peer.event(), Aborted)
        await peer.close()
        await closing
