"""The newest part of the journal, when it is damaged or gone: taken up at the next start.

Stranded frames. SQLite reads the WAL up to the first frame that does not hold. What follows a damaged one was
committed too, and perhaps acknowledged; or it is the rest of a transaction that a power cut tore, which never
was. Either way an object whose bytes have the digest of its row is here, whole, and is delivered: at least
once.

A WAL that is gone. The journal says whether it was closed in order. If it was not, files that no row names
are not what a crash left of objects that were arriving: they may be objects whose rows are gone with the WAL.
They are held for a person instead of being removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import struct
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model import DeliveryState
from gateway.notices import Alarm
from gateway.spool.salvage.putting_right import UNKNOWN_DESTINATION, digest_of_file, hold_for_all
from gateway.spool.salvage.rows import RowFinder
from gateway.spool.salvage.shape import Row, shapes
from gateway.spool.salvage.source import PAGE, Source
from gateway.spool.salvage.wal import FRAME_HEADER, HEADER, PAGE_SIZES
from gateway.spool.schema import PLACE_FILE, PLACE_INLINE, STEP_HELD, STEP_QUEUED
from gateway.spool.states import CODE, UNDELIVERED, from_code
from gateway.spool.store import Store
from gateway.spool.transaction import Transaction

_RUNNING = "running"
"""The fact that says how long the WAL is, at least: 0 when the journal was closed in order."""
_REASON = "found in the damaged end of the journal; where it was to go is not known"
_MX_FRAME = 16  # where the index of a WAL says how many frames it has
_AHEAD = 4  # frames of another log after which nothing more is looked for
_NAMED = 20  # objects of an alarm that are named


def mark_running(db: sqlite3.Connection, database: Path) -> None:
    """Say, in the database itself, that there is a WAL from here on, and how long it is. sqlite3.Error."""
    _say(db, max(1, wal_size(database)))
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def mark_closed(db: sqlite3.Connection) -> None:
    """Say that the WAL is about to be written back as a whole. sqlite3.Error."""
    _say(db, 0)


def _say(db: sqlite3.Connection, size: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (_RUNNING, size))
        db.execute("COMMIT")
    except sqlite3.Error:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def wanted_wal(db: sqlite3.Connection) -> int:
    """Return how long the WAL has to be, at least: 0 when the journal was closed in order. sqlite3.Error."""
    row = db.execute("SELECT value FROM facts WHERE name = ?", (_RUNNING,)).fetchone()
    return int(row[0]) if row is not None and isinstance(row[0], int) else 0


def wal_size(database: Path) -> int:
    """Return how long the WAL is. OSError."""
    try:
        return database.with_name(f"{database.name}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def last_commit(database: Path) -> int:
    """Return the number of the last frame that ended a transaction, by its header alone; 0: there is none.

    SQLite counts as far as everything holds. When it counts fewer, something was left out. OSError.
    """
    try:
        descriptor = os.open(database.with_name(f"{database.name}-wal"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        head = os.pread(descriptor, HEADER + FRAME_HEADER, 0)
        if len(head) < HEADER + FRAME_HEADER:
            return 0
        said = int.from_bytes(head[8:12], "big")
        length = FRAME_HEADER + (said if said in PAGE_SIZES else PAGE)
        salts = head[HEADER + 8 : HEADER + 16]
        if not any(salts):
            return 0
        last = number = missed = 0
        while missed < _AHEAD:
            frame = os.pread(descriptor, FRAME_HEADER, HEADER + number * length)
            if len(frame) < FRAME_HEADER:
                break
            number += 1
            missed = 0 if frame[8:16] == salts else missed + 1
            if not missed and struct.unpack(">2I", frame[:8])[1]:
                last = number
        return last
    finally:
        os.close(descriptor)


def frames_that_hold(database: Path) -> int:
    """Return how many frames SQLite takes from the WAL: asked of it, without writing anything.

    The answer is in the index that it builds for every reader (sqlite.org/walformat.html, section 2.1).
    """
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            with database.with_name(f"{database.name}-shm").open("rb") as index:
                index.seek(_MX_FRAME)
                return int.from_bytes(index.read(4), sys.byteorder)
    except (sqlite3.Error, UnicodeDecodeError, OSError):
        return 0  # whoever opens it in earnest will hear the same


@dataclass(slots=True)
class Stranded:
    """Rows behind a damaged frame: the newest of each number, and every data set that may belong to one."""

    rows: dict[str, dict[int, Row]] = field(default_factory=lambda: defaultdict(dict))
    data: dict[str, dict[int, list[bytes]]] = field(default_factory=lambda: defaultdict(_lists))
    names: dict[int, str] = field(default_factory=dict)  # of destinations


def _lists() -> dict[int, list[bytes]]:
    return defaultdict(list)


def read_stranded(database: Path) -> Stranded:
    """Read what SQLite leaves out. OSError."""
    found = Stranded()
    with Source(database, database.with_name(f"{database.name}-wal")) as source:
        for one in RowFinder(source).stranded():
            number, value = one.row[0], one.row[1]
            if not isinstance(number, int):
                continue
            if one.table in ("inline", "step_data"):
                if isinstance(value, bytes):
                    found.data[one.table][number].append(value)
            else:
                found.rows[one.table].setdefault(number, one.row)
    return found


@dataclass(slots=True)
class TakenUp:
    """What came of it: objects by number."""

    recovered: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    adopted: list[int] = field(default_factory=list)
    torn: bool = False  # a transaction at the end of the WAL does not hold
    gone: bool = False  # the WAL is gone, or a part of it

    def alarms(self) -> list[Alarm]:
        """Say it to a person."""
        said = []
        if self.recovered:
            said.append(
                Alarm(
                    "spool.journal-tail",
                    f"the newest part of the journal was damaged; {len(self.recovered)} objects were "
                    "recovered from it and are delivered: check the disk",
                )
            )
        if self.lost:
            said.append(
                Alarm(
                    "spool.journal-tail",
                    f"the newest part of the journal was damaged, and these objects in it could not be "
                    f"recovered: {_numbers(self.lost)}. Unless their sender was refused them, they have "
                    "to be sent again: check what the console sent last",
                )
            )
        if self.gone:
            held = f" {len(self.adopted)} objects without a row are held with the cause rebuilt."
            said.append(
                Alarm(
                    "spool.journal-tail",
                    f"the newest part of the journal (its WAL) is gone.{held if self.adopted else ''} Small "
                    "objects that came last may be lost: check what the console sent last",
                )
            )
        elif self.torn and not said:
            held = f" {len(self.adopted)} objects without a row are held with the cause rebuilt."
            said.append(
                Alarm(
                    "spool.journal-tail",
                    f"the newest transaction of the journal does not hold.{held if self.adopted else ''} If "
                    "the power failed while it was written, nothing is lost: it was not acknowledged. "
                    "Otherwise the disk is damaged: check it, and what the console sent last",
                )
            )
        return said


def _numbers(numbers: Sequence[int]) -> str:
    some = ", ".join(map(str, numbers[:_NAMED]))
    return some if len(numbers) <= _NAMED else f"{some} and more"


def take_up(tx: Transaction, store: Store, found: Stranded, taken: TakenUp) -> None:
    """Put what is whole into the journal; the caller begins and ends the transaction."""
    taken.torn = True
    # Before any is added: a number means the name that it had, not the one that gets it now.
    found.names.update({number: str(row[1]) for number, row in found.rows["destinations"].items()})
    found.names.update(tx.destinations.names)
    for number, row in sorted(found.rows["objects"].items()):
        if tx.one("SELECT 1 FROM objects WHERE number = ?", number) is None:
            done = _take_object(tx, store, found, number, row)
            if done is not None:
                (taken.recovered if done else taken.lost).append(number)
    for number, row in sorted(found.rows["steps"].items()):
        _take_step(tx, found, number, row)


def _take_object(tx: Transaction, store: Store, found: Stranded, number: int, row: Row) -> bool | None:
    """True: it is here, whole; False: it is not; None: nothing is to be done about it."""
    values = dict(zip([column.name for column in shapes()["objects"].columns], row, strict=True))
    place, digest, size, file = values["place"], values["digest"], values["size"], values["file"]
    offset = values["data_offset"]
    if place == PLACE_INLINE:
        data = next(
            (one for one in found.data["inline"][number] if hashlib.sha256(one).digest() == digest), None
        )
        if data is None:
            return False
        tx.write("INSERT OR REPLACE INTO inline (object, data) VALUES (?, ?)", number, data)
    elif place == PLACE_FILE and isinstance(file, int) and isinstance(offset, int) and isinstance(size, int):
        if digest_of_file(store.path(file), offset, size) != digest:
            return False
        if tx.one("SELECT 1 FROM objects WHERE file = ?", file) is not None:
            return None
    else:
        return None
    _insert(tx, "objects", row)
    if not _take_deliveries(tx, found, number):
        names = tuple(tx.destinations.names.values()) or (UNKNOWN_DESTINATION,)
        hold_for_all(tx, number, names, _REASON)
    tx.tell(number, "recovered", "from the damaged end of the journal")
    return True


def _take_deliveries(tx: Transaction, found: Stranded, number: int) -> bool:
    """Insert the deliveries of an object, ready to go if they were not delivered. False: there are none."""
    columns = [column.name for column in shapes()["deliveries"].columns]
    some = False
    for row in found.rows["deliveries"].values():
        values = dict(zip(columns, row, strict=True))
        name = found.names.get(int(str(values["destination"])))
        if values["object"] != number or name is None:
            continue
        state = from_code(int(str(values["state"])))
        if state is DeliveryState.SENDING:
            values["state"] = CODE[DeliveryState.QUEUED]
        values["destination"] = tx.destinations.number(tx.db, name)
        values["since"] = tx.age
        values["sender"] = values["sender"] if state in UNDELIVERED else ""
        if tx.one("SELECT 1 FROM deliveries WHERE number = ?", values["number"]) is not None:
            values["number"] = None
        _insert(tx, "deliveries", tuple(values.values()))
        some = True
    return some


def _take_step(tx: Transaction, found: Stranded, number: int, row: Row) -> None:
    """A procedure step that was not passed on yet, with its data set."""
    values = dict(zip([column.name for column in shapes()["steps"].columns], row, strict=True))
    name = found.names.get(int(str(values["destination"])))
    data = next((one for one in found.data["step_data"][number] if len(one) == values["size"]), None)
    if (
        data is None
        or name is None
        or values["state"] not in (STEP_QUEUED, STEP_HELD)
        or tx.one("SELECT 1 FROM steps WHERE number = ?", number) is not None
    ):
        return
    values["destination"] = tx.destinations.number(tx.db, name)
    _insert(tx, "steps", tuple(values.values()))
    tx.write("INSERT INTO step_data (step, data) VALUES (?, ?)", number, data)


def _insert(tx: Transaction, table: str, row: Row) -> None:
    names = ", ".join(column.name for column in shapes()[table].columns)
    tx.write(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", *row)  # noqa: S608
