"""Every row of the journal that can be read, the surest version of it first. Reads only.

The order: rows of the committed pages, down each table's tree; leaves of committed pages that no tree leads
to any more; and what was there before, or lies stranded behind a damaged frame of the WAL. Who takes the rows
keeps the first of each key.

A table is known by its tree, and an orphan by what its rows look like (shape.py). A large value of a row that
is not sure is put together in every way there is: whether it is right, its digest tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gateway.spool.salvage import pages
from gateway.spool.salvage.pages import Cell, Page, parse, payload
from gateway.spool.salvage.records import Malformed, Value, decode
from gateway.spool.salvage.shape import Row, Shape, shapes
from gateway.spool.salvage.source import Source

Read = Callable[[int], bytes | None]

LASTING = frozenset({"objects", "inline", "deliveries", "destinations", "steps", "step_data"})
"""Tables of which rows are taken that are not sure: of the others, deleted ones would come back."""


@dataclass(frozen=True, slots=True)
class Found:
    """One row, as its table has it."""

    table: str
    row: Row
    sure: bool  # from a committed page


@dataclass(slots=True)
class Losses:
    """What could not be read."""

    pages: int = 0  # of trees: not there, or no page of a tree
    cells: int = 0  # that make no sense
    rows: int = 0  # of committed pages, that no table can have
    tables: list[str] = field(default_factory=list)  # whose tree is not known any more


class RowFinder:
    """Reads all rows of one journal, once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: set[int] = set()  # committed pages that were read
        self.losses = Losses()

    def rows(self) -> Iterator[Found]:
        """Yield every row that can be read."""
        roots = self._roots()
        for name, shape in shapes().items():
            root = roots.get(name)
            if root is None:
                self.losses.tables.append(name)
            else:
                yield from self._tree(shape, root)
        for number in range(1, self._source.pages + 1):
            if number not in self._seen and not self._source.is_pointer_map(number):
                data = self._source.committed(number)
                if data is not None:
                    yield from self._orphan(number, data, sure=True)
        for number, data in self._source.superseded():
            yield from self._orphan(number, data, sure=False)

    def stranded(self) -> Iterator[Found]:
        """Yield the rows of frames behind a damaged one, the newest first."""
        for frame in reversed(self._source.wal.stranded):
            data = self._source.frame(frame)
            if data is not None:
                yield from self._orphan(frame.page, data, sure=False)

    def _roots(self) -> dict[str, int]:
        """Read where each table begins (table sqlite_schema, whose root is page 1)."""
        roots: dict[str, int] = {}
        for _, record in self._cells(1, table=True):
            if len(record) == 5 and record[0] == "table":
                name, root = record[1], record[3]
                if isinstance(name, str) and isinstance(root, int) and root > 1:
                    roots.setdefault(name, root)
        return roots

    def _tree(self, shape: Shape, root: int) -> Iterator[Found]:
        for rowid, record in self._cells(root, table=shape.rowid):
            row = shape.row(rowid, record)
            if row is None:
                self.losses.rows += 1
            else:
                yield Found(shape.name, row, sure=True)

    def _cells(self, root: int, *, table: bool) -> Iterator[tuple[int, tuple[Value, ...]]]:
        """Yield (rowid, record) of a tree, left to right, as far as it can be read."""
        wanted = (
            (pages.TABLE_LEAF, pages.TABLE_INTERIOR) if table else (pages.INDEX_LEAF, pages.INDEX_INTERIOR)
        )
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in self._seen:
                self.losses.pages += 1  # a page has one parent
                continue
            page = self._page(number)
            if page is None or page.kind not in wanted:
                self.losses.pages += 1
                continue
            self._seen.add(number)
            self.losses.cells += page.bad
            if page.right:
                waiting += [page.right, *(cell.child for cell in reversed(page.cells))]
            if page.kind != pages.TABLE_INTERIOR:
                yield from self._records(page.cells, self._source.committed, count=True)

    def _page(self, number: int) -> Page | None:
        data = self._source.committed(number)
        if data is None:
            return None
        try:
            return parse(data, self._source.usable, first=number == 1)
        except Malformed:
            return None

    def _records(
        self, cells: tuple[Cell, ...], read: Read, *, count: bool
    ) -> Iterator[tuple[int, tuple[Value, ...]]]:
        for cell in cells:
            try:
                yield cell.rowid, decode(payload(cell, self._source.usable, read))
            except Malformed:
                self.losses.cells += count

    def _orphan(self, number: int, data: bytes, *, sure: bool) -> Iterator[Found]:
        """Yield the rows of a leaf that no tree has, for every table that they may belong to."""
        if data[pages.FILE_HEADER if number == 1 else 0] != pages.TABLE_LEAF:
            return
        try:
            page = parse(data, self._source.usable, first=number == 1)
        except Malformed:
            return
        ways: tuple[Read, ...] = (self._source.committed,)
        if not sure:
            ways = (self._stranded_first, self._source.committed, self._source.stored)
        spilled = tuple(cell for cell in page.cells if cell.overflow)
        for place, read in enumerate(ways):
            cells = page.cells if place == 0 else spilled  # what is whole on its page is so every way
            for rowid, record in self._records(cells, read, count=sure):
                yield from self._fitting(rowid, record, sure=sure)

    def _fitting(self, rowid: int, record: tuple[Value, ...], *, sure: bool) -> Iterator[Found]:
        for shape in shapes().values():
            if shape.rowid and (sure or shape.name in LASTING):
                row = shape.row(rowid, record)
                if row is not None:
                    yield Found(shape.name, row, sure)

    def _stranded_first(self, number: int) -> bytes | None:
        return self._source.stranded(number) or self._source.committed(number)
