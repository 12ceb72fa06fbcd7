"""What the real spool finds on a disk: opened, asked, closed, opened again, and used.

What must hold whatever was said before the power went is checked here, and raises Broken; what depends on
that is in the answer, for check.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import LocalError
from gateway.notices import Alarm, Notice, Notices
from gateway.spool import DeliveryRow, Job, Spool
from tests.durability.crash_points import small
from tests.durability.crash_points.room import FILE, INLINE, LIMITS
from tests.durability.disk.disk import Disk
from tests.durability.disk.materialize import materialize
from tests.support.spooling import content, store

_NEW = 900_000
"""Objects that are put in after the recovery have numbers from here on (in their UIDs)."""
GONE = frozenset({"released", "discarded"})
"""The bytes of a delivery in such a state may have been deleted."""

_TAIL_GONE = "its WAL) is gone"


def _ordinary(alarm: Alarm) -> bool:
    """Whether an alarm may be raised after a power cut: a conflict was sent, or a transaction was torn.

    That the WAL is gone, or shorter than it was, is said of a damaged disk only: it was made durable first.
    """
    if alarm.code == "spool.journal-tail":
        return _TAIL_GONE not in alarm.text
    return alarm.code == "spool.conflict"


class Broken(AssertionError):
    """The spool is wrong whatever was said before."""


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery, and the object it carries."""

    object: int
    uid: str
    digest: str  # hex
    size: int
    delivery: int
    destination: str
    state: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is there after recovery. Everything in it is whole."""

    rows: tuple[Row, ...]
    steps: tuple[tuple[int, str, str], ...]  # number, state, digest of the data ("" when finished)
    commitments: tuple[tuple[str, str], ...]  # transaction UID, state
    leftovers: int
    requeued: int


class Site:
    """A place for one state after the other, and the event loop the spool runs in. A context manager."""

    def __init__(self, folder: Path | None = None) -> None:
        place = folder or (Path("/dev/shm") if Path("/dev/shm").is_dir() else None)
        self._place = Path(tempfile.mkdtemp(prefix="crash-states-", dir=place))
        self._runner = asyncio.Runner()
        self._small = contextlib.ExitStack()
        self._small.enter_context(small.fillings())
        self._count = 0

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self._small.close()
        self._runner.close()
        shutil.rmtree(self._place, ignore_errors=True)

    @contextlib.contextmanager
    def holding(self, disk: Disk, under: str) -> Iterator[Path]:
        """Have what is below `under` in a directory."""
        self._count += 1
        directory = self._place / str(self._count)
        directory.mkdir()
        try:
            materialize(disk, directory, under.rpartition("/")[0])
            yield directory / under.rpartition("/")[2]
        finally:
            shutil.rmtree(directory)

    def observe(self, disk: Disk, under: str) -> Found:
        """Return what the spool finds there. Raises Broken."""
        with self.holding(disk, under) as directory:
            return self._runner.run(_observe(directory))


async def _observe(directory: Path) -> Found:
    said: list[Notice] = []
    spool = _open(directory, said)
    try:
        found = await _look(spool)
    finally:
        await spool.close()
    alarms = [one.text for one in said if isinstance(one, Alarm) and not _ordinary(one)]
    if alarms:
        raise Broken(f"the recovery raises alarms: {alarms}")
    _check_database(directory)
    again = _open(directory, said)
    try:
        second = await _look(again)
        _same(found, second)
        await _deliver(again, second)
        await _go_on(again, second)
    finally:
        await again.close()
    return found


def _open(directory: Path, said: list[Notice]) -> Spool:
    notices = Notices()
    notices.subscribe(said.append)
    try:
        return Spool.open(directory, LIMITS, notices=notices)
    except LocalError as error:
        raise Broken(f"the spool does not open: {error} ({error.__cause__})") from error


async def _look(spool: Spool) -> Found:
    """Read everything: each object that has its bytes is read whole."""
    listed: list[DeliveryRow] = []
    while page := await spool.list_deliveries(after=listed[-1].delivery.number if listed else None):
        listed += page
    rows = tuple(
        Row(
            row.object.number,
            row.object.instance.sop_instance_uid,
            row.object.digest.hex(),
            row.object.size,
            row.delivery.number,
            row.delivery.destination,
            row.delivery.state.value,
        )
        for row in listed
    )
    kept: dict[int, list[Row]] = {}
    for row in rows:
        kept.setdefault(row.object, []).append(row)
    whole = {number: own[0] for number, own in kept.items() if any(row.state not in GONE for row in own)}
    for number, row in whole.items():
        _check_bytes(spool, number, row)
    summary = await spool.summary()
    counted = Counter(
        (cell.destination, cell.state.value) for cell in summary.cells for _ in range(cell.count)
    )
    if counted != Counter((row.destination, row.state) for row in rows):
        raise Broken(f"the summary counts {counted}, which is not what is listed")
    if (summary.objects, summary.bytes) != (len(whole), sum(row.size for row in whole.values())):
        raise Broken(
            f"the summary counts {summary.objects} objects of {summary.bytes} bytes, not {len(whole)}"
        )
    if spool.recovery.missing or spool.recovery.objects != len(whole):
        raise Broken(f"the recovery reports {spool.recovery}, with {len(whole)} objects here")
    if any(row.state == "sending" for row in rows):
        raise Broken("something is being sent right after the start")
    waiting = {row.number: row for row in await spool.next_steps("oncology", 100)}
    steps = tuple(
        (
            row.number,
            row.state.value,
            hashlib.sha256(waiting[row.number].step.data).hexdigest() if row.number in waiting else "",
        )
        for row in await spool.list_steps()
    )
    commitments = tuple((row.transaction_uid, row.state.value) for row in await spool.list_commitments(1000))
    report = spool.recovery
    return Found(rows, steps, commitments, report.leftovers, report.requeued)


def _check_bytes(spool: Spool, number: int, row: Row) -> None:
    digest = hashlib.sha256()
    try:
        with spool.open_data(number) as reader:
            while chunk := reader.read(1 << 20):
                digest.update(chunk)
    except LocalError as error:
        raise Broken(f"object {number} cannot be read: {error}") from error
    if digest.hexdigest() != row.digest:
        raise Broken(f"object {number} is torn: its bytes are not those of its digest")


def _check_database(directory: Path) -> None:
    """Closed in order: one file, that SQLite finds nothing wrong with, and counters that count."""
    db = sqlite3.connect(directory / "journal.db")
    try:
        [(verdict,)] = db.execute("PRAGMA integrity_check(1)").fetchall()
        counted = db.execute(
            "SELECT state, destination, priority, sum(count), sum(bytes) FROM counters WHERE subject = 0 "
            "GROUP BY 1, 2, 3 HAVING sum(count) > 0 ORDER BY 1, 2, 3"
        ).fetchall()
        rows = db.execute(
            "SELECT state, destination, priority, count(*), sum(size) FROM deliveries "
            "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        ).fetchall()
    except sqlite3.Error as error:
        raise Broken(f"the journal cannot be read: {error}") from error
    finally:
        db.close()
    if verdict != "ok":
        raise Broken(f"the journal is damaged: {verdict}")
    if counted != rows:
        raise Broken(f"the counters say {counted}, the rows {rows}")


def _same(found: Found, second: Found) -> None:
    if (found.rows, found.steps, found.commitments) != (second.rows, second.steps, second.commitments):
        raise Broken("opened a second time, the spool has another answer")
    if second.leftovers or second.requeued:
        raise Broken(
            f"opened a second time, it still finds {second.leftovers} leftovers, {second.requeued} sent"
        )


async def _deliver(spool: Spool, found: Found) -> None:
    """Everything that is queued is offered, in order, with the bytes it was received with."""
    for destination in {row.destination for row in found.rows}:
        jobs: list[Job] = []
        while some := await spool.claim(destination, 100):
            jobs += some
        queued = [row for row in found.rows if row.state == "queued" and row.destination == destination]
        if sorted(job.delivery.number for job in jobs) != sorted(row.delivery for row in queued):
            raise Broken(f"of {len(queued)} deliveries that are queued {len(jobs)} are offered")
        for job in jobs:
            if job.data is not None and hashlib.sha256(job.data).digest() != job.object.digest:
                raise Broken(f"object {job.object.number} is offered with other bytes than it has")


async def _go_on(spool: Spool, found: Found) -> None:
    """The spool takes new objects, under numbers that were never used."""
    for number, size in ((_NEW, INLINE), (_NEW + 1, FILE)):
        try:
            stored = await store(spool, content(number, size), number)
        except LocalError as error:
            raise Broken(f"the spool takes nothing new: {error}") from error
        if stored.number <= max((row.object for row in found.rows), default=0):
            raise Broken(f"a new object got number {stored.number}, which was used before")
        _check_bytes(spool, stored.number, Row(stored.number, "", stored.digest.hex(), size, 0, "", ""))
