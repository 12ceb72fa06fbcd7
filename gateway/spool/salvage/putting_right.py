"""A new journal from rows that were found here and there: what does not fit together is put right, and told.

An object keeps its deliveries and their states when their rows were readable. What has lost them is held for
a person, for every destination that is known, with the cause `rebuilt`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gateway.dicom.sop_classes import default_priority
from gateway.model import DeliveryState
from gateway.spool.damage import DAMAGED_WORDS, MISSING_WORDS, hold_if_lost, mark_damaged
from gateway.spool.rows import Row
from gateway.spool.salvage.adopt import Foundling, read_data, read_file
from gateway.spool.salvage.report import Named, Progress, RebuildReport
from gateway.spool.salvage.writing import Writer
from gateway.spool.schema import (
    HELD,
    PLACE_DELETED,
    PLACE_FILE,
    PLACE_INLINE,
    PLACE_MISSING,
    STEP_HELD,
    STEP_QUEUED,
)
from gateway.spool.states import UNDELIVERED, Event
from gateway.spool.store import Store
from gateway.spool.transaction import Destinations, Transaction
from gateway.spool.values import CAUSE_REBUILT

Tell = Callable[[Progress], None]

UNKNOWN_DESTINATION = "unknown"
"""Where an object is held for when no destination is known at all."""
_SLICE = 500
_CHUNK = 1 << 20
_REASON = "found again when the journal was rebuilt; whether it was delivered is not known"


class PuttingRight:
    """The steps after the rows were written. All of it within `tx`, which the caller begins and ends."""

    def __init__(
        self,
        tx: Transaction,
        store: Store,
        writer: Writer,
        destinations: Sequence[str],
        report: RebuildReport,
    ) -> None:
        """`destinations`: names from the configuration, for what has lost its own."""
        self._tx = tx
        self._store = store
        self._writer = writer
        self._report = report
        self._destinations = tuple(destinations) or tuple(tx.destinations.names.values())

    def rows(self) -> None:
        """Drop what belongs to nothing; find the objects of data sets and deliveries without one."""
        tx = self._tx
        self._name_destinations()
        for number, data in self._slices(
            "SELECT object, data FROM inline WHERE object > ? "
            "AND object NOT IN (SELECT number FROM objects) ORDER BY object LIMIT 20"
        ):
            self._adopt_data(number, data)
        lost = tx.rows("SELECT number FROM deliveries WHERE object NOT IN (SELECT number FROM objects)")
        self._report.lost_deliveries = sum(number not in self._writer.unsure for (number,) in lost)
        tx.write("DELETE FROM deliveries WHERE object NOT IN (SELECT number FROM objects)")
        tx.write("DELETE FROM comparisons WHERE object NOT IN (SELECT number FROM objects)")
        tx.write(
            "DELETE FROM inline WHERE object NOT IN (SELECT number FROM objects WHERE place NOT IN (?, ?))",
            PLACE_FILE,
            PLACE_DELETED,
        )
        tx.write(
            "DELETE FROM step_data WHERE NOT EXISTS (SELECT 1 FROM steps s WHERE s.number = step "
            "AND s.size = length(data) AND s.state IN (?, ?))",
            STEP_QUEUED,
            STEP_HELD,
        )
        # The age of what came to its end is counted from now when it is not known, never from long ago.
        tx.write("UPDATE deliveries SET since = ? WHERE since <= 0 OR since > ?", tx.age, tx.age)
        # What is told of an object that is gone would be told of the next one that gets its number.
        tx.write("DELETE FROM events WHERE object NOT IN (SELECT number FROM objects)")
        tx.write("DELETE FROM receipts WHERE delivery NOT IN (SELECT number FROM deliveries)")
        # Without its object an arrival says nothing; its site brings it again, and finds the object here.
        tx.write(
            "DELETE FROM arrivals WHERE object NOT IN (SELECT number FROM objects) "
            "OR site NOT IN (SELECT id FROM sites)"
        )

    def files(self, set_aside: Callable[[Path], None], tell: Tell) -> None:
        """Find the objects of files that no row names. `set_aside` takes those that are none."""
        for first, present in self._store.scan():
            named = {
                row[0]
                for row in self._tx.rows(
                    "SELECT file FROM objects WHERE file >= ? AND file < ?", first, first + 1000
                )
            }
            tell(Progress("files", first, 0))
            for file in sorted(present - named):
                self._adopt_file(file, set_aside)

    def contents(self, tell: Tell) -> None:
        """Read every object: what does not have its digest is held and never sent."""
        tx = self._tx
        total = tx.rows(
            "SELECT coalesce(sum(size), 0) FROM objects WHERE place IN (?, ?)", PLACE_INLINE, PLACE_FILE
        )[0][0]
        done = 0
        for number, place, file, offset, size, digest, uid, instance in self._slices(
            "SELECT number, place, file, data_offset, size, digest, sop_class_uid, sop_instance_uid "  # noqa: S608
            f"FROM objects WHERE number > ? AND place IN ({PLACE_INLINE}, {PLACE_FILE}) "
            f"ORDER BY number LIMIT {_SLICE}"
        ):
            if place == PLACE_INLINE:
                found = self._inline(number)
            else:
                found = digest_of_file(self._store.path(file), offset, size)
            if found == digest:
                self._report.objects += 1
            elif found is None:
                self._lose(number)
                words = MISSING_WORDS if place == PLACE_FILE else "its bytes are gone"
                self._report.name(Named("missing", number, uid, instance, words))
            else:
                mark_damaged(tx, number)
                self._report.name(Named("damaged", number, uid, instance, DAMAGED_WORDS))
            done += size
            tell(Progress("objects", done, total))

    def deliveries(self) -> None:
        """Hold what has lost its deliveries, and what has lost the name of its destination."""
        tx = self._tx
        for number, uid, instance in self._slices(
            "SELECT number, sop_class_uid, sop_instance_uid FROM objects WHERE number > ? "  # noqa: S608
            f"AND place <> {PLACE_DELETED} AND number NOT IN (SELECT object FROM deliveries) "
            f"ORDER BY number LIMIT {_SLICE}"
        ):
            self._hold_for_all(number, _REASON)
            hold_if_lost(tx, number)
            self._report.name(Named("rebuilt", number, uid, instance, _REASON))
        self._report.deliveries = tx.rows("SELECT count(*) FROM deliveries")[0][0]

    # pieces

    def _slices(self, sql: str) -> Iterator[Row]:
        after = 0
        while rows := self._tx.rows(sql, after):
            yield from rows
            after = rows[-1][0]

    def _name_destinations(self) -> None:
        tx = self._tx
        for (number,) in tx.rows(
            "SELECT DISTINCT destination FROM deliveries "
            "WHERE destination NOT IN (SELECT id FROM destinations)"
        ):
            # With one destination in all there is no doubt which it was.
            only = len(self._destinations) == 1 and tx.destinations.find(self._destinations[0]) is None
            name = self._destinations[0] if only else f"{UNKNOWN_DESTINATION}-{number}"
            tx.write("INSERT INTO destinations (id, name) VALUES (?, ?)", number, name)
            tx.destinations = Destinations(tx.db)

    def _adopt_data(self, number: int, data: bytes) -> None:
        found = read_data(data)
        if found is None:
            self._report.name(
                Named("lost", number, "", "", "its bytes are here, and do not say what they are")
            )
            return
        self._add(found, number, None)
        waiting = self._tx.deliveries_of(number)
        for one in waiting:
            if one.state in UNDELIVERED and one.state is not DeliveryState.SENDING:
                self._tx.move(one, Event.LOSE, reason=_REASON, cause=CAUSE_REBUILT)
        if waiting:  # what has none is told of with its like
            uids = (found.instance.sop_class_uid, found.instance.sop_instance_uid)
            self._report.name(Named("rebuilt", number, *uids, _REASON))

    def _adopt_file(self, file: int, set_aside: Callable[[Path], None]) -> None:
        path = self._store.path(file)
        try:
            if path.stat().st_size == 0:
                return  # a spare
            found = read_file(path)
        except OSError as error:
            self._report.name(Named("lost", 0, "", "", f"file {path.name} cannot be read: {error.strerror}"))
            set_aside(path)
            return
        if found is None:
            self._report.name(Named("set-aside", 0, "", "", f"file {path.name} is no DICOM file"))
            set_aside(path)
            return
        number = self._add(found, None, file)
        words = f"{_REASON}; {found.words}"
        self._hold_for_all(number, words)
        uids = (found.instance.sop_class_uid, found.instance.sop_instance_uid)
        self._report.name(Named("rebuilt", number, *uids, words))

    def _add(self, found: Foundling, number: int | None, file: int | None) -> int:
        return add(self._tx, found, number, file)

    def _hold_for_all(self, number: int, reason: str) -> None:
        hold_for_all(self._tx, number, self._destinations or (UNKNOWN_DESTINATION,), reason)

    def _lose(self, number: int) -> None:
        self._tx.write("UPDATE objects SET place = ? WHERE number = ?", PLACE_MISSING, number)
        self._tx.write("DELETE FROM comparisons WHERE object = ?", number)
        hold_if_lost(self._tx, number)

    def _inline(self, number: int) -> bytes | None:
        row = self._tx.one("SELECT data FROM inline WHERE object = ?", number)
        return None if row is None else hashlib.sha256(row[0]).digest()


def hold_for_all(tx: Transaction, number: int, destinations: Sequence[str], reason: str) -> None:
    """Hold an object for each of these destinations: where it was to go nobody knows."""
    priority, size, received_at, sender, sop_class = tx.rows(
        "SELECT priority, size, received_at, calling_ae, sop_class_uid FROM objects WHERE number = ?", number
    )[0]
    for name in destinations:
        tx.write(
            "INSERT INTO deliveries (object, destination, priority, size, state, cause, reason, updated_at, "
            "since, sender, kind, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            number,
            tx.destinations.number(tx.db, name),
            priority,
            size,
            HELD,
            CAUSE_REBUILT,
            reason,
            tx.now,
            tx.age,
            sender,
            tx.kinds.number(tx.db, sop_class, sender),
            received_at,
        )
    tx.tell(number, "rebuilt", reason)


def digest_of_file(path: Path, offset: int, size: int) -> bytes | None:
    """The digest of an object's file; empty when it cannot be read or has another size; None: no file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as opened:
            opened.seek(offset)
            while size > 0 and (chunk := opened.read(min(size, _CHUNK))):
                digest.update(chunk)
                size -= len(chunk)
            if size or opened.read(1):
                return b""
    except FileNotFoundError:
        return None
    except OSError:
        return b""
    return digest.digest()


def add(tx: Transaction, found: Foundling, number: int | None, file: int | None) -> int:
    """Write the row of an object that had none; return its number."""
    instance = found.instance
    cursor = tx.db.execute(
        "INSERT INTO objects (number, sop_class_uid, sop_instance_uid, transfer_syntax_uid, listener, "
        "address, calling_ae, called_ae, association, priority, digest, size, received_at, place, file, "
        "data_offset) VALUES (?, ?, ?, ?, '', '', ?, 'UNKNOWN', '', ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            instance.sop_class_uid,
            instance.sop_instance_uid,
            instance.transfer_syntax_uid,
            found.calling_ae,
            int(default_priority(instance.sop_class_uid)),
            found.digest,
            found.size,
            found.at or tx.now,
            PLACE_INLINE if file is None else PLACE_FILE,
            file,
            found.data_offset,
        ),
    )
    return int(cursor.lastrowid or 0)
