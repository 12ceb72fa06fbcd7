"""A fixed number of samples as bytes: the newest takes the place of the oldest. See FORMAT.md."""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.trends.sample import Sample

MINUTES: Final = 1440  # of one minute: 24 h
HALF_HOURS: Final = 1440  # of half an hour: 30 d
SUFFIX: Final = ".ring"

_HEADER = struct.Struct("<4sHHII")
_RECORD = struct.Struct("<IQd8fQQIIII")
_CRC: Final = 4
_MOST: Final = 2**32 - 1
_MAGIC: Final = b"DGTR"
_VERSION: Final = 1
RECORD_SIZE: Final = _RECORD.size


class Ring:
    """The last `capacity` samples."""

    def __init__(self, capacity: int, raw: bytes = b"") -> None:
        """`raw`: the records as they were saved; those that are damaged are left out."""
        self.capacity = capacity
        self._raw = bytearray(capacity * RECORD_SIZE)
        self.next = 0  # number of the next record
        self.saved = 0  # number of the first record that is not on the disk
        self._take_over(raw)

    def append(self, sample: Sample) -> None:
        """Add the newest sample."""
        place = self.next % self.capacity * RECORD_SIZE
        self._raw[place : place + RECORD_SIZE] = _packed(self.next, sample)
        self.next += 1

    def newest_first(self) -> Iterator[Sample]:
        """Give the samples that are there, the newest first."""
        for number in range(self.next - 1, max(-1, self.next - 1 - self.capacity), -1):
            sample = _unpacked(self._record(number), number)
            if sample is not None:
                yield sample

    def unsaved(self) -> list[tuple[int, bytes]]:
        """Return what is to be written: offset among the records, and bytes."""
        first = max(self.saved, self.next - self.capacity)
        return [
            (number % self.capacity * RECORD_SIZE, self._record(number)) for number in range(first, self.next)
        ]

    def _record(self, number: int) -> bytes:
        place = number % self.capacity * RECORD_SIZE
        return bytes(self._raw[place : place + RECORD_SIZE])

    def _take_over(self, raw: bytes) -> None:
        for place in range(min(len(raw) // RECORD_SIZE, self.capacity)):
            record = raw[place * RECORD_SIZE : (place + 1) * RECORD_SIZE]
            number = _number_of(record)
            if number is None or number % self.capacity != place or _unpacked(record, number) is None:
                continue
            self._raw[place * RECORD_SIZE : (place + 1) * RECORD_SIZE] = record
            self.next = max(self.next, number + 1)
        self.saved = self.next


class RingFile:
    """Both rings of one peer on the disk. All methods block."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[Ring, Ring]:
        """Return the rings of minutes and of half hours. OSError, and ValueError for what is no such file."""
        length = _HEADER.size + (MINUTES + HALF_HOURS) * RECORD_SIZE
        with self._path.open("rb") as file:
            raw = file.read(length)
        if raw[: _HEADER.size] != _header():
            raise ValueError("it is not a file of trends of this version")
        middle = _HEADER.size + MINUTES * RECORD_SIZE
        return Ring(MINUTES, raw[_HEADER.size : middle]), Ring(HALF_HOURS, raw[middle:])

    def save(self, minutes: list[tuple[int, bytes]], half_hours: list[tuple[int, bytes]]) -> None:
        """Write what is new into its place; make the file when it is not there. OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.pread(descriptor, _HEADER.size, 0) != _header():
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, _HEADER.size + (MINUTES + HALF_HOURS) * RECORD_SIZE)
                os.pwrite(descriptor, _header(), 0)
            start = _HEADER.size
            for records in (minutes, half_hours):
                for offset, record in records:
                    os.pwrite(descriptor, record, start + offset)
                start += MINUTES * RECORD_SIZE
        finally:
            os.close(descriptor)


def _header() -> bytes:
    return _HEADER.pack(_MAGIC, _VERSION, RECORD_SIZE, MINUTES, HALF_HOURS)


def _packed(number: int, sample: Sample) -> bytes:
    floats = (
        *(sample.seconds, sample.up, sample.degraded, sample.down),
        *(_or_nan(sample.rtt_min), _or_nan(sample.rtt_median), _or_nan(sample.rtt_max)),
        _or_nan(sample.goodput),
    )
    body = _RECORD.pack(
        0,
        number + 1,
        sample.start,
        *floats,
        sample.sent,
        sample.received,
        min(sample.objects, _MOST),
        min(sample.segments or 0, _MOST),
        min(sample.retransmitted, _MOST),
        sample.segments is not None,
    )[_CRC:]
    return zlib.crc32(body).to_bytes(_CRC, "little") + body


def _unpacked(record: bytes, number: int) -> Sample | None:
    """Return the sample in `record`; None when it is not that number's, or damaged."""
    if zlib.crc32(record[_CRC:]) != int.from_bytes(record[:_CRC], "little"):
        return None
    _, found, start, *floats, sent, received, objects, segments, again, told = _RECORD.unpack(record)
    if found != number + 1 or not math.isfinite(start):
        return None
    seconds, up, degraded, down, least, median, most, goodput = floats
    return Sample(
        start=start,
        seconds=seconds,
        up=up,
        degraded=degraded,
        down=down,
        rtt_min=_or_none(least),
        rtt_median=_or_none(median),
        rtt_max=_or_none(most),
        goodput=_or_none(goodput),
        sent=sent,
        received=received,
        objects=objects,
        segments=segments if told else None,
        retransmitted=again,
    )


def _number_of(record: bytes) -> int | None:
    (found,) = struct.unpack_from("<Q", record, _CRC)
    return found - 1 if 0 < found < 2**53 else None


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else min(value, 1e30)  # what a record can hold


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
