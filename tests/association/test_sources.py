"""Data sources: everything, in order, in bounded pieces, with blocking reads off the event loop."""

from __future__ import annotations

import threading
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.association.sources import BytesSource, DataSource, ReaderSource, file_source

DATA = bytes(range(256)) * 40


class Tape:
    """A reader that remembers who used it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.threads: set[int] = set()
        self.closed = threading.Event()

    def read(self, size: int, /) -> bytes:
        self.threads.add(threading.get_ident())
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def close(self) -> None:
        self.closed.set()


def sources(tmp_path: Path) -> list[DataSource]:
    path = tmp_path / "object"
    path.write_bytes(b"header" + DATA)
    tape = Tape(DATA)
    return [BytesSource(DATA), file_source(path, 6), ReaderSource(len(DATA), lambda: tape)]


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("max_size", [1000, 10_240, 10**6])
async def test_all_of_it_arrives_in_order_and_in_bounded_pieces(
    tmp_path: Path, kind: int, max_size: int
) -> None:
    source = sources(tmp_path)[kind]
    assert source.size == len(DATA)
    pieces = [bytes(piece) async for piece in source.chunks(max_size)]
    assert b"".join(pieces) == DATA
    assert max(map(len, pieces)) <= max_size


async def test_reads_happen_in_another_thread_and_the_reader_is_closed() -> None:
    tape = Tape(DATA)
    async for _ in ReaderSource(len(DATA), lambda: tape).chunks(1000):
        pass
    assert tape.threads
    assert threading.get_ident() not in tape.threads
    assert tape.closed.is_set()


async def test_a_source_that_is_not_read_to_its_end_is_closed_too() -> None:
    tape = Tape(DATA)
    async with aclosing(ReaderSource(len(DATA), lambda: tape).chunks(1000)) as chunks:
        await anext(chunks)
    assert tape.closed.is_set()


async def test_a_reader_that_ends_early_gives_what_there_is() -> None:
    tape = Tape(b"short")
    pieces = [piece async for piece in ReaderSource(100, lambda: tape).chunks(64)]
    assert b"".join(pieces) == b"short"
    assert tape.closed.is_set()


async def test_a_reader_that_fails_is_closed_and_the_error_comes_through() -> None:
    class Broken(Tape):
        def read(self, size: int, /) -> bytes:
            raise OSError("bad sector")

    tape = Broken(b"")
    with pytest.raises(OSError, match="bad sector"):
        [piece async for piece in ReaderSource(100, lambda: tape).chunks(64)]
    assert tape.closed.is_set()
