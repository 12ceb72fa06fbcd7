from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.delivery.source import CheckedSource, Damaged, InlineSource
from gateway.errors import SpoolFailure

BODY = bytes(range(256)) * 100


@pytest.fixture(name="executor")
def an_executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


async def read(source: CheckedSource | InlineSource, max_size: int = 1000) -> bytes:
    return b"".join([bytes(chunk) async for chunk in source.chunks(max_size)])


async def test_everything_in_order_and_closed(executor: ThreadPoolExecutor) -> None:
    reader = io.BytesIO(BODY)
    source = CheckedSource(len(BODY), hashlib.sha256(BODY).digest(), lambda: reader, executor)
    assert not source.sent.is_set()
    assert await read(source) == BODY
    assert source.sent.is_set()
    await asyncio.sleep(0)
    assert reader.closed


@pytest.mark.parametrize("position", [0, 12_345, len(BODY) - 1])
async def test_the_last_piece_of_damaged_bytes_is_never_given_out(
    executor: ThreadPoolExecutor, position: int
) -> None:
    flipped = bytearray(BODY)
    flipped[position] ^= 0x10
    digest = hashlib.sha256(BODY).digest()
    source = CheckedSource(len(BODY), digest, lambda: io.BytesIO(flipped), executor)
    given: list[int] = []

    async def send() -> None:
        given.extend([len(chunk) async for chunk in source.chunks(1000)])

    with pytest.raises(Damaged):
        await send()
    assert sum(given) < len(BODY)


async def test_fewer_bytes_than_announced_are_damage(executor: ThreadPoolExecutor) -> None:
    source = CheckedSource(
        len(BODY), hashlib.sha256(BODY).digest(), lambda: io.BytesIO(BODY[:5000]), executor
    )
    with pytest.raises(Damaged):
        await read(source)


async def test_a_disk_error_comes_through(executor: ThreadPoolExecutor) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise SpoolFailure("the disk cannot be read")

    broken = Broken()
    source = CheckedSource(10, b"", lambda: broken, executor)
    with pytest.raises(SpoolFailure):
        await read(source)
    await asyncio.sleep(0)
    assert broken.closed


async def test_given_up_half_way_it_is_closed_after_the_read_under_way(executor: ThreadPoolExecutor) -> None:
    entered, go = threading.Event(), threading.Event()
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            entered.set()
            go.wait(5)
            assert not self.closed
            return super().read(size)

        def close(self) -> None:
            super().close()
            loop.call_soon_threadsafe(closed.set)

    source = CheckedSource(len(BODY), hashlib.sha256(BODY).digest(), lambda: Slow(BODY), executor)
    task = asyncio.create_task(read(source))
    await asyncio.to_thread(entered.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not closed.is_set()
    go.set()
    async with asyncio.timeout(5):
        await closed.wait()


async def test_given_up_while_opening_it_is_closed(executor: ThreadPoolExecutor) -> None:
    go = threading.Event()
    entered = threading.Event()
    reader = io.BytesIO(BODY)

    def opener() -> io.BytesIO:
        entered.set()
        go.wait(5)
        return reader

    source = CheckedSource(len(BODY), b"", opener, executor)
    task = asyncio.create_task(read(source))
    await asyncio.to_thread(entered.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    async with asyncio.timeout(5):
        while not reader.closed:
            await asyncio.to_thread(lambda: None)


async def test_inline_bytes_are_checked_before_anything_is_sent() -> None:
    source = InlineSource(BODY, hashlib.sha256(BODY).digest())
    assert source.size == len(BODY)
    assert await read(source) == BODY
    assert source.sent.is_set()
    with pytest.raises(Damaged):
        InlineSource(BODY[:-1], hashlib.sha256(BODY).digest())
