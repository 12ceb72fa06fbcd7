"""The tables of the journal (FORMAT.md) and how to get from one version to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from gateway.errors import SpoolFailure
from gateway.model import DeliveryState
from gateway.spool.states import CODE
from gateway.spool.step_states import STEP_CODE
from gateway.spool.step_values import StepState

APPLICATION_ID = 0x44454757  # "DEGW"

PLACE_INLINE = 0
PLACE_FILE = 1
PLACE_DELETED = 2
PLACE_MISSING = 3
PLACE_DAMAGED = 4

SUBJECT_DELIVERY = 0
SUBJECT_OBJECT = 1

QUEUED = CODE[DeliveryState.QUEUED]
SENDING = CODE[DeliveryState.SENDING]
ACCEPTED = CODE[DeliveryState.ACCEPTED]
CONFIRMED = CODE[DeliveryState.CONFIRMED]
HELD = CODE[DeliveryState.HELD]
RELEASED = CODE[DeliveryState.RELEASED]
DISCARDED = CODE[DeliveryState.DISCARDED]

# deliveries.waiting
WAIT_NONE = 0
WAIT_DUE = 1  # queued: not before not_before
WAIT_PUT_OFF = 2  # accepted: its commitment was asked for, and may be again from not_before on
WAIT_ASKED = 3  # accepted: its commitment has been asked for, the answer is awaited
WAIT_AT_HUB = 4  # accepted: a hub has it durably, what its destination says is awaited

# commitment_items.state
ITEM_WAITING = 0  # not accepted at the destination yet
ITEM_READY = 1  # to be asked about
ITEM_ASKED = 2  # in an open ask
ITEM_COMMITTED = 3
ITEM_FAILED = 4

# commitments.state
COMMITMENT_OPEN = 0
COMMITMENT_REPORTING = 1
COMMITMENT_REPORTED = 2
COMMITMENT_GIVEN_UP = 3

# asks.state
ASK_OPEN = 0
ASK_PUT_OFF = 1
ASK_ANSWERED = 2

MAX_KINDS = 1000
"""Pairs of SOP class and calling AE title that get a number: what has none is still found, more slowly."""

RECORD_CLASSES_SQL = "sop_class_uid IN ({})".format(
    ", ".join(f"'1.2.840.10008.5.1.4.1.1.481.{number}'" for number in (4, 6, 7, 9, 16, 17, 18, 19, 20))
)
"""Treatment records, as the index objects_records has them: a class that joins them needs a new version."""

STEP_QUEUED = STEP_CODE[StepState.QUEUED]
STEP_HELD = STEP_CODE[StepState.HELD]

_COUNT = """
  INSERT INTO counters VALUES ({subject}, {state}, {destination}, {row}.priority, {sign}1, {sign}{row}.size)
  ON CONFLICT DO UPDATE SET count = count {sign} 1, bytes = bytes {sign} {row}.size;
"""


def _triggers(table: str, subject: int, state: str, destination: str) -> str:
    def count(row: str, sign: str) -> str:
        return _COUNT.format(
            subject=subject,
            state=f"{row}.{state}",
            destination=destination.format(row=row),
            row=row,
            sign=sign,
        )

    return f"""
CREATE TRIGGER {table}_added AFTER INSERT ON {table} BEGIN {count("new", "+")} END;
CREATE TRIGGER {table}_moved AFTER UPDATE OF {state} ON {table} WHEN old.{state} <> new.{state} BEGIN
  {count("old", "-")} {count("new", "+")}
END;
CREATE TRIGGER {table}_gone AFTER DELETE ON {table} BEGIN {count("old", "-")} END;
"""


_VERSION_1 = f"""
CREATE TABLE destinations (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE objects (
  number INTEGER PRIMARY KEY,
  sop_class_uid TEXT NOT NULL, sop_instance_uid TEXT NOT NULL, transfer_syntax_uid TEXT NOT NULL,
  listener TEXT NOT NULL, address TEXT NOT NULL, calling_ae TEXT NOT NULL, called_ae TEXT NOT NULL,
  association TEXT NOT NULL,
  priority INTEGER NOT NULL,
  digest BLOB NOT NULL, size INTEGER NOT NULL, received_at REAL NOT NULL,
  place INTEGER NOT NULL, file INTEGER, data_offset INTEGER NOT NULL,
  same_as INTEGER, deleted_at REAL
) STRICT;
CREATE INDEX objects_by_uid ON objects (sop_instance_uid);
CREATE UNIQUE INDEX objects_by_file ON objects (file) WHERE file IS NOT NULL;
CREATE INDEX objects_deleted ON objects (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE inline (object INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

CREATE TABLE deliveries (
  number INTEGER PRIMARY KEY,
  object INTEGER NOT NULL, destination INTEGER NOT NULL, priority INTEGER NOT NULL, size INTEGER NOT NULL,
  state INTEGER NOT NULL, waiting INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', cause TEXT NOT NULL DEFAULT '',
  updated_at REAL NOT NULL
) STRICT;
CREATE INDEX deliveries_by_object ON deliveries (object);
CREATE INDEX deliveries_in_order ON deliveries (state, destination, waiting, priority);
CREATE INDEX deliveries_waiting ON deliveries (destination, priority, not_before) WHERE waiting = 1;
CREATE INDEX deliveries_done ON deliveries (updated_at) WHERE state IN ({ACCEPTED}, {CONFIRMED});

CREATE TABLE receipts (
  delivery INTEGER NOT NULL, seq INTEGER NOT NULL,
  status INTEGER NOT NULL, comment TEXT NOT NULL, transfer_syntax_uid TEXT NOT NULL,
  digest BLOB NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (delivery, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  object INTEGER NOT NULL, seq INTEGER NOT NULL,
  at REAL NOT NULL, delivery INTEGER NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL,
  who TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (object, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE comparisons (object INTEGER PRIMARY KEY) STRICT;

CREATE TABLE counters (
  subject INTEGER NOT NULL, state INTEGER NOT NULL, destination INTEGER NOT NULL, priority INTEGER NOT NULL,
  count INTEGER NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY (subject, state, destination, priority)
) STRICT, WITHOUT ROWID;
{_triggers("deliveries", SUBJECT_DELIVERY, "state", "{row}.destination")}
{_triggers("objects", SUBJECT_OBJECT, "place", "0")}
"""

_VERSION_2 = f"""
ALTER TABLE deliveries ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN resent INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET sender = (SELECT o.calling_ae FROM objects o WHERE o.number = deliveries.object)
  WHERE state IN ({QUEUED}, {SENDING}, {HELD});
CREATE INDEX deliveries_unsettled ON deliveries (sender, destination, priority, object) WHERE sender <> '';
CREATE INDEX deliveries_put_off ON deliveries (destination, not_before) WHERE waiting = {WAIT_PUT_OFF};

CREATE TABLE commitments (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  transaction_uid TEXT NOT NULL, calling_ae TEXT NOT NULL, called_ae TEXT NOT NULL,
  listener TEXT NOT NULL, address TEXT NOT NULL,
  digest BLOB NOT NULL, items INTEGER NOT NULL, open INTEGER NOT NULL,
  state INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  received_at REAL NOT NULL, resolved_at REAL, finished_at REAL
) STRICT;
CREATE UNIQUE INDEX commitments_by_uid ON commitments (transaction_uid, calling_ae);
CREATE INDEX commitments_unfinished ON commitments (state, received_at, items) WHERE finished_at IS NULL;
CREATE INDEX commitments_due ON commitments (not_before) WHERE state = {COMMITMENT_REPORTING};
CREATE INDEX commitments_finished ON commitments (finished_at, items) WHERE finished_at IS NOT NULL;

CREATE TABLE commitment_items (
  number INTEGER PRIMARY KEY,
  commitment INTEGER NOT NULL, reference INTEGER NOT NULL, place INTEGER NOT NULL,
  destination INTEGER NOT NULL,
  sop_class_uid TEXT NOT NULL, sop_instance_uid TEXT NOT NULL,
  state INTEGER NOT NULL, not_before REAL NOT NULL DEFAULT 0, asked INTEGER NOT NULL DEFAULT 0,
  failure INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX commitment_items_in_order ON commitment_items (commitment, reference, place);
CREATE INDEX commitment_items_unresolved ON commitment_items (sop_instance_uid, destination)
  WHERE state IN ({ITEM_WAITING}, {ITEM_READY}, {ITEM_ASKED});
CREATE INDEX commitment_items_ready ON commitment_items (destination, not_before)
  WHERE state = {ITEM_READY};

CREATE TABLE asks (
  number INTEGER PRIMARY KEY,
  transaction_uid TEXT NOT NULL UNIQUE, destination INTEGER NOT NULL,
  state INTEGER NOT NULL, attempts INTEGER NOT NULL, deadline REAL NOT NULL,
  begun_at REAL NOT NULL, ended_at REAL, reason TEXT NOT NULL DEFAULT '',
  newest INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX asks_open ON asks (deadline) WHERE state = {ASK_OPEN};
CREATE INDEX asks_ended ON asks (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE ask_items (
  ask INTEGER NOT NULL, sop_class_uid TEXT NOT NULL, sop_instance_uid TEXT NOT NULL,
  destination INTEGER NOT NULL, open INTEGER NOT NULL,
  PRIMARY KEY (ask, sop_instance_uid, sop_class_uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX ask_items_open ON ask_items (sop_instance_uid, destination) WHERE open = 1;

CREATE TABLE steps (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  destination INTEGER NOT NULL, sop_class_uid TEXT NOT NULL, sop_instance_uid TEXT NOT NULL,
  kind TEXT NOT NULL, transfer_syntax_uid TEXT NOT NULL, calling_ae TEXT NOT NULL, called_ae TEXT NOT NULL,
  size INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  uncertain INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '', status INTEGER, comment TEXT NOT NULL DEFAULT '',
  who TEXT NOT NULL DEFAULT '', received_at REAL NOT NULL, updated_at REAL NOT NULL, finished_at REAL
) STRICT;
CREATE INDEX steps_unfinished ON steps (destination, number, state, size)
  WHERE state IN ({STEP_QUEUED}, {STEP_HELD});
CREATE INDEX steps_of_instance ON steps (sop_instance_uid, destination)
  WHERE state IN ({STEP_QUEUED}, {STEP_HELD});
CREATE INDEX steps_finished ON steps (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE step_data (step INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
"""  # noqa: S608 - constant numbers

_VERSION_3 = f"""
CREATE TABLE kinds (
  id INTEGER PRIMARY KEY, sop_class_uid TEXT NOT NULL, calling_ae TEXT NOT NULL,
  UNIQUE (sop_class_uid, calling_ae)
) STRICT;
INSERT INTO kinds (sop_class_uid, calling_ae)
  SELECT sop_class_uid, calling_ae FROM objects GROUP BY sop_class_uid, calling_ae LIMIT {MAX_KINDS};

ALTER TABLE deliveries ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN received_at REAL NOT NULL DEFAULT 0;
UPDATE deliveries SET (kind, received_at) = (
  SELECT coalesce(k.id, 0), o.received_at FROM objects o
  LEFT JOIN kinds k ON k.sop_class_uid = o.sop_class_uid AND k.calling_ae = o.calling_ae
  WHERE o.number = deliveries.object);
CREATE INDEX deliveries_by_kind ON deliveries (kind);
CREATE INDEX deliveries_held ON deliveries (destination, cause, number, size) WHERE state = {HELD};

ALTER TABLE events ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN status INTEGER;
ALTER TABLE events ADD COLUMN said TEXT NOT NULL DEFAULT '';
"""  # noqa: S608 - constant numbers

_VERSION_4 = f"""
CREATE INDEX objects_records ON objects (received_at) WHERE {RECORD_CLASSES_SQL};
"""

_VERSION_5 = f"""
CREATE TABLE facts (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

ALTER TABLE deliveries ADD COLUMN since REAL NOT NULL DEFAULT 0;
UPDATE deliveries SET since = updated_at WHERE state IN ({ACCEPTED}, {CONFIRMED});
DROP INDEX deliveries_done;
CREATE INDEX deliveries_done ON deliveries (since) WHERE state IN ({ACCEPTED}, {CONFIRMED});

ALTER TABLE commitments ADD COLUMN since REAL NOT NULL DEFAULT 0;
UPDATE commitments SET since = coalesce(finished_at, resolved_at, received_at);
DROP INDEX commitments_unfinished;
CREATE INDEX commitments_unfinished ON commitments (state, since, items) WHERE finished_at IS NULL;
DROP INDEX commitments_finished;
CREATE INDEX commitments_finished ON commitments (since, items) WHERE finished_at IS NOT NULL;

ALTER TABLE steps ADD COLUMN since REAL;
UPDATE steps SET since = finished_at;
DROP INDEX steps_finished;
CREATE INDEX steps_finished ON steps (since) WHERE since IS NOT NULL;
"""  # noqa: S608 - constant numbers

_VERSION_6 = """
ALTER TABLE receipts ADD COLUMN hub INTEGER NOT NULL DEFAULT 0;

CREATE TABLE sites (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, spool BLOB NOT NULL, reported INTEGER NOT NULL DEFAULT 0,
  UNIQUE (name, spool)
) STRICT;

CREATE TABLE arrivals (
  number INTEGER PRIMARY KEY,
  site INTEGER NOT NULL, delivery INTEGER NOT NULL, digest BLOB NOT NULL, object INTEGER NOT NULL,
  seq INTEGER,
  stage INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0, words TEXT NOT NULL DEFAULT '',
  at REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX arrivals_by_delivery ON arrivals (site, delivery, digest);
CREATE INDEX arrivals_by_object ON arrivals (object);
CREATE UNIQUE INDEX arrivals_to_report ON arrivals (site, seq) WHERE seq IS NOT NULL;

CREATE TABLE early_reports (
  delivery INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL, spool BLOB NOT NULL, digest BLOB NOT NULL,
  stage INTEGER NOT NULL, status INTEGER NOT NULL, words TEXT NOT NULL, at REAL NOT NULL
) STRICT;
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6)
"""What leads from version n to n + 1, in order. Never change one that was released: add another."""


def configure(db: sqlite3.Connection) -> None:
    """Set up the one connection that writes. The first two are remembered by the file."""
    # Only heeded before anything was written. Lets the room of deleted objects be given back.
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    # FULL: in WAL mode a commit returns after the WAL was synced. The writer lowers it for claims alone.
    db.execute("PRAGMA synchronous = FULL")
    # The writer moves the WAL back by itself, outside the path of an answer.
    db.execute("PRAGMA wal_autocheckpoint = 0")
    # Deleted patient data is overwritten, not only unlinked.
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA cache_size = -4096")
    db.execute("PRAGMA temp_store = MEMORY")


def create_or_migrate(db: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the database to the newest version.

    Each step is one transaction: a crash leaves the version before or after it. Raises SpoolFailure when
    the database is not ours or was written by a newer version of the program.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    application = int(db.execute("PRAGMA application_id").fetchone()[0])
    tables = int(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if application != APPLICATION_ID and (tables or application):
        raise SpoolFailure("journal.db is some other program's database")
    if version > len(migrations):
        raise SpoolFailure(
            f"the spool was written by a newer version of this program (format {version}, "
            f"this one knows up to {len(migrations)}): install that version again"
        )
    for step in range(version, len(migrations)):
        db.executescript(
            f"BEGIN IMMEDIATE; {migrations[step]}; PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {step + 1}; COMMIT;"
        )
