"""Every frame of the gateway link, as strategies."""

from __future__ import annotations

import dataclasses
import string

from hypothesis import strategies as st

from gateway.link.frames import (
    Accept,
    BlockHead,
    Code,
    Credit,
    Data,
    Frame,
    Goodbye,
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
    Withdraw,
)
from gateway.link.hello import BASE, MAX_KEEPALIVE, Capabilities, Hello, Role
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
from gateway.model import AETitle, Instance, Priority

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
u64 = st.integers(0, 2**64 - 1)
times = st.floats(allow_nan=False, allow_infinity=False)
digests = st.binary(min_size=32, max_size=32)
spools = st.binary(min_size=16, max_size=16)
words = st.text(max_size=60).filter(str.isprintable)
titles = st.text(string.ascii_uppercase + string.digits + "_", min_size=1, max_size=16).map(AETitle.parse)
uids = st.lists(st.integers(0, 10**9).map(str), min_size=1, max_size=6).map(".".join)
payloads = st.binary(min_size=1, max_size=300).map(memoryview)

offers = st.builds(
    Offer,
    u64,
    st.sampled_from(Priority),
    u64,
    digests,
    st.builds(Instance, uids, uids, uids),
    titles,
    titles,
    times,
)


@st.composite
def _offer_frames(draw: st.DrawFn) -> OfferFrame:

    offer = draw(offers)
    way = draw(st.sampled_from(["inline", "inline again", "at once", "waits", "waits again"]))
    size = draw(st.integers(0, INLINE)) if "inline" in way else offer.size
    offer = dataclasses.replace(offer, size=size, seen_before="again" in way)
    return OfferFrame(draw(u32), offer, "inline" in way, way == "at once")


@st.composite
def _data(draw: st.DrawFn) -> Data:
    priority, transfer, turn = draw(st.sampled_from(Priority)), draw(u32), draw(u8)
    payload = draw(payloads)
    last, inline = draw(st.booleans()), draw(st.booleans())
    if draw(st.booleans()):
        return Data(priority, transfer, turn, inline, None, last, payload)
    more = 0 if last else draw(st.integers(1, 1000))
    length = draw(st.integers(1, INLINE if inline else BLOCK))
    offset = 0 if inline else draw(u64)
    head = BlockHead(offset, length, len(payload) + more, draw(u8))
    return Data(priority, transfer, 0 if inline else turn, inline, head, last, payload)


receipts = st.builds(HubReceipt, times, st.booleans()) | st.builds(
    HubRefusal, st.sampled_from(RefusalKind), u16, words
)
reports = st.builds(
    Report, st.integers(1, 2**64 - 1), spools, u64, digests, st.sampled_from(Stage), u16, words, times
)

frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Goodbye, st.sampled_from(Code), u16, words),
    st.builds(Ping, u32),
    st.builds(Pong, u32),
    st.builds(Credit, st.just(Urgency.RELAY), st.integers(1, 2**32 - 1), u64),
    st.builds(Credit, st.sampled_from([Urgency.RECORD, Urgency.IMAGE, Urgency.BULK]), st.just(0), u64),
    _offer_frames(),
    st.builds(Accept, u32, st.integers(1, 255), u64, st.booleans()),
    _data(),
    st.builds(ReceiptFrame, u32, receipts),
    st.builds(Withdraw, u32),
    st.builds(ReportFrame, reports),
    st.builds(Seen, u64),
    st.builds(Queue, u32, u64, u32),
    st.builds(Open, u32),
    st.builds(StreamPiece, u32, st.booleans(), payloads),
    st.builds(Reset, u32, words),
)

_window = st.integers(BASE.bulk_window, 2**31 - 1)
capabilities = st.builds(
    Capabilities,
    st.integers(BASE.max_payload, 65536),
    _window,
    _window,
    _window,
    _window,
    st.integers(BASE.max_transfers, 0xFFFF),
    st.integers(BASE.max_streams, 0xFFFF),
    st.integers(BASE.max_reports, 0xFFFF),
    st.integers(1, MAX_KEEPALIVE),
    features=st.frozensets(st.sampled_from(["zstd", "refs", "pixels", "x-1"])),
    lowest=st.just(1),
    highest=st.integers(1, 255),
)
hellos = st.builds(
    Hello, st.sampled_from(Role), spools, u64, st.integers(1, 2**32 - 1), capabilities, words, st.just(1)
)
