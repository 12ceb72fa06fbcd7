"""The buffer: small at first, grown only by bytes that came, never beyond its ceiling, never torn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom.receive_buffer import ReceiveBuffer


def put(buffer: ReceiveBuffer, data: bytes, need: int = 6) -> int:
    room = buffer.writable(need)
    count = min(len(room), len(data))
    room[:count] = data[:count]
    buffer.wrote(count)
    return count


def test_it_starts_over_when_everything_is_consumed() -> None:
    buffer = ReceiveBuffer(16, 64)
    put(buffer, b"0123456789")
    buffer.start = 10
    before = buffer.data
    assert len(buffer.writable(6)) == 16
    assert buffer.data is before


def test_a_read_that_fills_it_doubles_it_up_to_the_ceiling() -> None:
    buffer = ReceiveBuffer(16, 50)
    sizes = []
    sent = 0
    data = bytes(range(50))
    while sent < 50:
        sent += put(buffer, data[sent:], need=50)
        sizes.append(buffer.capacity)
    assert sizes == [16, 32, 50]
    assert bytes(buffer.view[buffer.start : buffer.end]) == data


def test_a_declared_length_alone_takes_no_memory() -> None:
    buffer = ReceiveBuffer(16, 1 << 20)
    put(buffer, b"12345")
    buffer.writable(1 << 20)
    assert buffer.capacity == 16


def test_a_pdu_that_would_not_fit_is_moved_to_the_front_at_once() -> None:
    buffer = ReceiveBuffer(64, 64)
    put(buffer, bytes(range(50)))
    buffer.start = 40
    assert len(buffer.writable(24)) == 14  # it fits where it is
    assert len(buffer.writable(25)) == 54
    assert bytes(buffer.view[buffer.start : buffer.end]) == bytes(range(40, 50))


def test_more_than_the_ceiling_is_refused() -> None:
    buffer = ReceiveBuffer(16, 32)
    put(buffer, bytes(16), need=100)
    put(buffer, bytes(16), need=100)
    with pytest.raises(BufferError):
        buffer.writable(100)


def test_counting_more_than_was_offered_is_refused() -> None:
    buffer = ReceiveBuffer(16, 32)
    buffer.writable(6)
    with pytest.raises(ValueError, match="cannot have been written"):
        buffer.wrote(17)


def test_trim_gives_back_only_what_is_not_in_use() -> None:
    buffer = ReceiveBuffer(16, 64)
    put(buffer, bytes(16))
    put(buffer, bytes(16))
    assert buffer.capacity == 32
    buffer.trim()
    assert buffer.capacity == 32
    buffer.start = buffer.end
    buffer.trim()
    assert buffer.capacity == 16
    assert len(buffer.writable(6)) == 16


def test_old_views_survive_growth() -> None:
    buffer = ReceiveBuffer(16, 64)
    put(buffer, bytes(range(16)))
    view = buffer.view[0:4]
    put(buffer, bytes(16))
    assert bytes(view) == bytes(range(4))


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), max_size=40))
def test_bytes_come_out_as_they_went_in(steps: list[tuple[int, int]]) -> None:
    buffer = ReceiveBuffer(8, 48)
    source = bytes(index % 251 for index in range(4000))
    written = consumed = 0
    for most, wanted in steps:
        if buffer.end - buffer.start < 48:
            written += put(buffer, source[written : written + most])
        take = min(wanted, buffer.end - buffer.start)
        assert bytes(buffer.view[buffer.start : buffer.start + take]) == source[consumed : consumed + take]
        buffer.start += take
        consumed += take
        assert buffer.capacity <= 48
