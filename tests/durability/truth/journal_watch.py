"""The journal looked at after each of its commits: every state that anybody could ever see.

A delivery is in one row, in one documented state, and came there by a documented move that somebody had
reason for: the centre answered, a person asked, the process ended. Rows never vanish before they are
finished.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model import DeliveryState, Priority
from gateway.spool.files import Files
from gateway.spool.states import FINISHED, TRANSITIONS, from_code
from tests.durability.truth.findings import Findings

S = DeliveryState
MOVES = {(before, after) for (before, _), after in TRANSITIONS.items()} | {(S.SENDING, S.CONFIRMED)}

_ROWS = (
    "SELECT d.number, d.object, n.name, d.priority, d.state, d.waiting, d.not_before, d.attempts, d.cause, "
    "o.place, o.sop_instance_uid, o.digest FROM deliveries d JOIN objects o ON o.number = d.object "
    "JOIN destinations n ON n.id = d.destination"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One delivery as the last commit left it. `since`: when it came into this state (loop time).

    `due_at`: when it is to go, by the loop's clock, whatever is done to the other one meanwhile.
    """

    object: int
    destination: str
    priority: Priority
    state: S
    waiting: int
    not_before: float
    attempts: int
    cause: str
    place: int
    uid: str
    digest: bytes
    since: float
    due_at: float


@dataclass
class Reasons:
    """Why a delivery may change its state, as those outside the gateway know it."""

    kept: dict[str, set[tuple[str, bytes]]] = field(default_factory=dict)
    """Destination -> (SOP Instance UID, digest) that it has taken."""
    asked: dict[str, set[int]] = field(default_factory=dict)
    """What a person asked for ("hold", "release", "retry", "discard", "confirm") -> deliveries."""
    expiring: bool = False  # the daily round is under way
    letting_go: bool = False  # everything that is held is being let go
    hurt: dict[int, set[str]] = field(default_factory=dict)
    """Delivery -> causes for which its destination made it fail."""

    def ask(self, what: str, number: int) -> None:
        self.asked.setdefault(what, set()).add(number)

    def was_asked(self, number: int, *what: str) -> bool:
        return any(number in self.asked.get(one, ()) for one in what)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Loop time, which only goes on, and wall-clock time, which people set."""

    now: Callable[[], float]
    wall: Callable[[], float]


class JournalWatch:
    """`look` is called on the journal's thread after each commit."""

    def __init__(self, clocks: Clocks, findings: Findings, reasons: Reasons) -> None:
        self._clocks = clocks
        self._findings = findings
        self._reasons = reasons
        self.rows: dict[int, Seen] = {}
        self.became_due: dict[int, float] = {}
        """Of what was claimed: since when it had been due (loop time)."""
        self.forgotten: set[tuple[str, bytes, str]] = set()
        """(SOP Instance UID, digest, destination) whose rows were dropped after they were finished."""
        self.commits = 0

    def due_since(self, seen: Seen) -> float | None:
        """When a queued delivery became due (loop time); None: it is not."""
        if not seen.waiting:
            return seen.since
        now, over = self._clocks.now(), self._clocks.wall() - seen.not_before
        since = max(seen.since, seen.due_at, now - over)
        return since if since <= now else None

    def look(self, db: sqlite3.Connection) -> None:
        self.commits += 1
        try:
            found = db.execute(_ROWS).fetchall()
        except sqlite3.OperationalError:
            return  # the tables are not made yet
        before = self.rows
        rows = {}
        for number, obj, name, priority, state, waiting, not_before, attempts, cause, *rest in found:
            known = before.get(number)
            reached = from_code(state)
            since = self._clocks.now() if known is None or known.state is not reached else known.since
            if known is not None and known.state is S.QUEUED and (reached is S.SENDING or known.waiting):
                due = self.due_since(known)
                if reached is S.SENDING:
                    self.became_due[number] = since if due is None else due
                elif not waiting:
                    since = self._clocks.now() if due is None else due
            if known is not None and known.not_before == not_before:
                due_at = known.due_at
            else:
                due_at = self._clocks.now() + not_before - self._clocks.wall()
            rows[number] = seen = Seen(
                obj,
                name,
                Priority(priority),
                reached,
                waiting,
                not_before,
                attempts,
                cause,
                *rest,
                since,
                due_at,
            )
            self._judge(number, known, seen)
        for number in before.keys() - rows.keys():
            gone = before[number]
            self.forgotten.add((gone.uid, gone.digest, gone.destination))
            if gone.state not in FINISHED:
                self._findings.wrong(f"delivery {number} vanished while it was {gone.state}")
        self.rows = rows

    def _judge(self, number: int, known: Seen | None, seen: Seen) -> None:
        if known is None:
            if seen.state not in (S.QUEUED, S.HELD):
                self._findings.wrong(f"delivery {number} began as {seen.state}")
        elif known.state is not seen.state:
            if (known.state, seen.state) not in MOVES:
                self._findings.wrong(f"delivery {number} went from {known.state} to {seen.state}")
            if not self._justified(number, known.state, seen):
                self._findings.wrong(
                    f"delivery {number} went from {known.state} to {seen.state} ({seen.cause!r}), "
                    "and nobody has given reason for it"
                )

    def _justified(self, number: int, before: S, seen: Seen) -> bool:
        reasons = self._reasons
        match before, seen.state:
            case S.SENDING, S.ACCEPTED | S.CONFIRMED:
                return (seen.uid, seen.digest) in reasons.kept.get(seen.destination, ())
            case S.ACCEPTED, S.CONFIRMED:
                return reasons.was_asked(number, "confirm")
            case S.SENDING, S.HELD:
                return seen.cause in reasons.hurt.get(number, ())
            case S.QUEUED, S.HELD:
                return reasons.was_asked(number, "hold")
            case S.HELD, S.QUEUED:
                return reasons.letting_go or reasons.was_asked(number, "release", "retry")
            case S.ACCEPTED | S.CONFIRMED, S.QUEUED:
                return reasons.was_asked(number, "retry")
            case _, S.DISCARDED:
                return reasons.was_asked(number, "discard")
            case _, S.RELEASED:
                return reasons.expiring
        return (before, seen.state) in {(S.QUEUED, S.SENDING), (S.SENDING, S.QUEUED)}

    def of(self, destination: str, *states: S) -> dict[int, Seen]:
        """The deliveries to `destination` in `states`."""
        return {
            number: one
            for number, one in self.rows.items()
            if one.destination == destination and one.state in states
        }


class WatchedFiles(Files):
    """The real filesystem without waiting for the disk (power cuts are others' business), and watched."""

    def __init__(self, watch: JournalWatch) -> None:
        self._watch = watch

    def sync(self, descriptor: int) -> None:
        pass

    def sync_directory(self, path: Path) -> None:
        pass

    def fill_empty(self, path: Path, size: int) -> None:
        pass

    def connect(self, path: Path) -> sqlite3.Connection:
        watch = self._watch

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Sequence[object] = (), /) -> sqlite3.Cursor:
                cursor = super().execute(sql, parameters)  # type: ignore[arg-type]
                if sql == "COMMIT":
                    watch.look(self)
                return cursor

        return sqlite3.connect(
            path, timeout=5.0, isolation_level=None, check_same_thread=False, factory=Connection
        )


def copy_as_after_a_kill(source: Path, target: Path) -> None:
    """Copy what a killed process leaves: the database, then its WAL, which has what the database lacks."""
    names = sorted(path.relative_to(source) for path in source.rglob("*") if path.name != "lock")
    for name in names:
        if (source / name).is_dir():
            (target / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            continue
        (target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # removed by a thread that tidies up
            (target / name).write_bytes((source / name).read_bytes())


def digest_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
