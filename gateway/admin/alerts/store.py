"""The alerts and the outbox on the disk: an SQLite file in the page's own folder.

Losing it costs the history of alerts and what waits to be told, and nothing else: what is wrong is found
again at the next look. A damaged file is therefore set aside, with a line in the log.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.admin.alerts.book import Alert
from gateway.admin.alerts.conditions import Condition, Kind, Severity
from gateway.admin.alerts.message import Message

_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alert (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    severity INTEGER NOT NULL,
    facts TEXT NOT NULL,
    raised_at REAL NOT NULL,
    seen_at REAL NOT NULL,
    told_at REAL NOT NULL,
    acknowledged_at REAL,
    acknowledged_by TEXT NOT NULL,
    over_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS alert_active ON alert (number) WHERE over_at IS NULL;
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    message TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_channel ON outbox (channel, number);
CREATE TABLE IF NOT EXISTS channel (
    name TEXT PRIMARY KEY,
    told_at REAL,
    failed_at REAL,
    failure TEXT NOT NULL DEFAULT '',
    dropped INTEGER NOT NULL DEFAULT 0
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """What is kept."""

    history: int = 1000  # alerts that are over
    waiting: int = 500  # messages for one channel; the oldest are given up beyond that, and counted


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits for its channel."""

    number: int
    channel: str
    message: Message
    attempts: int


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """How a channel has fared."""

    waiting: int
    told_at: float | None
    failed_at: float | None
    failure: str
    dropped: int


class AlertStore:
    """Blocking, for any thread; one at a time."""

    def __init__(self, path: Path, limits: StoreLimits | None = None) -> None:
        self._limits = limits or StoreLimits()
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError as error:
            aside = path.with_suffix(".damaged")
            path.replace(aside)
            _log.warning("the file of the alerts is damaged (%s); it is set aside as %s", error, aside)
            self._db = _open(path)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def active(self) -> list[Alert]:
        """Return the alerts that are not over."""
        with self._lock:
            return [_alert(row) for row in self._db.execute("SELECT * FROM alert WHERE over_at IS NULL")]

    def next_number(self) -> int:
        """Return a number that no alert has had."""
        with self._lock:
            (highest,) = self._db.execute("SELECT coalesce(max(number), 0) FROM alert").fetchone()
        return int(highest) + 1

    def history(self, before: int | None, limit: int) -> list[Alert]:
        """Return alerts that are over, the newest first, those with a number below `before`."""
        query = "SELECT * FROM alert WHERE over_at IS NOT NULL AND number < ? ORDER BY number DESC LIMIT ?"
        with self._lock:
            return [_alert(row) for row in self._db.execute(query, (before or 2**62, limit))]

    def keep(
        self, alerts: Iterable[Alert], messages: Iterable[Message] = (), channels: Sequence[str] = ()
    ) -> None:
        """Write alerts, and a message for each channel, in one go; forget what is too old or too much."""
        with self._lock, self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(alert) for alert in alerts],
            )
            for message in messages:
                self._db.executemany(
                    "INSERT INTO outbox (channel, message) VALUES (?, ?)",
                    [(channel, message.dump()) for channel in channels],
                )
            self._db.execute(
                "DELETE FROM alert WHERE over_at IS NOT NULL AND number NOT IN "
                "(SELECT number FROM alert WHERE over_at IS NOT NULL ORDER BY number DESC LIMIT ?)",
                (self._limits.history,),
            )
            for channel in channels:
                self._bound(channel)

    def waiting(self, channel: str) -> Waiting | None:
        """Return the message that is next for `channel`."""
        query = "SELECT number, message, attempts FROM outbox WHERE channel = ? ORDER BY number LIMIT 1"
        with self._lock:
            row = self._db.execute(query, (channel,)).fetchone()
        return None if row is None else Waiting(row[0], channel, Message.load(row[1]), row[2])

    def told(self, waiting: Waiting, at: float) -> None:
        """The channel took it."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM outbox WHERE number = ?", (waiting.number,))
            self._db.execute(
                "INSERT INTO channel (name, told_at) VALUES (?1, ?2) "
                "ON CONFLICT (name) DO UPDATE SET told_at = ?2",
                (waiting.channel, at),
            )

    def failed(self, waiting: Waiting, at: float, reason: str) -> None:
        """The channel did not take it; it stays."""
        with self._lock, self._db:
            self._db.execute(
                "UPDATE outbox SET attempts = attempts + 1, reason = ? WHERE number = ?",
                (reason, waiting.number),
            )
            self._db.execute(
                "INSERT INTO channel (name, failed_at, failure) VALUES (?1, ?2, ?3) "
                "ON CONFLICT (name) DO UPDATE SET failed_at = ?2, failure = ?3",
                (waiting.channel, at, reason),
            )

    def record(self, channel: str) -> ChannelRecord:
        """Return how `channel` has fared."""
        with self._lock:
            (count,) = self._db.execute(
                "SELECT count(*) FROM outbox WHERE channel = ?", (channel,)
            ).fetchone()
            row = self._db.execute(
                "SELECT told_at, failed_at, failure, dropped FROM channel WHERE name = ?", (channel,)
            ).fetchone()
        return ChannelRecord(count, *(row or (None, None, "", 0)))

    def _bound(self, channel: str) -> None:
        query = (
            "DELETE FROM outbox WHERE channel = ?1 AND number NOT IN "
            "(SELECT number FROM outbox WHERE channel = ?1 ORDER BY number DESC LIMIT ?2)"
        )
        dropped = self._db.execute(query, (channel, self._limits.waiting)).rowcount
        if dropped:
            self._db.execute(
                "INSERT INTO channel (name, dropped) VALUES (?1, ?2) "
                "ON CONFLICT (name) DO UPDATE SET dropped = dropped + ?2",
                (channel, dropped),
            )


def _open(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600, exist_ok=True)
    db = sqlite3.connect(path, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA quick_check(1)")  # raises when the file is none of SQLite's
        db.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def _row(alert: Alert) -> tuple[object, ...]:
    condition = alert.condition
    return (
        alert.number,
        condition.kind.value,
        condition.subject,
        int(condition.severity),
        json.dumps(dict(condition.values)),
        alert.raised_at,
        alert.seen_at,
        alert.told_at,
        alert.acknowledged_at,
        alert.acknowledged_by,
        alert.over_at,
    )


def _alert(row: Sequence[Any]) -> Alert:
    number, kind, subject, severity, facts, raised, seen, told, known_at, known_by, over = row
    condition = Condition(Kind(kind), Severity(severity), str(subject), json.loads(str(facts)))
    return Alert(
        number=number,
        condition=condition,
        raised_at=raised,
        seen_at=seen,
        told_at=told,
        acknowledged_at=known_at,
        acknowledged_by=known_by,
        over_at=over,
    )
