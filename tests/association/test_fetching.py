"""An object given back on our own association: taken within bounds, and nothing else is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.association.asking import open_asking
from gateway.association.errors import AssociationAborted, AssociationLost, ProtocolViolation, ResponseTimeout
from gateway.association.fetching import NOT_ASKED_FOR, TAKEN_ALREADY, FetchingAssociation, Wanted
from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.errors import LocalProtocolError
from gateway.dicom.negotiation import AcceptorPolicy, ContextAnswer, ProposedContext
from gateway.errors import LocalError
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from tests.support.commitment_wire import say
from tests.support.wire_centre import WireCentre, wire_centre

GET, CT, MR = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
UID = "1.2.3.4"
DATA = bytes(range(256)) * 40
ROLES = AcceptorPolicy(
    choose=lambda context: ContextAnswer.accept(context.transfer_syntaxes[0]),
    roles=lambda _uid, as_scu, as_scp: (as_scu, as_scp),
)
WANTED = Wanted(CT, UID, keep=1 << 20, most=1 << 20)
Get = Callable[[WireCentre, int, Command], Awaitable[object]]


async def store(peer: WireCentre, data: bytes = DATA, *, uid: str = UID, context_id: int = 3) -> int | None:
    """Give one object; return the status answered, None when the association ended."""
    sop_class = peer.layer.contexts[context_id].abstract_syntax
    say(peer, context_id, messages.c_store_rq(9, sop_class, uid), data)
    await peer.writer.drain()
    with suppress(AssertionError):
        _, answer, _ = await peer.message()
        return answer.status
    return None


@asynccontextmanager
async def fetching(get: Get, **timeouts: float) -> AsyncIterator[FetchingAssociation]:
    """An association with a centre that answers one C-GET as told."""

    async def script(peer: WireCentre) -> None:
        with suppress(ConnectionError, LocalProtocolError):
            await peer.accept(ROLES)
            context_id, command, _ = await peer.message()
            await get(peer, context_id, command)
            await peer.finish()

    async with wire_centre(script) as port:
        association = await open_asking(
            Peer("centre", AETitle("CENTRE"), "127.0.0.1", port),
            [
                ProposedContext(1, GET, (EXPLICIT,)),
                ProposedContext(3, CT, (EXPLICIT,)),
                ProposedContext(5, MR, (EXPLICIT,)),
            ],
            calling_ae=AETitle("GATEWAY"),
            notices=Notices(),
            timeouts=RequestorTimeouts(**{"response": 5.0, "release": 1.0, **timeouts}),
            roles={CT: (False, True), MR: (False, True)},
            kind=FetchingAssociation,
        )
        assert isinstance(association, FetchingAssociation)
        try:
            yield association
        finally:
            await association.release()


async def test_an_object_comes_back_whole() -> None:
    answered: list[int | None] = []

    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        peer.send(context_id, messages.response(command, 0xFF00))
        answered.append(await store(peer))
        peer.answer(context_id, command)

    async with fetching(get) as association:
        answer, fetched = await association.fetch(1, GET, b"keys", WANTED)
    assert answer.command.status == 0x0000
    assert fetched is not None
    assert (fetched.data, fetched.size, fetched.transfer_syntax_uid) == (DATA, len(DATA), EXPLICIT)
    assert fetched.digest == hashlib.sha256(DATA).digest()
    assert answered == [0x0000]


async def test_of_a_large_object_only_the_digest_is_kept() -> None:
    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        await store(peer)
        peer.answer(context_id, command)

    async with fetching(get) as association:
        _, fetched = await association.fetch(1, GET, b"keys", Wanted(CT, UID, keep=100, most=1 << 20))
    assert fetched is not None
    assert (fetched.data, fetched.digest) == (None, hashlib.sha256(DATA).digest())


async def test_what_is_larger_than_is_borne_ends_the_association() -> None:
    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        await store(peer, bytes(200_000))

    async with fetching(get) as association:
        with pytest.raises(ProtocolViolation, match="larger than what was asked for"):
            await association.fetch(1, GET, b"keys", Wanted(CT, UID, keep=100, most=100_000))


async def test_strangers_are_turned_down_and_too_many_end_it() -> None:
    answered: list[int | None] = []

    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        answered.append(await store(peer, uid="1.2.9"))
        answered.append(await store(peer, context_id=5))
        peer.answer(context_id, command)

    async with fetching(get) as association:
        _, fetched = await association.fetch(1, GET, b"keys", WANTED)
    assert fetched is None
    assert answered == [NOT_ASKED_FOR, NOT_ASKED_FOR]

    async def many(peer: WireCentre, context_id: int, command: Command) -> None:
        for _ in range(20):
            await store(peer, uid="1.2.9")

    async with fetching(many) as association:
        with pytest.raises(ProtocolViolation, match="not asked for"):
            await association.fetch(1, GET, b"keys", WANTED)


async def test_the_same_object_twice_is_no_answer() -> None:
    answered: list[int | None] = []

    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        answered.append(await store(peer))
        answered.append(await store(peer))
        peer.answer(context_id, command)

    async with fetching(get) as association:
        _, fetched = await association.fetch(1, GET, b"keys", WANTED)
    assert fetched is None
    assert answered == [0x0000, TAKEN_ALREADY]


async def test_a_refusal_is_an_answer() -> None:
    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        peer.answer(context_id, command, 0xA900)

    async with fetching(get) as association:
        answer, fetched = await association.fetch(1, GET, b"keys", WANTED)
    assert (answer.command.status, fetched) == (0xA900, None)


async def test_the_clock_runs_anew_while_something_comes() -> None:
    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        peer.send(3, messages.c_store_rq(9, CT, UID))
        for start in range(0, len(DATA), 1024):
            last = start + 1024 >= len(DATA)
            peer.layer.send_pdv(3, False, last, DATA[start : start + 1024])
            peer.flush()
            await peer.writer.drain()
            await asyncio.sleep(0.1)  # 1 s in all: longer than it may be silent
        await peer.message()
        peer.answer(context_id, command)

    async with fetching(get, response=0.5) as association:
        _, fetched = await association.fetch(1, GET, b"keys", WANTED)
    assert fetched is not None
    assert fetched.data == DATA


async def test_silence_ends_it() -> None:
    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        peer.send(3, messages.c_store_rq(9, CT, UID))
        peer.layer.send_pdv(3, False, False, DATA[:100])
        peer.flush()
        await peer.finish()

    async with fetching(get, response=0.2) as association:
        with pytest.raises(ResponseTimeout, match="nothing came"):
            await association.fetch(1, GET, b"keys", WANTED)


async def test_an_end_in_the_middle_is_no_object() -> None:
    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        peer.send(3, messages.c_store_rq(9, CT, UID))
        peer.layer.send_pdv(3, False, False, DATA[:100])
        peer.flush()
        await peer.writer.drain()
        peer.writer.transport.abort()

    async with fetching(get) as association:
        with pytest.raises((AssociationLost, AssociationAborted)):
            await association.fetch(1, GET, b"keys", WANTED)


async def test_an_object_that_nobody_asked_for_is_turned_down() -> None:
    """Before a C-GET and after it the peer stores nothing to us."""
    answered: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        peer.answer(context_id, command)
        answered.set_result(await store(peer))

    async with fetching(get) as association:
        _, fetched = await association.fetch(1, GET, b"keys", WANTED)
        assert await asyncio.wait_for(answered, 5) == 0x0211
    assert fetched is None


async def test_one_object_at_a_time() -> None:
    async def get(peer: WireCentre, context_id: int, command: Command) -> None:
        await peer.finish()

    async with fetching(get) as association:
        first = asyncio.create_task(association.fetch(1, GET, b"keys", WANTED))
        await asyncio.sleep(0)
        with pytest.raises(LocalError, match="one object"):
            await association.fetch(1, GET, b"keys", WANTED)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
