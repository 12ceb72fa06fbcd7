"""Journals bent in every way: rows of our tables come out, or none, and nothing is raised."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from gateway.spool.salvage import pages
from gateway.spool.salvage.records import Malformed, decode
from gateway.spool.salvage.rows import RowFinder
from gateway.spool.salvage.shape import shapes
from gateway.spool.salvage.source import Source
from gateway.spool.salvage.wal import read_wal
from tests.durability.damage.filled import fill
from tests.fuzz.runner import run

_MOST_ROWS = 100_000
_KEPT = 72 * 1024  # bytes of each file that are bent: enough for every kind of page


@functools.cache
def _files() -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder) / "closed", Path(folder) / "killed", 6)
        journal = (Path(folder) / "closed" / "journal.db").read_bytes()
        wal = (Path(folder) / "killed" / "journal.db-wal").read_bytes()
    return journal[:_KEPT], wal[:_KEPT]


@st.composite
def _bent(draw: st.DrawFn) -> tuple[bytes, bytes]:
    bent: list[bytes] = []
    for whole in _files():
        data = bytearray(whole)
        for place, piece in draw(
            st.lists(st.tuples(st.integers(0, len(data) - 1), st.binary(min_size=1, max_size=8)), max_size=8)
        ):
            # Most of a page are values; what a reader trips over is at its beginning.
            where = place // 4096 * 4096 + place % 24 if draw(st.booleans()) else place
            data[where : where + len(piece)] = piece
        end = draw(st.integers(0, len(data))) if draw(st.integers(0, 9)) == 0 else len(data)
        bent.append(bytes(data[:end]))
    return bent[0], bent[1]


STRATEGIES = {"files": _bent(), "page": st.binary(max_size=4096), "record": st.binary(max_size=200)}


def check(files: tuple[bytes, bytes], page: bytes, record: bytes) -> None:
    """The reader of damaged journals on bytes of any kind."""
    journal, wal = files
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        path.write_bytes(journal)
        path.with_name("journal.db-wal").write_bytes(wal)
        with Source(path, path.with_name("journal.db-wal")) as source:
            for count, found in enumerate(RowFinder(source).rows()):
                assert len(found.row) == len(shapes()[found.table].columns)
                assert count < _MOST_ROWS
    for head in (13, 5, 10, 2):
        try:
            parsed = pages.parse(bytes([head]) + page, 4096)
        except Malformed:
            continue
        assert all(len(cell.local) <= 4096 for cell in parsed.cells)
    read_wal(lambda offset, length: page[offset : offset + length], len(page), 512)
    with contextlib.suppress(Malformed):
        decode(record)


if __name__ == "__main__":
    run(check, STRATEGIES)
