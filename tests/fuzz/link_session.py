"""The other end of a link says anything: the session goes on, or ends once, with a reason, and holds little.

Frames refer to a few numbers, so that they often meet something that exists. Meanwhile the owner does what it
may, and answers some of what it is told.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from gateway.link.decoding import decode
from gateway.link.encoding import encode
from gateway.link.events import BlockArrived, BlockWanted, Ended, Event, Offered, Reported, StreamData
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
    ReceiptFrame,
    ReportFrame,
    Reset,
    Seen,
    StreamPiece,
    Withdraw,
)
from gateway.link.hello import Role
from gateway.link.limits import LinkLimits
from gateway.link.session import Session
from gateway.link.values import BLOCK, Encoded, HubReceipt, Report, Stage, Urgency
from gateway.model import Priority
from tests.fuzz.runner import run
from tests.support.link_pair import make_offer, small
from tests.support.link_sessions import meet
from tests.support.link_wire import frames, reports

_number = st.sampled_from([0, 1, 1, 1, 2, 2, 3, 4, 5, 2**32 - 1])
_turn = st.sampled_from([0, 0, 1, 2, 255])
_priority = st.sampled_from([Priority.BULK, Priority.BULK, Priority.RECORD])
_payload = st.sampled_from([b"x", b"ab", b"abc", bytes(16_384)]).map(memoryview)
_offset = st.sampled_from([0, 0, 5, BLOCK, 2 * BLOCK])
_head = st.builds(
    BlockHead,
    _offset,
    st.sampled_from([0, 3, 5, BLOCK]),
    st.sampled_from([0, 1, 3, 16_384, BLOCK]),
    st.just(0),
)
_size = st.sampled_from([0, 3, BLOCK, BLOCK + 5, 3 * BLOCK])


@st.composite
def _offer(draw: st.DrawFn) -> OfferFrame:
    offer = make_offer(draw(_number), draw(_priority), b"", seen_before=draw(st.booleans()))
    return OfferFrame(
        draw(_number), replace(offer, size=draw(_size)), draw(st.booleans()), draw(st.booleans())
    )


_likely: st.SearchStrategy[Frame] = st.one_of(
    _offer(),
    st.builds(Data, _priority, _number, _turn, st.booleans(), st.none() | _head, st.booleans(), _payload),
    st.builds(Accept, _number, _turn, _offset, st.booleans()),
    st.builds(Withdraw, _number),
    st.builds(ReceiptFrame, _number, st.just(HubReceipt(1.0))),
    st.builds(Open, _number),
    st.builds(StreamPiece, _number, st.booleans(), _payload),
    st.builds(Reset, _number, st.just("why")),
    st.builds(Credit, st.just(Urgency.RELAY), _number, st.sampled_from([0, 10, 2**64 - 1])),
    st.builds(Credit, st.sampled_from([Urgency.RECORD, Urgency.BULK]), st.just(0), st.just(2**64 - 1)),
    st.builds(Ping, _number),
    st.builds(Pong, _number),
    st.builds(Seen, _number),
    st.builds(ReportFrame, reports),
)
_rare = frames | st.builds(Goodbye, st.sampled_from(Code), st.just(1), st.just("words"))

STRATEGIES = {
    "role": st.sampled_from(Role),
    "said": st.lists(st.one_of(*[_likely] * 12, _rare), max_size=40),
    "acts": st.lists(st.integers(0, 8), max_size=40),
    "answers": st.booleans(),
}


def _act(session: Session, what: int, now: float) -> None:
    if session.role is Role.SITE:
        if what == 0:
            session.offer(make_offer(1, Priority.BULK, bytes(3 * BLOCK)))
        elif what == 1:
            session.offer(make_offer(2, Priority.RECORD, b"dose"))
        elif what == 2:
            session.withdraw(1)
    elif what == 0:
        session.receipt(1, HubReceipt(1.0), now)
    elif what == 1:
        session.again(2, now)
    elif what == 2 and session.report_room:
        session.report(Report(int(now * 10), b"s" * 16, 1, bytes(32), Stage.STORED, 0, "", 1.0))
    if what == 3:
        session.open_stream(now)
    elif what in (4, 5):
        session.write(what - 3, bytes(20_000))
    elif what == 6:
        session.finish(1)
    elif what == 7:
        session.reset(2, "enough")
    elif what == 8:
        session.tick(now)


def _answer(session: Session, event: Event, now: float) -> None:
    match event:
        case BlockWanted() if session.wants(event):
            session.feed(event, Encoded(0, bytes(event.length)))
        case BlockArrived():
            session.consumed(event, now)
        case Offered(transfer, offer, _):
            session.accept(transfer, BLOCK if offer.size > BLOCK else 0, now)
        case StreamData(stream, data):
            session.read(stream, len(data), now)
        case Reported(report):
            session.taken(report.seq)


def check(role: Role, said: list[Frame], acts: list[int], answers: bool) -> None:
    """A session of the link and an other end that says anything."""
    limits = small(LinkLimits(bulk_window=262_144, record_window=262_144, stream_window=65_536))
    near, far = meet(limits, limits)
    session = near if role is Role.SITE else far
    told: list[Event] = []
    now = 1.0
    for place, frame in enumerate(said):
        now += 0.1
        if place < len(acts) and session.ended is None:
            _act(session, acts[place], now)
        session.received(encode(frame), now)
        for event in session.events():
            told.append(event)
            if answers and session.ended is None:
                _answer(session, event, now)
        for _ in range(2):
            parts = session.next_frame(now)
            if parts is not None:
                decode(b"".join(parts))
        assert session.held <= 3 * limits.max_window
        assert len(session._streams) <= 2 * limits.max_streams
        assert len(session._in) <= limits.max_transfers
    told += session.events()
    ends = [event for event in told if isinstance(event, Ended)]
    assert len(ends) == (session.ended is not None)
    if session.ended is not None:
        assert told[-1] is session.ended
        assert session.ended.words or not session.ended.ours
        while session.next_frame(now) is not None:
            pass
        assert session.next_frame(now + 100.0) is None


if __name__ == "__main__":
    run(check, STRATEGIES)
