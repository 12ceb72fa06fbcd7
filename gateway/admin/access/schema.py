"""The tables of the page's own database, and how to get from one version to the next.

    meta      secrets of this device, by name
    users     accounts; `key`: the name as it is compared; `start_until`: set while it has a start password
    sessions  who is signed in where: the token only as its SHA-256; times by the wall clock, epoch seconds
    audit     entries the gateway has not taken yet, in order, as JSON

Nothing in it is about patients.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

APPLICATION_ID = 0x44454741  # "DEGA"

_VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL, key TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  password TEXT NOT NULL, start_until REAL,
  disabled INTEGER NOT NULL DEFAULT 0,
  language TEXT NOT NULL DEFAULT '',
  created_at REAL NOT NULL, created_by TEXT NOT NULL, last_sign_in REAL
) STRICT;

CREATE TABLE sessions (
  token BLOB PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  user INTEGER NOT NULL REFERENCES users (number) ON DELETE CASCADE,
  started_at REAL NOT NULL, seen_at REAL NOT NULL,
  address TEXT NOT NULL, browser TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (user);

CREATE TABLE audit (number INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL) STRICT;
"""

MIGRATIONS: Sequence[str] = (_VERSION_1,)
"""MIGRATIONS[n] leads from version n to n + 1."""


def version_of(db: sqlite3.Connection) -> int:
    """Return the version of an existing database. sqlite3.DatabaseError when it is not one of ours."""
    application = int(db.execute("PRAGMA application_id").fetchone()[0])
    if application != APPLICATION_ID:
        raise sqlite3.DatabaseError("this is not the database of the page")
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection, version: int, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the database from `version` to the newest; each step is one transaction."""
    for step in range(version, len(migrations)):
        db.executescript(
            f"BEGIN IMMEDIATE; {migrations[step]}; PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {step + 1}; COMMIT;"
        )
