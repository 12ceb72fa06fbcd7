"""What a session costs: processor time for each byte, and memory that does not grow with the object."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace

from gateway.link.events import BlockArrived, BlockWanted, Event, Offered, Receipted
from gateway.link.session import Session
from gateway.link.values import BLOCK, Encoded, HubReceipt
from gateway.model import Priority
from tests.support.link_pair import make_offer
from tests.support.link_sessions import meet


def carry(blocks: int, source: memoryview) -> int:
    """Bring one object of so many blocks from a site to a hub; return the bytes that arrived."""
    near, far = meet()
    arrived = 0
    done = False
    near.offer(replace(make_offer(1, Priority.BULK, b""), size=blocks * BLOCK))

    def take(session: Session, event: Event) -> None:
        nonlocal arrived, done
        if isinstance(event, BlockWanted):
            near.feed(event, Encoded(0, source[: event.length]))
        elif isinstance(event, Offered):
            far.accept(event.transfer, 0, 0.0)
        elif isinstance(event, BlockArrived):
            arrived += len(event.payload)
            far.consumed(event, 0.0)
            if arrived == blocks * BLOCK:
                far.receipt(event.transfer, HubReceipt(1.0), 0.0)
        elif isinstance(event, Receipted):
            done = True

    while not done:
        moved = False
        for session, other in ((near, far), (far, near)):
            parts = session.next_frame(0.0)
            if parts is not None:
                other.received(b"".join(parts), 0.0)
                moved = True
        for session in (near, far):
            for event in session.events():
                take(session, event)
                moved = True
        assert moved
    return arrived


def test_both_ends_together_move_more_than_twenty_megabytes_a_second() -> None:
    source = memoryview(bytes(BLOCK))
    began = time.process_time()
    arrived = carry(256, source)
    took = time.process_time() - began
    assert arrived == 256 * BLOCK
    assert arrived / took > 20e6


def test_memory_does_not_grow_with_the_object() -> None:
    source = memoryview(bytes(BLOCK))
    peaks = []
    for blocks in (16, 128):
        tracemalloc.start()
        carry(blocks, source)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + BLOCK
    assert peaks[1] < 8 * BLOCK
