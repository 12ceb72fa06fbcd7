"""Versions of the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import SpoolFailure
from gateway.spool.schema import MIGRATIONS, configure, create_or_migrate


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    configure(connection)
    yield connection
    connection.close()


def version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_a_new_journal_has_the_newest_version(db: sqlite3.Connection) -> None:
    create_or_migrate(db)
    assert version(db) == len(MIGRATIONS)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert db.execute("PRAGMA secure_delete").fetchone() == (1,)
    assert db.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    create_or_migrate(db)


def test_an_older_one_is_brought_up_step_by_step(db: sqlite3.Connection) -> None:
    create_or_migrate(db)
    steps = (*MIGRATIONS, "CREATE TABLE second (a)", "ALTER TABLE second ADD COLUMN b")
    create_or_migrate(db, steps)
    assert version(db) == len(steps)
    assert [row[1] for row in db.execute("PRAGMA table_info(second)")] == ["a", "b"]


def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path, db: sqlite3.Connection) -> None:
    create_or_migrate(db)
    with pytest.raises(sqlite3.Error):
        create_or_migrate(db, (*MIGRATIONS, "CREATE TABLE second (a); INSERT INTO nowhere VALUES (1)"))
    db.close()
    again = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    assert version(again) == len(MIGRATIONS)
    assert again.execute("SELECT count(*) FROM sqlite_master WHERE name = 'second'").fetchone() == (0,)
    again.close()


def test_a_newer_one_is_refused(db: sqlite3.Connection) -> None:
    create_or_migrate(db)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(SpoolFailure, match="newer version"):
        create_or_migrate(db)


def test_another_programs_database_is_refused(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE theirs (a)")
    with pytest.raises(SpoolFailure, match="other program"):
        create_or_migrate(db)


def test_counters_follow_every_change(db: sqlite3.Connection) -> None:
    create_or_migrate(db)

    def counters() -> list[tuple[int, int, int]]:
        return db.execute(
            "SELECT state, count, bytes FROM counters WHERE subject = 0 AND count > 0 ORDER BY state"
        ).fetchall()

    sql = (
        "INSERT INTO deliveries (object, destination, priority, size, state, updated_at) "
        "VALUES (1, 1, 0, ?, 0, 0)"
    )
    db.execute(sql, (10,))
    db.execute(sql, (5,))
    assert counters() == [(0, 2, 15)]
    db.execute("UPDATE deliveries SET state = 1 WHERE size = 5")
    assert counters() == [(0, 1, 10), (1, 1, 5)]
    db.execute("UPDATE deliveries SET reason = 'x'")
    assert counters() == [(0, 1, 10), (1, 1, 5)]
    db.execute("DELETE FROM deliveries WHERE size = 10")
    assert counters() == [(1, 1, 5)]
