"""The log beside a partial object."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from gateway.link.objects import log_file

HEAD = log_file.head(1000, 336)


def test_what_was_written_is_read() -> None:
    log = HEAD + log_file.entry(10, b"a" * 10) + log_file.entry(30, b"b" * 20)
    size, header, end = log_file.read_head(log) or (0, 0, 0)
    assert (size, header) == (1000, 336)
    assert list(log_file.entries(log, end)) == [(10, zlib.crc32(b"a" * 10)), (30, zlib.crc32(b"b" * 20))]


def test_an_entry_that_does_not_go_forward_ends_it() -> None:
    for second in (10, 9, 0):
        log = HEAD + log_file.entry(10, b"a") + log_file.entry(second, b"b") + log_file.entry(40, b"c")
        assert [end for end, _ in log_file.entries(log, len(HEAD))] == [10]


@given(st.integers(0, len(HEAD) - 1), st.integers(1, 255))
def test_a_head_with_a_wrong_byte_does_not_hold(place: int, change: int) -> None:
    wrong = bytearray(HEAD)
    wrong[place] ^= change
    assert log_file.read_head(bytes(wrong)) is None


@given(st.binary(max_size=300))
def test_whatever_it_is_fed_it_answers(data: bytes) -> None:
    log_file.read_head(data)
    list(log_file.entries(data, 0))
    assert log_file.read_head(HEAD[: len(data) % len(HEAD)]) is None
