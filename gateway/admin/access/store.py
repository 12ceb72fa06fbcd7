"""The page's own database: users, sessions, and what waits for the audit trail.

One SQLite file in [admin] state_dir, mode 0600. Reading is done where one is (a row by its key takes
microseconds); every change is one synced transaction on one thread: the loop never waits for the disk.

**Damage must not open the door.** A database that cannot be read is set aside under another name, never
deleted, and an empty one takes its place; `damage` says so in words. A marker beside the database tells a
first start from a lost file: only a directory without marker *and* without database is a first start. After
damage nobody is let in until a person with access to the device makes a set-up code (setup_code.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time
from typing import TypeVar

from gateway.admin.access.schema import MIGRATIONS, migrate, version_of
from gateway.errors import LocalError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

DATABASE = "access.db"
MARKER = "access.made"
FIRST_START = "first start"  # both in meta, until somebody becomes admin
DAMAGE = "damage"
MAX_WAITING = 64  # changes that wait for the disk; whoever comes then is told to try again
MAX_SET_ASIDE = 5  # damaged databases that are kept


class StoreFailure(LocalError):
    """The page's database cannot be used, or a change could not be saved; the text says why."""


class Store:
    """The open database. Made by `open`; everything but `write` belongs to the event loop's thread."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._waiting = 0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="access-store")
        self._write_db = _connect(path)
        self._read_db = _connect(path)
        self._read_db.execute("PRAGMA query_only = ON")

    @classmethod
    def open(cls, directory: Path, *, clock: Callable[[], float] = time) -> Store:
        """Open or make the database in `directory`. Blocks. StoreFailure in words.

        A damaged database is set aside; one of a newer version of this program is refused, untouched.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _take_lock(directory / MARKER)
        except OSError as error:
            raise StoreFailure(f"the folder of the page {directory} cannot be used: {error}") from error
        try:
            _prepare(directory, lock, clock())
            return cls(directory / DATABASE, lock)
        except (OSError, sqlite3.Error) as error:
            os.close(lock)
            raise StoreFailure(f"the page's database in {directory} cannot be used: {error}") from error
        except StoreFailure:
            os.close(lock)
            raise

    @property
    def first_start(self) -> bool:
        """Whether there has been nobody yet, and nothing was lost: set-up may begin."""
        return self.meta(FIRST_START) is not None

    @property
    def damage(self) -> str:
        """What happened to the users, in words, until there is an admin again. Empty when nothing did."""
        return (self.meta(DAMAGE) or b"").decode()

    def meta(self, name: str) -> bytes | None:
        """Return what is kept under this name."""
        row = self.read(lambda db: db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone())
        return None if row is None else bytes(row[0])

    def read(self, work: Work[T]) -> T:
        """Return what `work` finds. For a few rows: it runs on the event loop."""
        try:
            return work(self._read_db)
        except sqlite3.Error as error:
            raise StoreFailure(f"the page's database cannot be read: {error}") from error

    async def write(self, work: Work[T]) -> T:
        """Do `work` in one transaction; when this returns it is on the disk.

        What `work` raises undoes it. StoreFailure when the disk or the database is at fault, or when too much
        waits.
        """
        if self._waiting >= MAX_WAITING:
            raise StoreFailure("too many changes wait for the disk: try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writer, self._transact, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Finish what waits and close. Blocks."""
        self._writer.shutdown()
        self._read_db.close()
        self._write_db.close()
        os.close(self._lock)

    def _transact(self, work: Work[T]) -> T:
        db = self._write_db
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreFailure(f"the change could not be saved: {error}") from error
        return result


def read_only(directory: Path) -> sqlite3.Connection:
    """Return a connection that only reads, for another process than the page's own. StoreFailure in words."""
    path = directory / DATABASE
    if not path.is_file():
        raise StoreFailure(f"there are no users yet: {path} does not exist")
    try:
        db = _connect(path, wal=False)
        db.execute("PRAGMA query_only = ON")
        version_of(db)
    except (OSError, sqlite3.Error) as error:
        raise StoreFailure(f"the page's database {path} cannot be read: {error}") from error
    return db


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put a file in place whole or not at all, owned like its folder: root may write for the page. Blocks."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(handle, folder.st_uid, folder.st_gid)
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(data)
        os.fsync(handle)
    finally:
        os.close(handle)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Blocks."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _prepare(directory: Path, lock: int, now: float) -> None:
    """Have a sound database in place, which says whether it stands for a first start or for a loss."""
    path = directory / DATABASE
    made_before = os.fstat(lock).st_size > 0
    if path.exists():
        try:
            _check(path)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise  # the disk or a lock, not the content
            aside = _set_aside(path, now)
            _make(path, f"the list of users was damaged ({error}) and has been set aside as {aside.name}")
    else:
        _make(path, "the list of users is missing, although it has been made before" if made_before else "")
    if not made_before:
        os.write(lock, f"The list of users was made at {now:.0f} (epoch). Without this file a lost ".encode())
        os.write(lock, b"list of users would look like a first start.\n")
        os.fsync(lock)
        sync_folder(directory)


def _check(path: Path) -> None:
    """Look the whole database over and bring it to this version. DatabaseError when it is damaged."""
    path.chmod(0o600)
    if path.stat().st_size == 0:
        raise sqlite3.DatabaseError("the file is empty")
    with contextlib.closing(_connect(path, wal=False)) as db:
        version = version_of(db)
        if version > len(MIGRATIONS):
            raise StoreFailure(
                f"the page's database was written by a newer version of this program (format {version}, "
                f"this one knows up to {len(MIGRATIONS)}): install that version again"
            )
        found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        if found != "ok":
            raise sqlite3.DatabaseError(found.splitlines()[-1][:200])
        migrate(db, version)


def _make(path: Path, damage: str) -> None:
    """Make an empty database, for a first start unless there was damage. Under its name it is complete."""
    temporary = path.with_name(path.name + ".new")
    for left_over in (temporary, *_companions(temporary), *_companions(path)):
        left_over.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with contextlib.closing(_connect(temporary, wal=False)) as db:
        migrate(db, 0)
        note = (DAMAGE, damage.encode()) if damage else (FIRST_START, b"1")
        db.execute("INSERT INTO meta VALUES (?, ?)", note)
    temporary.replace(path)
    sync_folder(path.parent)


def _set_aside(path: Path, now: float) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{int(now)}")
    if aside.exists():
        raise StoreFailure(f"{path} is damaged again, and {aside} is there already")
    for companion in _companions(path):
        if companion.exists():
            companion.replace(companion.with_name(companion.name.replace(path.name, aside.name)))
    path.replace(aside)
    sync_folder(path.parent)
    kept = sorted(path.parent.glob(f"{path.name}.damaged-*[0-9]"))
    for old in kept[1:-MAX_SET_ASIDE]:  # the first one has the users
        for file in (old, *_companions(old)):
            file.unlink(missing_ok=True)
    return aside


def _companions(path: Path) -> tuple[Path, Path, Path]:
    return tuple(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))  # type: ignore[return-value]


def _connect(path: Path, *, wal: bool = True) -> sqlite3.Connection:
    # isolation_level None: transactions begin where we say. One thread at a time uses each connection.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        if wal:
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA cache_size = -512")
    except BaseException:
        db.close()
        raise
    return db


def _take_lock(path: Path) -> int:
    """Open the marker and lock it: one page process per folder."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise StoreFailure(f"another page is running with the folder {path.parent}") from error
        raise
    return handle
