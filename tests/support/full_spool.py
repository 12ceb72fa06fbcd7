"""A journal filled by SQL: many deliveries in every state; the ordinary way would take minutes."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.model import DeliveryState as S
from gateway.model import Priority
from gateway.spool.schema import MAX_KINDS, configure, create_or_migrate
from gateway.spool.states import CODE, UNDELIVERED
from tests.support.spooling import BEAMS_RECORD, EXPLICIT

CT = "1.2.840.10008.5.1.4.1.1.2"
PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
PRIVATE = "1.2.826.0.1.3680043.10.99.1"


@dataclass(frozen=True, slots=True)
class Row:
    """One object with one delivery; the journal numbers both alike."""

    number: int
    destination: str = "oncology"
    state: S = S.QUEUED
    waiting: int = 0
    priority: Priority = Priority.RECORD
    cause: str = ""
    reason: str = ""
    sop_class: str = BEAMS_RECORD
    calling_ae: str = "LINAC1"
    received_at: float = 1_700_000_000.0
    size: int = 300
    uid: str = ""

    @property
    def instance_uid(self) -> str:
        return self.uid or f"1.2.826.0.1.3680043.10.1.{self.number}"


def any_row(number: int, dice: random.Random) -> Row:
    """A delivery as one finds them: most arrived, some wait, few are held."""
    states = [S.ACCEPTED] * 6 + [S.QUEUED] * 3 + [S.CONFIRMED, S.HELD]
    state = dice.choice(states)
    cause = dice.choice(["refused", "conflict", "operator"]) if state is S.HELD else ""
    sop_class, priority = dice.choice(
        [(BEAMS_RECORD, Priority.RECORD), (CT, Priority.BULK), (CT, Priority.BULK), (PLAN, Priority.IMAGE)]
    )
    return Row(
        number,
        destination=dice.choice(["oncology", "archive"]),
        state=state,
        priority=priority,
        cause=cause,
        reason=f"because of {cause}" if cause else "",
        sop_class=sop_class,
        calling_ae=dice.choice(["LINAC1", "LINAC2", "CT1"]),
        received_at=1_700_000_000.0 + number,
    )


def data_of(row: Row) -> bytes:
    """The bytes of its object: not a DICOM data set that says anything."""
    return hashlib.sha256(str(row.number).encode()).digest() * (row.size // 32 + 1)


def fill(directory: Path, rows: Iterator[Row]) -> None:
    """Write a spool with these objects to `directory`; nobody may have it open."""
    (directory / "objects").mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(directory / "journal.db", isolation_level=None)
    configure(db)
    create_or_migrate(db)
    fill_journal(db, rows)
    db.close()


def fill_journal(db: sqlite3.Connection, rows: Iterator[Row], *, max_kinds: int = MAX_KINDS) -> None:
    """Write the rows of these objects."""
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    places: dict[str, int] = {
        name: number for number, name in db.execute("SELECT id, name FROM destinations")
    }
    kinds: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.destination not in places:
            places[row.destination] = len(places) + 1
            db.execute("INSERT INTO destinations VALUES (?, ?)", (places[row.destination], row.destination))
        pair = (row.sop_class, row.calling_ae)
        if pair not in kinds and len(kinds) < max_kinds:
            kinds[pair] = len(kinds) + 1
            db.execute("INSERT INTO kinds VALUES (?, ?, ?)", (kinds[pair], *pair))
        _insert(db, row, places[row.destination], kinds.get(pair, 0))
    db.execute("COMMIT")


def _insert(db: sqlite3.Connection, row: Row, place: int, kind: int) -> None:
    data = data_of(row)[: row.size]
    gone = row.state in (S.RELEASED, S.DISCARDED)
    db.execute(
        "INSERT INTO objects (number, sop_class_uid, sop_instance_uid, transfer_syntax_uid, listener, "
        "address, calling_ae, called_ae, association, priority, digest, size, received_at, place, "
        "data_offset) VALUES (?, ?, ?, ?, 'console', '192.0.2.20', ?, 'ARIA', 'a1', ?, ?, ?, ?, ?, 0)",
        (
            row.number, row.sop_class, row.instance_uid, EXPLICIT, row.calling_ae, int(row.priority),
            hashlib.sha256(data).digest(), row.size, row.received_at, 2 if gone else 0,
        ),
    )  # fmt: skip
    if not gone:
        db.execute("INSERT INTO inline VALUES (?, ?)", (row.number, data))
    db.execute(
        "INSERT INTO deliveries (number, object, destination, priority, size, state, waiting, reason, cause, "
        "updated_at, sender, kind, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.number, row.number, place, int(row.priority), row.size, CODE[row.state], row.waiting,
            row.reason, row.cause, row.received_at, row.calling_ae if row.state in UNDELIVERED else "", kind,
            row.received_at,
        ),
    )  # fmt: skip
