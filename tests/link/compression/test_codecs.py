"""Blocks by themselves: back to the bytes, and nothing that a sender says makes a receiver allocate more."""

from __future__ import annotations

import os
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.compression import codecs
from gateway.link.values import BLOCK, Undecodable


@given(st.binary(min_size=1, max_size=3000), st.sampled_from([1, 3, 9]))
def test_a_block_comes_back(data: bytes, level: int) -> None:
    assert codecs.unpack(codecs.pack(data, level), len(data)) == data


@given(st.binary(min_size=1, max_size=3000), st.binary(max_size=3000), st.data())
def test_an_object_after_another_comes_back(data: bytes, earlier: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(earlier)))
    data = earlier[:cut] + data
    frame = codecs.pack_after(data, earlier)
    assert codecs.unpack_after(frame, earlier, len(data)) == data


def test_an_object_after_one_like_it_is_small() -> None:
    earlier = os.urandom(20_000)
    changed = earlier[:10_000] + b"another fraction" + earlier[10_016:]
    frame = codecs.pack_after(changed, earlier)
    assert len(frame) < 200
    # Built on another object it gives other bytes, as many: the digest of the whole is what tells.
    assert codecs.unpack_after(frame, os.urandom(20_000), len(changed)) != changed


@pytest.mark.parametrize("stated", [True, False], ids=["states its size", "does not"])
def test_a_bomb_is_refused_before_it_goes_off(stated: bool) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, write_content_size=stated)
    bomb = zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(Undecodable):
            codecs.unpack(bomb, BLOCK)
        assert tracemalloc.get_traced_memory()[1] < 2 * BLOCK
    finally:
        tracemalloc.stop()


def test_what_is_cut_extended_or_of_another_length_is_undecodable() -> None:
    data = b"treatment " * 500
    frame = codecs.pack(data, 3)
    for bent, length in (
        (frame[:-1], len(data)),
        (frame + b"\0", len(data)),
        (frame + frame, len(data)),
        (frame, len(data) + 1),
        (frame, len(data) - 1),
        (b"", 10),
    ):
        with pytest.raises(Undecodable):
            codecs.unpack(bent, length)


@pytest.mark.parametrize("length", [0, -1, BLOCK + 1, 1 << 40])
def test_no_block_has_such_a_length(length: int) -> None:
    with pytest.raises(Undecodable):
        codecs.check_length(length)


def test_what_is_not_worth_a_try() -> None:
    assert codecs.incompressible(os.urandom(20_000))
    assert not codecs.incompressible(b"\0" * 100 + b"TEST^Synthetic" * 1000)
