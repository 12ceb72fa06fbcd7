"""Frames to messages. Pure.

Data on its way out is not built as a frame: `data_header` and `stream_header` return what stands before a
payload, which stays where it is.
"""

from __future__ import annotations

from gateway.link.frames import (
    Accept,
    BlockHead,
    Credit,
    Data,
    Frame,
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
from gateway.link.values import (
    HubReceipt,
    HubRefusal,
)
from gateway.model import Priority


def encode(frame: Frame) -> bytes:
    """Return the message for `frame`. Words are made printable and cut to MAX_WORDS."""
    match frame:
        case Ping(token):
            return NUMBER_HEAD.pack(PING, 0, token)
        case Pong(token):
            return NUMBER_HEAD.pack(PONG, 0, token)
        case Credit(scope, stream, limit):
            return CREDIT_HEAD.pack(CREDIT, 0, scope, stream, limit)
        case OfferFrame():
            return _encode_offer(frame)
        case Accept(transfer, turn, offset, plain):
            return ACCEPT_HEAD.pack(ACCEPT, ACCEPT_PLAIN if plain else 0, transfer, turn, offset)
        case Data(priority, transfer, turn, inline, head, last, payload):
            return data_header(priority, transfer, turn, inline, head, last) + bytes(payload)
        case ReceiptFrame(transfer, answer):
            return _encode_receipt(transfer, answer)
        case Withdraw(transfer):
            return NUMBER_HEAD.pack(WITHDRAW, 0, transfer)
        case ReportFrame(one):
            numbers = (one.seq, one.spool, one.delivery, one.digest, one.stage, one.status, one.at)
            return REPORT_HEAD.pack(REPORT, 0, *numbers) + _words(one.words)
        case Seen(seq):
            return SEEN_HEAD.pack(SEEN, 0, seq)
        case Queue(objects, size, oldest):
            return QUEUE_HEAD.pack(QUEUE, 0, objects, size, oldest)
        case Open(stream):
            return NUMBER_HEAD.pack(OPEN, 0, stream)
        case StreamPiece(stream, fin, payload):
            return stream_header(stream, fin) + bytes(payload)
        case Reset(stream, words):
            return NUMBER_HEAD.pack(RESET, 0, stream) + _words(words)
        case Goodbye(code, retry_after, words):
            return GOODBYE_HEAD.pack(GOODBYE, 0, code, retry_after) + _words(words)
        case HelloFrame(body):
            return bytes((HELLO, 0)) + bytes(body)
        case Unknown(kind):
            return bytes((kind, 0))


def data_header(
    priority: Priority, transfer: int, turn: int, inline: bool, head: BlockHead | None, last: bool
) -> bytes:
    """What stands before a piece of a block on the line."""
    flags = priority | (DATA_LAST if last else 0) | (DATA_INLINE if inline else 0)
    if head is None:
        return DATA_HEAD.pack(DATA, flags, transfer, turn)
    first = (head.offset, head.length, head.encoded, head.codec)
    return FIRST_DATA_HEAD.pack(DATA, flags | DATA_FIRST, transfer, turn, *first)


def stream_header(stream: int, fin: bool) -> bytes:
    """What stands before bytes of a stream on the line."""
    return NUMBER_HEAD.pack(STREAM, STREAM_FIN if fin else 0, stream)


def _words(words: str) -> bytes:
    raw = printable(words).encode()
    return bytes((len(raw),)) + raw


def _encode_offer(frame: OfferFrame) -> bytes:
    one = frame.offer
    flags = OFFER_INLINE if frame.inline else 0
    flags |= OFFER_SEEN_BEFORE if one.seen_before else 0
    flags |= OFFER_AT_ONCE if frame.at_once else 0
    numbers = (frame.transfer, one.delivery, one.priority, one.size, one.digest, one.received_at)
    parts = [OFFER_HEAD.pack(OFFER, flags, *numbers)]
    instance = one.instance
    for text in (
        one.calling_ae,
        one.called_ae,
        instance.sop_class_uid,
        instance.sop_instance_uid,
        instance.transfer_syntax_uid,
    ):
        raw = text.encode("ascii")
        parts.append(bytes((len(raw),)) + raw)
    return b"".join(parts)


def _encode_receipt(transfer: int, answer: HubReceipt | HubRefusal) -> bytes:
    if isinstance(answer, HubReceipt):
        kind = RECEIPT_ALREADY if answer.already else RECEIPT_HAVE
        return RECEIPT_HEAD.pack(RECEIPT, 0, transfer, kind, 0, answer.at) + b"\0"
    return RECEIPT_HEAD.pack(RECEIPT, 0, transfer, answer.kind, answer.status, 0.0) + _words(answer.words)
