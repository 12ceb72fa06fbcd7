"""The reader of SQLite's files, against databases that SQLite itself wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.spool.salvage import pages
from gateway.spool.salvage.records import Malformed, decode, signed, varint
from gateway.spool.salvage.source import Source
from gateway.spool.salvage.wal import FRAME_HEADER, HEADER, checksum, read_wal

INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, 127, 128, 2**47, -(2**47), 2**31])
REALS = st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)
BLOBS = st.binary(max_size=200) | st.integers(3900, 70_000).map(bytes)
VALUES = st.none() | INTEGERS | REALS | TEXTS | BLOBS
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=30)


def written(path: Path, rows: list[tuple[object, ...]], *, wal: bool) -> sqlite3.Connection:
    """Have SQLite write these rows; the connection stays open, and with it the WAL."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, a, b, c)")
    for number, row in enumerate(rows, 1):
        db.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (number * 3, *row))
    return db


def read(path: Path, root: int) -> dict[int, tuple[object, ...]]:
    """Read the table whose root is this page, with the reader under test."""
    found: dict[int, tuple[object, ...]] = {}
    with Source(path, path.with_name(f"{path.name}-wal")) as source:
        waiting = [root]
        while waiting:
            number = waiting.pop()
            data = source.committed(number)
            assert data is not None
            page = pages.parse(data, source.usable, first=number == 1)
            assert page.bad == 0
            if page.kind == pages.TABLE_INTERIOR:
                waiting += [page.right, *(cell.child for cell in page.cells)]
                continue
            for cell in page.cells:
                found[cell.rowid] = decode(pages.payload(cell, source.usable, source.committed))
    return found


def same(one: object, other: object) -> bool:
    """Equal; a whole number may come back from a column without a type as it was stored."""
    return one == other and isinstance(one, bytes) == isinstance(other, bytes)


@pytest.mark.parametrize("wal", [False, True])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_every_row_comes_back(
    tmp_path_factory: pytest.TempPathFactory, wal: bool, rows: list[tuple[object, ...]]
) -> None:
    path = tmp_path_factory.mktemp("read") / "some.db"
    db = written(path, rows, wal=wal)
    (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 't'").fetchone()
    found = read(path, root)
    db.close()
    assert sorted(found) == [number * 3 for number in range(1, len(rows) + 1)]
    for number, row in enumerate(rows, 1):
        key, *values = found[number * 3]
        assert key is None  # the record leaves the rowid out
        assert all(same(*pair) for pair in zip(values, row, strict=True))


def test_a_tree_of_many_pages(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    rows = [(number, bytes([number % 256]) * 700, "x") for number in range(3000)]
    db = written(path, rows, wal=True)
    db.execute("DELETE FROM t WHERE k % 2 = 0")
    (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 't'").fetchone()
    wanted = {row[0]: (None, *row[1:]) for row in db.execute("SELECT * FROM t")}
    assert read(path, root) == wanted
    db.close()


def test_pages_freed_under_secure_delete_hold_nothing(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    db = written(path, [(b"patient" * 900, None, None)] * 50, wal=False)
    db.execute("PRAGMA secure_delete = ON")
    db.execute("DELETE FROM t")
    db.close()
    assert b"patient" not in path.read_bytes()
    with Source(path, path.with_name("none")) as source:
        for number in range(1, source.pages + 1):
            data = source.committed(number)
            if data is not None and data[0] == pages.TABLE_LEAF:
                assert pages.parse(data, source.usable).cells == ()


# the WAL


def frames_of(path: Path) -> tuple[int, int]:
    """How many frames SQLite takes from a WAL, and how many we do."""
    raw = path.with_name(f"{path.name}-wal").read_bytes()
    ours = read_wal(lambda offset, length: raw[offset : offset + length], len(raw), 4096)
    return (len(raw) - HEADER) // (FRAME_HEADER + 4096), len(ours.committed)


def test_committed_frames_are_those_that_sqlite_takes(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    db = written(path, [(number, "x" * 500, None) for number in range(100)], wal=True)
    there, ours = frames_of(path)
    assert ours == there
    db.execute("BEGIN")
    db.execute("PRAGMA cache_size = 1")
    db.execute("PRAGMA cache_spill = 1")
    for _ in range(40):
        db.execute("INSERT INTO t (a) VALUES (?)", (bytes(20_000),))
    there, again = frames_of(path)
    assert there > again == ours  # what was not committed is in the file, and is not taken
    db.execute("ROLLBACK")
    db.close()


def test_frames_behind_a_damaged_one_are_stranded(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    db = written(path, [(number, "x" * 500, None) for number in range(30)], wal=True)
    wal = path.with_name(f"{path.name}-wal")
    raw = bytearray(wal.read_bytes())
    db.close()
    length = FRAME_HEADER + 4096
    count = (len(raw) - HEADER) // length
    raw[HEADER + (count // 2) * length + 100] ^= 4
    found = read_wal(lambda offset, size: bytes(raw[offset : offset + size]), len(raw), 4096)
    assert found.damaged == 1
    assert len(found.committed) <= count // 2
    # all that were whole: those of the transaction that was torn, and everything behind
    assert len(found.committed) + len(found.stranded) == count - 1
    head = bytes(HEADER) + bytes(raw[HEADER:])
    found = read_wal(lambda offset, size: head[offset : offset + size], len(head), 4096)
    assert not found.header_holds
    assert len(found.stranded) == count - 2  # the first has nothing to be checked against


def test_zeros_are_an_empty_wal() -> None:
    raw = bytes(1 << 20)
    found = read_wal(lambda offset, size: raw[offset : offset + size], len(raw), 4096)
    assert (found.committed, found.stranded, found.damaged, found.header_holds) == ((), (), 0, True)


def test_the_checksum_of_the_format() -> None:
    assert checksum(bytes(8), (0, 0), "<") == (0, 0)
    assert checksum(b"\1\0\0\0\2\0\0\0", (0, 0), "<") == (1, 3)
    assert checksum(b"\0\0\0\1\0\0\0\2", (0, 0), ">") == (1, 3)


# numbers and records


@given(st.integers(0, 2**64 - 1))
def test_numbers(value: int) -> None:
    assert varint(encoded(value), 0)[0] == value
    assert -(2**63) <= signed(value) < 2**63


def encoded(value: int) -> bytes:
    """Write a number as SQLite does."""
    if value >= 1 << 56:
        parts = [(value & 0xFF)]
        value >>= 8
        parts += [0x80 | ((value >> shift) & 0x7F) for shift in range(0, 56, 7)]
        return bytes(reversed(parts))
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(0x80 | (value & 0x7F))
    return bytes(reversed(parts))


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\x05",  # a header longer than the record
        b"\x02\x0a",  # a reserved type
        b"\x02\x01",  # a value that is not there
        b"\x02\x08\x00",  # bytes too many
        b"\x02\x0f\xff",  # a text that is none
        b"\x7f" + b"\x08" * 126,  # too many columns
    ],
)
def test_records_that_are_none(record: bytes) -> None:
    with pytest.raises(Malformed):
        decode(record)
