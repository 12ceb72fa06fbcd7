"""Rings against a plain list, on the disk and off it, whole and damaged."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.trends.ring import HALF_HOURS, MINUTES, RECORD_SIZE, Ring, RingFile
from gateway.trends.sample import Sample

HEADER = 16

positive = st.floats(0, 1e6, width=32)
maybe = st.none() | positive
samples = st.builds(
    Sample,
    start=st.floats(-1e12, 1e12),
    seconds=positive,
    up=positive,
    degraded=positive,
    down=positive,
    rtt_min=maybe,
    rtt_median=maybe,
    rtt_max=maybe,
    goodput=maybe,
    sent=st.integers(0, 2**60),
    received=st.integers(0, 2**60),
    objects=st.integers(0, 2**32 - 1),
    segments=st.none() | st.integers(0, 2**32 - 1),
    retransmitted=st.integers(0, 2**32 - 1),
)


def plain(number: int) -> Sample:
    return Sample(
        start=float(number), seconds=60.0, up=60.0, degraded=0.0, down=0.0, rtt_min=None, rtt_median=0.5,
        rtt_max=None, goodput=None, sent=number, received=0, objects=0, segments=None, retransmitted=0,
    )  # fmt: skip


@given(st.lists(samples, max_size=30), st.integers(1, 8))
def test_holds_the_last_ones_as_they_were(given_samples: list[Sample], capacity: int) -> None:
    ring = Ring(capacity)
    for sample in given_samples:
        ring.append(sample)
    assert list(ring.newest_first()) == given_samples[::-1][:capacity]


@given(st.lists(samples, max_size=20), st.lists(samples, max_size=20), st.integers(1, 8))
def test_what_was_saved_in_pieces_is_there_after_a_restart(
    first: list[Sample], second: list[Sample], capacity: int
) -> None:
    disk = bytearray(capacity * RECORD_SIZE)
    ring = Ring(capacity)
    for part in (first, second):
        for sample in part:
            ring.append(sample)
        for offset, record in ring.unsaved():
            disk[offset : offset + len(record)] = record
        ring.saved = ring.next
        assert ring.unsaved() == []
    again = Ring(capacity, bytes(disk))
    assert list(again.newest_first()) == list(ring.newest_first())
    assert again.next == ring.next


@given(st.data())
@settings(max_examples=200)
def test_damage_costs_the_records_that_it_hit(data: st.DataObject) -> None:
    ring = Ring(6)
    for number in range(10):
        ring.append(plain(number))
    raw = bytearray(b"".join(record for _, record in sorted(ring.unsaved())))
    places = data.draw(st.sets(st.integers(0, len(raw) - 1), max_size=4))
    for place in places:
        raw[place] ^= data.draw(st.integers(1, 255))
    hit = {place // RECORD_SIZE for place in places}
    whole = [number for number in range(9, 3, -1) if number % 6 not in hit]
    assert [int(one.start) for one in Ring(6, bytes(raw)).newest_first()] == whole


@given(st.binary(max_size=4 * RECORD_SIZE))
def test_rubbish_is_nothing(raw: bytes) -> None:
    assert list(Ring(4, raw).newest_first()) == []


def test_a_record_in_the_wrong_place_is_nothing() -> None:
    ring = Ring(4)
    ring.append(plain(0))
    (record,) = (record for _, record in ring.unsaved())
    misplaced = Ring(4, bytes(RECORD_SIZE) + record)
    assert list(misplaced.newest_first()) == []
    assert misplaced.next == 0


def test_numbers_beyond_a_record_are_cut_and_not_an_error() -> None:
    ring = Ring(1)
    extreme = Sample(
        start=0.0, seconds=1.0, up=0.0, degraded=0.0, down=0.0, rtt_min=None, rtt_median=None, rtt_max=None,
        goodput=1e300, sent=0, received=0, objects=2**40, segments=2**40, retransmitted=2**40,
    )  # fmt: skip
    ring.append(extreme)
    (kept,) = ring.newest_first()
    assert kept.objects == kept.segments == kept.retransmitted == 2**32 - 1
    assert kept.goodput is not None
    assert math.isfinite(kept.goodput)


def test_the_file_is_as_its_document_says_and_only_what_is_new_is_written(tmp_path: Path) -> None:
    file = RingFile(tmp_path / "oncology.ring")
    minutes, half_hours = Ring(MINUTES), Ring(HALF_HOURS)
    minutes.append(plain(0))
    half_hours.append(plain(7))
    file.save(minutes.unsaved(), half_hours.unsaved())
    raw = (tmp_path / "oncology.ring").read_bytes()
    assert len(raw) == HEADER + (1440 + 1440) * 84
    assert raw[:HEADER] == b"DGTR\1\0\x54\0\xa0\5\0\0\xa0\5\0\0"
    assert (tmp_path / "oncology.ring").stat().st_mode & 0o777 == 0o600
    minutes.saved = minutes.next
    minutes.append(plain(1))
    ((offset, _),) = minutes.unsaved()
    assert offset == RECORD_SIZE
    file.save(minutes.unsaved(), [])
    loaded, loaded_half = file.load()
    assert [one.start for one in loaded.newest_first()] == [1.0, 0.0]
    assert [one.start for one in loaded_half.newest_first()] == [7.0]


@pytest.mark.parametrize("damage", [b"", b"DGTR", b"\0" * 300_000, b"DGTR\2\0" + b"\0" * 300_000])
def test_a_file_that_is_none_is_told_and_replaced(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "oncology.ring"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match="not a file of trends"):
        RingFile(path).load()
    ring = Ring(MINUTES)
    ring.append(plain(3))
    RingFile(path).save(ring.unsaved(), [])
    assert [one.start for one in RingFile(path).load()[0].newest_first()] == [3.0]


def test_a_file_that_is_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "oncology.ring"
    ring = Ring(MINUTES)
    for number in range(5):
        ring.append(plain(number))
    RingFile(path).save(ring.unsaved(), [])
    path.write_bytes(path.read_bytes()[: HEADER + 3 * RECORD_SIZE + 10])
    loaded, half_hours = RingFile(path).load()
    assert [one.start for one in loaded.newest_first()] == [2.0, 1.0, 0.0]
    assert list(half_hours.newest_first()) == []
