"""Messages to frames. Pure.

`decode` takes one whole message and returns one frame, or raises FrameError with the reason in words.
Payloads are views of the message, never copies.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Final

from gateway.link.frames import (
    Accept,
    BlockHead,
    Buffer,
    Code,
    Credit,
    Data,
    Frame,
    FrameError,
    Goodbye,
    HelloFrame,
    OfferFrame,
    Open,
    Ping,
    Pong,
    Queue,
    ReceiptFrame,
    ReportFrame,
    Reset,
    Seen,
    StreamPiece,
    Unknown,
    Withdraw,
    printable,
)
from gateway.link.layout import (
    ACCEPT,
    ACCEPT_HEAD,
    ACCEPT_PLAIN,
    CREDIT,
    CREDIT_HEAD,
    DATA,
    DATA_CLASS,
    DATA_FIRST,
    DATA_HEAD,
    DATA_INLINE,
    DATA_LAST,
    FIRST_DATA_HEAD,
    GOODBYE,
    GOODBYE_HEAD,
    HELLO,
    NUMBER_HEAD,
    OFFER,
    OFFER_AT_ONCE,
    OFFER_HEAD,
    OFFER_INLINE,
    OFFER_SEEN_BEFORE,
    OPEN,
    OPTIONAL,
    PING,
    PONG,
    QUEUE,
    QUEUE_HEAD,
    RECEIPT,
    RECEIPT_ALREADY,
    RECEIPT_HAVE,
    RECEIPT_HEAD,
    REPORT,
    REPORT_HEAD,
    RESET,
    SEEN,
    SEEN_HEAD,
    STREAM,
    STREAM_FIN,
    WITHDRAW,
)
from gateway.link.limits import (
    MAX_ENCODED,
    MAX_FRAME,
    MAX_WORDS,
)
from gateway.link.values import (
    BLOCK,
    INLINE,
    HubReceipt,
    HubRefusal,
    Offer,
    RefusalKind,
    Report,
    Stage,
    Urgency,
)
from gateway.model import AETitle, Instance, Priority, valid_uid


def decode(message: Buffer) -> Frame:
    """Return the frame in `message`. Raises FrameError."""
    view = memoryview(message)
    if len(view) < 2:
        raise FrameError("a message of less than two bytes is no frame")
    if len(view) > MAX_FRAME:
        raise FrameError(f"a frame of {len(view)} bytes; {MAX_FRAME} is the most")
    kind = view[0]
    reader = _READERS.get(kind)
    if reader is None:
        if kind >= OPTIONAL:
            return Unknown(kind)
        raise FrameError(f"unknown frame type 0x{kind:02x}")
    try:
        return reader(view)
    except struct.error:
        raise FrameError(f"a frame of type 0x{kind:02x} is too short ({len(view)} bytes)") from None


def _data(view: memoryview) -> Data:
    flags = view[1]
    if flags & ~0x1F or (priority := flags & DATA_CLASS) > Priority.BULK:
        raise FrameError(f"impossible flags 0x{flags:02x} of data")
    last = bool(flags & DATA_LAST)
    inline = bool(flags & DATA_INLINE)
    if not flags & DATA_FIRST:
        _, _, transfer, turn = DATA_HEAD.unpack_from(view)
        payload = view[DATA_HEAD.size :]
        if not payload:
            raise FrameError("a piece of a block without bytes")
        return Data(Priority(priority), transfer, turn, inline, None, last, payload)
    _, _, transfer, turn, offset, length, encoded, codec = FIRST_DATA_HEAD.unpack_from(view)
    payload = view[FIRST_DATA_HEAD.size :]
    if length > (INLINE if inline else BLOCK) or encoded > MAX_ENCODED:
        raise FrameError(f"a block of {length} bytes, {encoded} encoded, is too long")
    if (length == 0) != (encoded == 0) or (not payload and encoded) or (inline and (offset or turn)):
        raise FrameError("a block that cannot be")
    if len(payload) > encoded or (len(payload) == encoded) is not last:
        raise FrameError("a block's first piece and its length do not fit together")
    head = BlockHead(offset, length, encoded, codec)
    return Data(Priority(priority), transfer, turn, inline, head, last, payload)


def _stream(view: memoryview) -> StreamPiece:
    _, flags, stream = NUMBER_HEAD.unpack_from(view)
    payload = view[NUMBER_HEAD.size :]
    if flags & ~STREAM_FIN or not (payload or flags):
        raise FrameError("stream bytes that say nothing")
    return StreamPiece(stream, bool(flags), payload)


def _hello(view: memoryview) -> HelloFrame:
    _no_flags(view)
    return HelloFrame(view[2:])


def _goodbye(view: memoryview) -> Goodbye:
    _no_flags(view)
    _, _, code, retry_after = GOODBYE_HEAD.unpack_from(view)
    return Goodbye(Code(code), retry_after, _last_words(view, GOODBYE_HEAD.size))


def _numbered(make: Callable[[int], Frame]) -> Callable[[memoryview], Frame]:
    def read(view: memoryview) -> Frame:
        _no_flags(view)
        _end(view, NUMBER_HEAD.size)
        return make(NUMBER_HEAD.unpack_from(view)[2])

    return read


def _credit(view: memoryview) -> Credit:
    _no_flags(view)
    _, _, scope, stream, limit = CREDIT_HEAD.unpack_from(view)
    _end(view, CREDIT_HEAD.size)
    if not Urgency.RELAY <= scope <= Urgency.BULK or (stream != 0) != (scope == Urgency.RELAY):
        raise FrameError("credit for something that takes none")
    return Credit(Urgency(scope), stream, limit)


def _offer(view: memoryview) -> OfferFrame:
    _, flags, transfer, delivery, priority, size, digest, received_at = OFFER_HEAD.unpack_from(view)
    if flags & ~7 or priority > Priority.BULK or not math.isfinite(received_at):
        raise FrameError("an offer that cannot be")
    inline, at_once = bool(flags & OFFER_INLINE), bool(flags & OFFER_AT_ONCE)
    if (inline and (at_once or size > INLINE)) or (at_once and flags & OFFER_SEEN_BEFORE):
        raise FrameError("an offer that contradicts itself")
    position = OFFER_HEAD.size
    texts = []
    for longest in (16, 16, 64, 64, 64):
        raw, position = _text(view, position, longest)
        texts.append(raw)
    _end(view, position)
    try:
        calling, called = AETitle.parse(texts[0]), AETitle.parse(texts[1])
        uids = [raw.decode("ascii") for raw in texts[2:]]
    except ValueError:
        raise FrameError("an offer with an AE title or a UID that is none") from None
    if not all(valid_uid(uid) for uid in uids):
        raise FrameError("an offer with a UID that is none")
    seen = bool(flags & OFFER_SEEN_BEFORE)
    offer = Offer(
        delivery, Priority(priority), size, digest, Instance(*uids), calling, called, received_at, seen
    )
    return OfferFrame(transfer, offer, inline, at_once)


def _accept(view: memoryview) -> Accept:
    _, flags, transfer, turn, offset = ACCEPT_HEAD.unpack_from(view)
    _end(view, ACCEPT_HEAD.size)
    if flags & ~ACCEPT_PLAIN or not turn:
        raise FrameError("an acceptance that cannot be")
    return Accept(transfer, turn, offset, bool(flags))


def _receipt(view: memoryview) -> ReceiptFrame:
    _no_flags(view)
    _, _, transfer, kind, status, at = RECEIPT_HEAD.unpack_from(view)
    words = _last_words(view, RECEIPT_HEAD.size)
    if not math.isfinite(at):
        raise FrameError("a receipt without a time")
    if kind in (RECEIPT_HAVE, RECEIPT_ALREADY):
        if status or words:
            raise FrameError("a receipt with reasons")
        return ReceiptFrame(transfer, HubReceipt(at, kind == RECEIPT_ALREADY))
    try:
        return ReceiptFrame(transfer, HubRefusal(RefusalKind(kind), status, words))
    except ValueError:
        raise FrameError(f"unknown kind {kind} of a receipt") from None


def _report(view: memoryview) -> ReportFrame:
    _no_flags(view)
    _, _, seq, spool, delivery, digest, stage, status, at = REPORT_HEAD.unpack_from(view)
    words = _last_words(view, REPORT_HEAD.size)
    try:
        known = Stage(stage)
    except ValueError:
        raise FrameError(f"unknown stage {stage} of a report") from None
    if not seq or not math.isfinite(at):
        raise FrameError("a report that cannot be")
    return ReportFrame(Report(seq, spool, delivery, digest, known, status, words, at))


def _seen(view: memoryview) -> Seen:
    _no_flags(view)
    _end(view, SEEN_HEAD.size)
    return Seen(SEEN_HEAD.unpack_from(view)[2])


def _queue(view: memoryview) -> Queue:
    _no_flags(view)
    _end(view, QUEUE_HEAD.size)
    return Queue(*QUEUE_HEAD.unpack_from(view)[2:])


def _reset(view: memoryview) -> Reset:
    _no_flags(view)
    return Reset(NUMBER_HEAD.unpack_from(view)[2], _last_words(view, NUMBER_HEAD.size))


def _no_flags(view: memoryview) -> None:
    if view[1]:
        raise FrameError(f"flags 0x{view[1]:02x} of a frame of type 0x{view[0]:02x}, which has none")


def _end(view: memoryview, position: int) -> None:
    if len(view) > position:
        raise FrameError(f"{len(view) - position} bytes too many in a frame of type 0x{view[0]:02x}")


def _text(view: memoryview, position: int, longest: int) -> tuple[bytes, int]:
    """Return a text with its length before it, and where it ends."""
    end = position + 1 + view[position] if position < len(view) else len(view) + 1
    if end > len(view):
        raise FrameError(f"a frame of type 0x{view[0]:02x} ends within a text")
    if end - position - 1 > longest:
        raise FrameError(f"a text of {end - position - 1} bytes where {longest} is the most")
    return bytes(view[position + 1 : end]), end


def _last_words(view: memoryview, position: int) -> str:
    raw, end = _text(view, position, MAX_WORDS)
    _end(view, end)
    return printable(raw.decode("utf-8", "replace"))


_READERS: Final[dict[int, Callable[[memoryview], Frame]]] = {
    HELLO: _hello,
    GOODBYE: _goodbye,
    PING: _numbered(Ping),
    PONG: _numbered(Pong),
    CREDIT: _credit,
    OFFER: _offer,
    ACCEPT: _accept,
    DATA: _data,
    RECEIPT: _receipt,
    WITHDRAW: _numbered(Withdraw),
    REPORT: _report,
    SEEN: _seen,
    QUEUE: _queue,
    OPEN: _numbered(Open),
    STREAM: _stream,
    RESET: _reset,
}
