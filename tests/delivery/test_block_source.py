"""Stored bytes for a link, block by block, from anywhere, and never damaged ones to the end."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.delivery.block_source import FileBlocks, InlineBlocks
from gateway.delivery.source import Damaged
from gateway.link.values import BLOCK
from tests.support.spooling import content

DATA = content(1, 20 * BLOCK + 5)
LAST = 20 * BLOCK


class Reader:
    """A reader that counts, and can be made to wait."""

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.closed = 0
        self.reads: list[tuple[int, int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def pread(self, n: int, offset: int) -> bytes:
        self.gate.wait(10)
        assert not self.closed
        self.reads.append((offset, n))
        return self.data[offset : offset + n]

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as running:
        yield running


def source(reader: Reader, executor: ThreadPoolExecutor, digest: bytes | None = None) -> FileBlocks:
    return FileBlocks(len(DATA), digest or hashlib.sha256(DATA).digest(), lambda: reader, executor)


async def test_all_of_it_is_read_once(executor: ThreadPoolExecutor) -> None:
    reader = Reader()
    blocks = source(reader, executor)
    read = b"".join([await blocks.block(offset) for offset in range(0, len(DATA), BLOCK)])
    assert read == DATA
    assert sum(n for _, n in reader.reads) == len(DATA)
    await blocks.close()
    await blocks.close()
    assert reader.closed == 1


@pytest.mark.parametrize("offset", [BLOCK, 5 * BLOCK, LAST])
async def test_from_the_middle_on_the_beginning_is_read_before_the_last_block(
    executor: ThreadPoolExecutor, offset: int
) -> None:
    reader = Reader()
    blocks = source(reader, executor)
    for place in range(offset, LAST, BLOCK):
        await blocks.block(place)
    assert sum(n for _, n in reader.reads) == LAST - offset  # nothing more, until it is needed
    assert await blocks.block(LAST) == DATA[LAST:]
    await blocks.close()


async def test_from_the_beginning_again_and_back(executor: ThreadPoolExecutor) -> None:
    blocks = source(Reader(), executor)
    for offset in (0, BLOCK, 0, 7 * BLOCK, LAST, 2 * BLOCK, LAST):
        assert await blocks.block(offset) == DATA[offset : offset + BLOCK]
    await blocks.close()


@pytest.mark.parametrize("wrong", [0, 3 * BLOCK, len(DATA) - 1])
@pytest.mark.parametrize("offset", [0, 10 * BLOCK, LAST])
async def test_wherever_a_bit_is_lost_the_last_block_stays_here(
    executor: ThreadPoolExecutor, wrong: int, offset: int
) -> None:
    damaged = bytearray(DATA)
    damaged[wrong] ^= 1
    blocks = source(Reader(bytes(damaged)), executor)
    for place in range(offset, LAST, BLOCK):
        await blocks.block(place)
    with pytest.raises(Damaged):
        await blocks.block(LAST)
    await blocks.close()


@pytest.mark.parametrize("left", [0, BLOCK, LAST, len(DATA) - 1])
async def test_a_file_that_is_cut_short_is_damaged(executor: ThreadPoolExecutor, left: int) -> None:
    blocks = source(Reader(DATA[:left]), executor)

    async def read_all() -> None:
        for offset in range(0, len(DATA), BLOCK):
            await blocks.block(offset)

    with pytest.raises(Damaged):
        await read_all()
    await blocks.close()


async def test_given_up_in_the_middle_of_a_read_it_closes_after_it(executor: ThreadPoolExecutor) -> None:
    reader = Reader()
    blocks = source(reader, executor)
    await blocks.block(0)
    reader.gate.clear()
    reading = asyncio.create_task(blocks.block(BLOCK))
    await asyncio.sleep(0)
    reading.cancel()
    closing = asyncio.create_task(blocks.close())
    await asyncio.sleep(0)
    assert not reader.closed
    reader.gate.set()
    await closing
    assert reader.closed == 1
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_what_is_in_memory_is_checked_before_anything_leaves() -> None:
    small = DATA[:1000]
    blocks = InlineBlocks(small, hashlib.sha256(small).digest())
    assert await blocks.block(0) == small
    await blocks.close()
    with pytest.raises(Damaged):
        InlineBlocks(small, bytes(32))
