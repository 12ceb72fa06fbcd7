from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.dicom import status
from gateway.dicom.negotiation import MAX_CONTEXTS
from gateway.dicom.part10 import file_meta
from gateway.errors import LocalError
from gateway.model import AETitle, Instance, Peer
from gateway.notices import Notices
from gateway.operator.control import Busy, NotAnObject
from gateway.operator.http import BadRequest
from gateway.operator.sending import DirectSender, DirectSenders, SendLimits
from tests.support.ports import free_port
from tests.support.receiver import Receiver

RT_IMAGE = "1.2.840.10008.5.1.4.1.1.481.1"
RT_RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
IMPLICIT = "1.2.840.10008.1.2"


def part10(number: int, size: int, sop_class: str = RT_IMAGE) -> tuple[bytes, bytes]:
    """A file and its data set: one private element of `size` bytes, in Implicit VR Little Endian."""
    data = b"\x09\x00\x10\x00" + size.to_bytes(4, "little") + bytes([number]) * size
    return file_meta(Instance(sop_class, f"1.2.3.{number}", IMPLICIT)) + data, data


async def pieces(raw: bytes, size: int = 50_000) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


@pytest.fixture(scope="module")
def centre() -> Iterator[Receiver]:
    with Receiver(ae_title="ARIA") as receiver:
        yield receiver


@pytest.fixture
def peer(centre: Receiver) -> Peer:
    return Peer("oncology", AETitle("ARIA"), "127.0.0.1", centre.port)


def sender_to(peer: Peer, limits: SendLimits | None = None) -> DirectSender:
    return DirectSender(peer, calling_ae=AETitle("CLINIC07"), notices=Notices(), limits=limits)


@pytest.fixture
async def sender(peer: Peer) -> AsyncIterator[DirectSender]:
    sender = sender_to(peer)
    yield sender
    await sender.close()


async def test_the_data_set_arrives_byte_for_byte(sender: DirectSender, centre: Receiver) -> None:
    raw, data = part10(1, 300_000)
    report = await sender.send(len(raw), pieces(raw))
    assert (report.ok, report.status, report.sop_class) == (True, "0x0000", "RT Image Storage")
    assert report.size == len(data)
    assert centre.stored()[-1]["digest"] == hashlib.sha256(data).hexdigest()


async def test_files_of_one_kind_share_an_association(sender: DirectSender, centre: Receiver) -> None:
    before = len(centre.events("association"))
    for number in (2, 3):
        raw, _ = part10(number, 1000)
        assert (await sender.send(len(raw), pieces(raw))).ok
    assert len(centre.events("association")) == before + 1
    raw, _ = part10(4, 1000, RT_RECORD)
    assert (await sender.send(len(raw), pieces(raw))).ok
    raw, _ = part10(5, 1000)
    assert (await sender.send(len(raw), pieces(raw))).ok
    assert len(centre.events("association")) == before + 2  # the second one has contexts for both kinds


async def test_kinds_beyond_what_an_association_carries_make_room(sender: DirectSender) -> None:
    sender._seen = {(f"1.2.3.{number}", IMPLICIT): None for number in range(MAX_CONTEXTS)}
    raw, _ = part10(14, 10)
    assert (await sender.send(len(raw), pieces(raw))).ok
    assert len(sender._seen) == MAX_CONTEXTS


async def test_a_refusal_is_reported_in_words(sender: DirectSender, centre: Receiver) -> None:
    raw, _ = part10(6, 1000)
    centre.mood("status 0xA700")
    try:
        report = await sender.send(len(raw), pieces(raw))
    finally:
        centre.mood("accept")
    assert (report.ok, report.status) == (False, "0xA700")
    assert report.words.startswith(status.words(0xA700))


async def test_a_warning_is_a_success_with_words(sender: DirectSender, centre: Receiver) -> None:
    raw, _ = part10(7, 1000)
    centre.mood("warn 0xB000")
    try:
        report = await sender.send(len(raw), pieces(raw))
    finally:
        centre.mood("accept")
    assert (report.ok, report.status) == (True, "0xB000")


async def test_an_abort_is_reported_and_the_next_file_goes_on_a_new_association(
    sender: DirectSender, centre: Receiver
) -> None:
    raw, _ = part10(8, 1000)
    centre.mood("abort")
    try:
        report = await sender.send(len(raw), pieces(raw))
    finally:
        centre.mood("accept")
    assert (report.ok, report.status) == (False, None)
    assert report.words
    assert (await sender.send(len(raw), pieces(raw))).ok


async def test_a_peer_that_cannot_be_reached_is_reported(peer: Peer) -> None:
    sender = sender_to(dataclasses.replace(peer, port=free_port()))
    raw, _ = part10(9, 10)
    report = await sender.send(len(raw), pieces(raw))
    assert (report.ok, report.status) == (False, None)
    assert "refused" in report.words
    await sender.close()


@pytest.mark.parametrize("raw", [b"", b"x" * 1000, b"\0" * 128 + b"DICM", part10(1, 0)[0][:-8]])
async def test_what_is_no_object_is_refused_before_anything_is_dialled(peer: Peer, raw: bytes) -> None:
    sender = sender_to(dataclasses.replace(peer, port=1))
    with pytest.raises(NotAnObject):
        await sender.send(len(raw), pieces(raw))
    await sender.close()


async def test_a_file_that_ends_early_aborts_and_does_no_lasting_harm(
    sender: DirectSender, centre: Receiver
) -> None:
    raw, _ = part10(10, 200_000)
    before = len(centre.stored())
    with pytest.raises(LocalError, match="fewer bytes"):
        await sender.send(len(raw), pieces(raw[:-1]))
    assert len(centre.stored()) == before
    assert (await sender.send(len(raw), pieces(raw))).ok


async def test_the_association_is_let_go_when_nothing_comes(peer: Peer, centre: Receiver) -> None:
    sender = sender_to(peer, SendLimits(idle=0.0))
    raw, _ = part10(11, 10)
    before = len(centre.events("association"))
    assert (await sender.send(len(raw), pieces(raw))).ok
    assert sender._idle is not None
    await sender._idle
    assert (await sender.send(len(raw), pieces(raw))).ok
    assert len(centre.events("association")) == before + 2
    await sender.close()


async def test_waiting_senders_and_peers_are_bounded(peer: Peer) -> None:
    limits = SendLimits(max_peers=1, max_waiting=1)
    senders = DirectSenders(lambda of: sender_to(of, limits), limits)
    raw, _ = part10(12, 100_000)
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield raw[:70_000]
        begun.set()
        await go.wait()
        yield raw[70_000:]

    first = asyncio.create_task(senders.send(peer, len(raw), slow()))
    await begun.wait()
    with pytest.raises(Busy, match="waiting"):
        await senders.send(peer, len(raw), pieces(raw))
    with pytest.raises(Busy, match="peers"):
        await senders.send(dataclasses.replace(peer, name="other"), len(raw), pieces(raw))
    go.set()
    assert (await first).ok
    assert (await senders.send(dataclasses.replace(peer, name="other"), len(raw), pieces(raw))).ok
    await senders.close()


async def test_a_caller_that_goes_away_leaves_the_sender_usable(sender: DirectSender) -> None:
    raw, _ = part10(13, 200_000)

    async def broken() -> AsyncIterator[bytes]:
        yield raw[:100_000]
        raise BadRequest(408, "the body stopped arriving")

    with pytest.raises(BadRequest):
        await sender.send(len(raw), broken())
    assert (await sender.send(len(raw), pieces(raw))).ok
