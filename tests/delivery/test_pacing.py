"""The bytes of an object wait for the shaper, piece by piece; records and what holds one up do not."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator

import pytest

from gateway.delivery.pacing import Paced
from gateway.delivery.source import Damaged, InlineSource
from gateway.model import Priority
from gateway.shaping.schedule import Schedule
from gateway.shaping.shaper import HEADERS, PIECE, Shaper
from tests.support.loop_clock import run_fast

DATA = bytes(range(256)) * 1024  # 256 KiB


def source() -> InlineSource:
    return InlineSource(DATA, hashlib.sha256(DATA).digest())


def shaper(rate: int | None = None) -> Shaper:
    return Shaper(Schedule(rate), wall_clock=lambda: 0.0)


def paced(bucket: Shaper, priority: Priority = Priority.IMAGE, *, urgent: bool = False) -> Paced:
    clock = asyncio.get_running_loop().time
    return Paced(source(), bucket, priority, urgent=lambda: urgent, clock=clock)


async def timed(one: Paced) -> tuple[bytes, float, int]:
    """Return the bytes, the seconds it took, and the largest piece."""
    loop = asyncio.get_running_loop()
    began, parts = loop.time(), []
    async for part in one.chunks(256 * 1024):
        parts += [bytes(part)]
    return b"".join(parts), loop.time() - began, max(map(len, parts))


def test_without_a_cap_pieces_are_as_large_as_asked() -> None:
    async def scenario() -> None:
        data, seconds, largest = await timed(paced(shaper()))
        assert (data, largest) == (DATA, len(DATA))
        assert seconds == 0

    run_fast(scenario())


def test_under_a_cap_small_pieces_leave_at_its_rate() -> None:
    async def scenario() -> None:
        data, seconds, largest = await timed(paced(shaper(20_000)))
        assert data == DATA
        assert largest <= PIECE
        assert seconds == pytest.approx(len(DATA) * HEADERS / 20_000, rel=0.1)

    run_fast(scenario())


@pytest.mark.parametrize(
    ("priority", "urgent", "rate"),
    [
        (Priority.RECORD, False, 1_000),
        (Priority.BULK, True, 1_000),  # a record waits behind it
        (Priority.BULK, False, 0),  # it has begun: the peer would end an association that falls silent
    ],
)
def test_what_must_not_wait_does_not(priority: Priority, urgent: bool, rate: int) -> None:
    async def scenario() -> None:
        data, seconds, _ = await timed(paced(shaper(rate), priority, urgent=urgent))
        assert (data, seconds) == (DATA, 0)

    run_fast(scenario())


def test_a_record_that_comes_meanwhile_hurries_it_on() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        records: list[int] = []
        one = Paced(source(), shaper(1_000), Priority.IMAGE, urgent=lambda: bool(records), clock=loop.time)
        came = loop.time() + 30
        loop.call_at(came, records.append, 1)
        data, _, _ = await timed(one)
        assert data == DATA
        assert loop.time() - came <= 1  # at this rate it would have been minutes

    run_fast(scenario())


def test_damage_is_found_as_without_pacing_and_the_source_is_closed() -> None:
    class Broken(InlineSource):
        closed = False

        async def chunks(self, max_size: int) -> AsyncGenerator[memoryview, None]:
            try:
                yield memoryview(b"x")
                raise Damaged
            finally:
                self.closed = True

    async def scenario() -> None:
        broken = Broken(DATA, hashlib.sha256(DATA).digest())
        one = Paced(broken, shaper(10), Priority.IMAGE, urgent=lambda: False, clock=lambda: 0.0)
        with pytest.raises(Damaged):
            async for _ in one.chunks(100):
                pass
        assert broken.closed
        assert one.sent is broken.sent
        assert one.size == len(DATA)

    run_fast(scenario())
