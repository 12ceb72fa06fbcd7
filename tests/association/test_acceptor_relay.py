"""The acceptor with a relay behind it: what it hands over, what it waits for, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from gateway.association.acceptor import AcceptorLimits
from gateway.association.admission import RELAYED, Admission, Caller, Relayed
from gateway.association.association import Association
from gateway.association.errors import AssociationLost, ResponseTimeout
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.events import Aborted, ReleaseConfirmed
from gateway.dicom.negotiation import AcceptedContext, AssociateAccept, AssociateRequest, negotiate
from gateway.listener import Listener, ListenerLimits, ListenerSettings
from gateway.notices import Notices
from tests.support.relay_door import until
from tests.support.wire_centre import TAKE_FIRST
from tests.support.wire_peer import RT_IMAGE, WirePeer, request, wire_peer


@dataclass(eq=False)
class Behind:
    """Services, admission and relay in one: notes what it is handed, busy as long as the test says."""

    answer: Any = None
    calls: list[Any] = field(default_factory=list)
    busy: bool = False
    asking: frozenset[int] = frozenset()  # message IDs of the far side at the caller
    takes_responses: bool = False
    near: Association | None = None
    rested: Any = None
    ended: list[bool] = field(default_factory=list)

    @property
    def relay(self) -> Behind:
        return self

    async def admit(self, asked: AssociateRequest, caller: Caller) -> Admission:
        self.answer = negotiate(asked, TAKE_FIRST)
        return cast("Admission", self)

    def perform(self, context: AcceptedContext, command: Command) -> Command | Relayed:
        return RELAYED if context.context_id != 1 else messages.c_echo_rsp(command)

    def attach(self, near: Association, rested: Any) -> None:
        self.near, self.rested = near, rested

    def knows(self, message_id: int) -> bool:
        return self.busy and message_id == 5

    def asks(self, message_id: int) -> bool:
        return message_id in self.asking

    def request(self, context: AcceptedContext, command: Command) -> None:
        self.calls.append(("request", context.context_id, command.message_id))

    def response(self, context: AcceptedContext, command: Command) -> bool:
        self.calls.append(("response", context.context_id, command.message_id_responded_to))
        return self.takes_responses

    def cancel(self, context: AcceptedContext, command: Command) -> None:
        self.calls.append(("cancel", context.context_id, command.message_id_responded_to))

    def fragment(self, context_id: int, data: memoryview, is_last: bool) -> None:
        self.calls.append(("data", context_id, bytes(data), is_last))

    def flush(self) -> None:
        """Nothing is buffered."""

    def near_ending(self, released: bool) -> None:
        self.ended.append(released)

    async def until(self, count: int) -> list[Any]:
        await until(lambda: len(self.calls) >= count)
        return self.calls

    def rest(self) -> None:
        self.busy = False
        self.rested()


@asynccontextmanager
async def behind(limits: AcceptorLimits | None = None) -> AsyncIterator[tuple[Behind, Listener, WirePeer]]:
    it = Behind()
    listener = Listener(
        ListenerSettings("console", "127.0.0.1", 0),
        it,
        notices=Notices(),
        limits=ListenerLimits(acceptor=limits or AcceptorLimits()),
    )
    await listener.start()
    try:
        async with wire_peer(listener.port) as peer:
            assert isinstance(await peer.associate(request()), AssociateAccept)
            await until(lambda: it.near is not None)
            yield it, listener, peer
    finally:
        await listener.close(grace=0.1)
    assert len(it.ended) == 1


async def test_what_is_relayed_is_handed_over_as_it_comes() -> None:
    async with behind() as (it, _, peer):
        peer.send_command(3, messages.c_store_rq(1, RT_IMAGE, "1.2"))
        peer.send_data(3, b"one", last=False)
        peer.send_data(3, b"two")
        peer.send_command(5, messages.c_find_rq(2, RT_IMAGE))
        peer.send_data(5, b"", last=True)
        assert await it.until(5) == [
            ("request", 3, 1),
            ("data", 3, b"one", False),
            ("data", 3, b"two", True),
            ("request", 5, 2),
            ("data", 5, b"", True),
        ]
        assert (await peer.echo(3)).status == 0  # what is served here is not handed over
        assert len(it.calls) == 5


async def test_a_message_id_that_the_relay_has_under_way_is_refused_after_its_data_set() -> None:
    async with behind() as (it, _, peer):
        it.busy = True
        peer.send_store(b"second", message_id=5)
        assert (await peer.response()).status == 0x0210
        assert (await peer.echo(5)).status == 0x0210
        assert it.calls == []


async def test_a_cancel_is_the_relays() -> None:
    async with behind() as (it, _, peer):
        peer.send_command(3, messages.c_cancel_rq(9))
        assert await it.until(1) == [("cancel", 3, 9)]


async def test_a_response_is_the_relays_and_an_offence_when_it_wants_none() -> None:
    rsp = Command(command_field=0x8001, message_id_responded_to=1, status=0, has_data_set=True)
    async with behind() as (it, _, peer):
        it.takes_responses = True
        peer.send_command(3, rsp)
        peer.send_data(3, b"reply")
        assert await it.until(2) == [("response", 3, 1), ("data", 3, b"reply", True)]
        it.takes_responses = False
        peer.send_command(3, rsp)
        assert isinstance(await peer.event(), Aborted)
    assert it.ended == [False]


async def test_a_release_waits_until_the_relay_is_at_rest() -> None:
    async with behind() as (it, _, peer):
        it.busy = True
        peer.layer.release()
        peer.flush()
        waiting = asyncio.create_task(peer.event())
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        assert it.ended == []
        it.rest()
        assert isinstance(await waiting, ReleaseConfirmed)
        assert it.ended == [True]
        it.rested()  # late news change nothing


@pytest.mark.parametrize("busy", [False, True])
async def test_at_a_shutdown_it_leaves_when_the_relay_is_at_rest(busy: bool) -> None:
    async with behind() as (it, listener, peer):
        it.busy = busy
        closing = asyncio.create_task(listener.close(grace=5))
        waiting = asyncio.create_task(peer.event())
        if busy:
            await asyncio.wait([waiting], timeout=0.1)
            assert not waiting.done()
            it.rest()
        assert isinstance(await waiting, Aborted)
        await peer.close()
        await asyncio.wait_for(closing, 3)


async def test_a_caller_that_goes_while_it_is_let_in_never_begins_a_relay() -> None:
    it = Behind()
    gate = asyncio.Event()
    admit = it.admit

    async def slowly(asked: AssociateRequest, caller: Caller) -> Admission:
        await gate.wait()
        return await admit(asked, caller)

    it.admit = slowly  # type: ignore[method-assign]  # the same, later
    listener = Listener(ListenerSettings("console", "127.0.0.1", 0), it, notices=Notices())
    await listener.start()
    async with wire_peer(listener.port) as peer:
        peer.layer.associate(request())
        peer.layer.connected()
        peer.flush()
        await until(lambda: bool(listener.associations))
    await until(lambda: not listener.associations)
    gate.set()
    await listener.close()
    assert it.near is None


# --- what is asked of the caller -----------------------------------------------------------------------


def report(number: int) -> Command:
    return messages.n_event_report_rq(number, RT_IMAGE, "1.2", 1, has_data_set=True)


async def test_the_caller_is_asked_on_its_own_association() -> None:
    async with behind() as (it, listener, peer):
        [near] = listener.associations
        first = asyncio.create_task(near.ask(3, report, b"what happened"))
        second = asyncio.create_task(near.ask(3, report, b"and again"))
        one, two = await peer.response(), await peer.response()
        assert one.message_id != two.message_id
        for asked, status in ((two, 0x0107), (one, 0)):
            peer.send_command(3, messages.response(asked, status, has_data_set=status == 0))
        peer.send_data(3, b"a reply that nobody wants")
        assert ((await first).status, (await second).status) == (0, 0x0107)
        assert it.calls == []
        assert near.message_id_for(one.message_id or 0) == one.message_id  # it is free again


async def test_nobody_gets_a_message_id_that_is_in_use_at_the_caller_at_the_moment() -> None:
    async with behind() as (it, listener, peer):
        [near] = listener.associations
        asking = asyncio.create_task(near.ask(3, report, b"x"))
        ours = (await peer.response()).message_id or 0
        assert near.message_id_for(ours) == ours + 1
        assert near.message_id_for(7) == 7
        assert near.message_id_for(0) == 1
        it.asking = frozenset({7, 8})  # the far side has them at the caller
        assert near.message_id_for(7) == 9
        peer.send_command(3, messages.response(report(ours), 0))
        await asking


async def test_a_caller_that_goes_or_is_silent_is_told_as_such() -> None:
    async with behind() as (_, listener, peer):
        [near] = listener.associations
        asking = asyncio.create_task(near.ask(3, report, b"x"))
        await peer.response()
        await peer.close()
        with pytest.raises(AssociationLost):
            await asking
        with pytest.raises(AssociationLost):
            await near.ask(3, report, b"x")
    async with behind(AcceptorLimits(answer_timeout=0.05)) as (_, listener, peer):
        [near] = listener.associations
        with pytest.raises(ResponseTimeout):
            await near.ask(3, report, b"x")
        await peer.response()
        events = [await peer.event(), await peer.event()]  # the data set, and then
        assert isinstance(events[1], Aborted)
