"""Shared streams: in step they give the bytes back, out of step they say so, and they are bounded."""

from __future__ import annotations

import os
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.synthetic import Sizes, make_record
from gateway.link.compression.shared import SharedCompressor, SharedDecompressor
from gateway.link.values import INLINE, Undecodable

LOG = 20


@given(
    st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1, max_size=800), st.booleans()), max_size=30)
)
def test_whatever_was_sent_comes_back(objects: list[tuple[int, bytes, bool]]) -> None:
    near, far = SharedCompressor(LOG), SharedDecompressor(LOG)
    for stream, data, again in objects:
        if again:
            near.restart()
        assert far.decompress(near.compress(stream, data), len(data)) == data


@pytest.mark.parametrize("data", [bytes(INLINE), os.urandom(INLINE), b"x"], ids=["zeros", "noise", "one"])
def test_the_extremes(data: bytes) -> None:
    near, far = SharedCompressor(LOG), SharedDecompressor(LOG)
    for _ in range(40):  # several windows
        assert far.decompress(near.compress(0, data), len(data)) == data


def test_the_second_record_is_much_smaller_than_the_first() -> None:
    near = SharedCompressor(LOG)
    sizes = [len(near.compress(0, make_record(fraction=n, sizes=Sizes(segments=4)).data)) for n in (1, 2)]
    assert sizes[1] < 0.8 * sizes[0]


def test_streams_do_not_depend_on_each_other() -> None:
    near, far = SharedCompressor(LOG), SharedDecompressor(LOG)
    first = [near.compress(stream, b"first" * 9) for stream in range(3)]
    second = [near.compress(stream, b"second" * 9) for stream in range(3)]
    for stream in (2, 0, 1):
        assert far.decompress(first[stream], 45) == b"first" * 9
        assert far.decompress(second[stream], 54) == b"second" * 9


def test_a_missing_object_is_noticed_until_the_stream_begins_anew() -> None:
    near, far = SharedCompressor(LOG), SharedDecompressor(LOG)
    far.decompress(near.compress(0, b"one" * 20), 60)
    near.compress(0, b"lost" * 20)
    for _ in range(3):
        late = near.compress(0, b"late" * 20)
        with pytest.raises(Undecodable):
            far.decompress(late, 80)
    near.restart()
    assert far.decompress(near.compress(0, b"new" * 20), 60) == b"new" * 20


def test_a_repeated_object_is_noticed() -> None:
    near, far = SharedCompressor(LOG), SharedDecompressor(LOG)
    near.compress(0, b"one" * 20)
    near.restart()
    far.decompress(near.compress(0, b"one" * 20), 60)
    second = near.compress(0, b"two" * 20)
    far.decompress(second, 60)
    with pytest.raises(Undecodable):
        far.decompress(second, 60)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bomb = zstandard.ZstdCompressor(level=1).compressobj()
    chunk = bomb.compress(bytes(64 << 20)) + bomb.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    far = SharedDecompressor(23)
    tracemalloc.start()
    try:
        with pytest.raises(Undecodable):
            far.decompress(b"\x80\0\0" + chunk, INLINE)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_window_larger_than_agreed_is_refused() -> None:
    chunk = SharedCompressor(22).compress(0, b"large" * 100)
    assert SharedDecompressor(22).decompress(chunk, 500) == b"large" * 100
    with pytest.raises(Undecodable):
        SharedDecompressor(20).decompress(chunk, 500)


@pytest.mark.parametrize(
    "payload", [b"", b"\x80", b"\x80\0", b"\x00\0\0abc", b"\x83\0\0", b"\x80\0\1", b"\x80\0\0not zstd"]
)
def test_what_continues_nothing_is_undecodable(payload: bytes) -> None:
    with pytest.raises(Undecodable):
        SharedDecompressor(LOG).decompress(payload, 10)


def test_an_object_that_is_not_small_is_refused() -> None:
    payload = SharedCompressor(LOG).compress(0, bytes(INLINE + 1))
    with pytest.raises(Undecodable):
        SharedDecompressor(LOG).decompress(payload, INLINE + 1)


def test_a_length_that_is_wrong_either_way_is_undecodable() -> None:
    for wrong in (59, 61):
        with pytest.raises(Undecodable):
            SharedDecompressor(LOG).decompress(SharedCompressor(LOG).compress(0, b"one" * 20), wrong)


def test_a_stream_that_failed_is_not_continued() -> None:
    near, far = SharedCompressor(LOG), SharedDecompressor(LOG)
    far.decompress(near.compress(0, b"one" * 20), 60)
    second = near.compress(0, b"two" * 20)
    with pytest.raises(Undecodable):
        far.decompress(second, 61)
    with pytest.raises(Undecodable):
        far.decompress(second, 60)
