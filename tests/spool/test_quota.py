"""Room: marks, promises, and what the disk says."""

from __future__ import annotations

import pytest

from gateway.errors import NoRoom
from gateway.model import Priority
from gateway.spool import SpoolLimits
from gateway.spool.files import Disk
from gateway.spool.quota import OVERHEAD, STEP, Ledger
from gateway.spool.values import MIB

LIMITS = SpoolLimits(reserve_bytes=64 * MIB, floor_bytes=16 * MIB, min_free_inodes=1000)


def ledger(free: int, *, inodes: int | None = None, kept: int = 0, limits: SpoolLimits = LIMITS) -> Ledger:
    return Ledger(limits, Disk(free, 1000 * MIB, inodes), kept)


def test_images_stop_at_the_reserve_and_records_at_the_floor() -> None:
    room = ledger(100 * MIB)
    assert room.room(Priority.RECORD) == 84 * MIB
    assert room.room(Priority.IMAGE) == room.room(Priority.BULK) == 20 * MIB
    low = ledger(70 * MIB)
    for priority in (Priority.IMAGE, Priority.BULK):
        with pytest.raises(NoRoom):
            low.open(priority, 1)
    low.open(Priority.RECORD, 1)
    with pytest.raises(NoRoom):
        ledger(16 * MIB).open(Priority.RECORD, 1)


def test_what_is_promised_is_not_promised_again() -> None:
    room = ledger(80 * MIB + 10 * MIB)
    first = room.open(Priority.IMAGE, 6 * MIB)
    with pytest.raises(NoRoom):
        room.open(Priority.IMAGE, 6 * MIB)
    room.close(first, 0)
    room.open(Priority.IMAGE, 6 * MIB)


def test_a_growing_object_takes_room_in_steps() -> None:
    room = ledger(200 * MIB)
    promise = room.open(Priority.IMAGE, 1000)
    room.extend(promise, 100_000)
    before = room.room(Priority.IMAGE)
    room.extend(promise, 500_000)
    assert room.room(Priority.IMAGE) == before
    assert promise.promised >= STEP


def test_the_last_room_is_given_to_the_last_byte() -> None:
    room = ledger(80 * MIB + 2 * OVERHEAD)
    promise = room.open(Priority.IMAGE, OVERHEAD)
    assert room.room(Priority.IMAGE) == 0
    with pytest.raises(NoRoom):
        room.extend(promise, OVERHEAD + 1)


def test_written_bytes_are_counted_once() -> None:
    """What the disk has seen of an object is in its answer and must not be subtracted again."""
    room = ledger(200 * MIB)
    promise = room.open(Priority.IMAGE, 50 * MIB)
    assert room.room(Priority.IMAGE) == 70 * MIB - OVERHEAD
    promise.written = 30 * MIB
    room.refresh(Disk(170 * MIB, 1000 * MIB, None), 0)
    assert room.room(Priority.IMAGE) == 70 * MIB - OVERHEAD
    room.close(promise, 50 * MIB)
    assert room.room(Priority.IMAGE) == 70 * MIB - OVERHEAD
    room.refresh(Disk(150 * MIB, 1000 * MIB, None), 50 * MIB)
    assert room.room(Priority.IMAGE) == 70 * MIB


def test_an_abandoned_object_gives_back_what_it_did_not_write() -> None:
    room = ledger(200 * MIB)
    promise = room.open(Priority.IMAGE, 50 * MIB)
    room.close(promise, 0)
    assert room.room(Priority.IMAGE) == 120 * MIB
    room.close(promise, 0)
    assert room.room(Priority.IMAGE) == 120 * MIB


def test_the_quota_counts_what_is_kept_and_what_arrives() -> None:
    limits = SpoolLimits(quota_bytes=100 * MIB, reserve_bytes=10 * MIB, floor_bytes=0)
    room = ledger(10_000 * MIB, kept=60 * MIB, limits=limits)
    assert room.room(Priority.RECORD) == 40 * MIB
    assert room.room(Priority.IMAGE) == 30 * MIB
    promise = room.open(Priority.IMAGE, 20 * MIB - OVERHEAD)
    assert room.room(Priority.RECORD) == 20 * MIB
    room.close(promise, 20 * MIB)
    assert room.room(Priority.RECORD) == 20 * MIB
    room.refresh(Disk(10_000 * MIB, 10_000 * MIB, None), 5 * MIB)
    assert room.room(Priority.RECORD) == 95 * MIB


def test_a_quota_below_the_reserve_still_lets_images_in() -> None:
    limits = SpoolLimits(quota_bytes=40 * MIB, reserve_bytes=64 * MIB, floor_bytes=0)
    room = ledger(10_000 * MIB, limits=limits)
    assert room.room(Priority.IMAGE) == 30 * MIB
    assert room.room(Priority.RECORD) == 40 * MIB


def test_inodes_run_out_for_images_first() -> None:
    room = ledger(1000 * MIB, inodes=500)
    image, record = room.open(Priority.IMAGE, 1), room.open(Priority.RECORD, 1)
    with pytest.raises(NoRoom, match="inodes"):
        room.use_file(image)
    room.use_file(record)
    tight = ledger(1000 * MIB, inodes=101)
    tight.use_file(tight.open(Priority.RECORD, 1))
    with pytest.raises(NoRoom, match="inodes"):
        tight.use_file(tight.open(Priority.RECORD, 1))


def test_no_inode_limit_where_the_filesystem_has_none() -> None:
    room = ledger(1000 * MIB, inodes=None)
    room.use_file(room.open(Priority.BULK, 1))
