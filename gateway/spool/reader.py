"""Reading beside the writer: a connection of its own, a thread for questions, and the bytes of objects."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from gateway.errors import SpoolFailure
from gateway.spool.files import Files
from gateway.spool.queries import locate
from gateway.spool.store import Store

T = TypeVar("T")


class Reader:
    """Questions to the journal. It never writes and never checkpoints."""

    def __init__(self, path: Path, files: Files) -> None:
        self._path = path
        self._files = files
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer within one snapshot. Blocking, any thread; SpoolFailure when the journal cannot be read."""
        with self._lock:
            try:
                db = self._connection()
                db.execute("BEGIN")
                try:
                    return question(db)
                finally:
                    # A snapshot that stayed open would keep the WAL from being written back.
                    db.execute("ROLLBACK")
            except (sqlite3.Error, UnicodeDecodeError) as error:
                self._release()
                raise SpoolFailure(f"the journal cannot be read: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = self._files.connect(self._path)
            self._db.execute("PRAGMA query_only = ON")
            self._db.execute("PRAGMA wal_autocheckpoint = 0")
        return self._db

    def release(self) -> None:
        """Close the connection; the next question opens it again. Blocks while one is answered."""
        with self._lock:
            self._release()

    def _release(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None


class InlineReader:
    """The bytes of a small object, in memory. See values.DataReader."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def size(self) -> int:
        """Bytes of the data set."""
        return len(self._data)

    def read(self, n: int) -> bytes:
        """Return the next bytes."""
        data = self.pread(n, self._position)
        self._position += len(data)
        return data

    def pread(self, n: int, offset: int) -> bytes:
        """Return bytes from `offset`."""
        return self._data[offset : offset + n]

    def close(self) -> None:
        """Nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FileReader:
    """The bytes of a large object, in a file. See values.DataReader."""

    def __init__(self, files: Files, descriptor: int, offset: int, size: int) -> None:
        self._files = files
        self._descriptor: int | None = descriptor
        self._offset = offset
        self._size = size
        self._position = 0

    @property
    def size(self) -> int:
        """Bytes of the data set."""
        return self._size

    def read(self, n: int) -> bytes:
        """Return the next bytes."""
        data = self.pread(n, self._position)
        self._position += len(data)
        return data

    def pread(self, n: int, offset: int) -> bytes:
        """Return bytes from `offset`."""
        if self._descriptor is None:
            raise SpoolFailure("the object was closed while it was read")
        n = min(n, self._size - offset)
        if n <= 0:
            return b""
        try:
            data = self._files.pread(self._descriptor, n, self._offset + offset)
        except OSError as error:
            raise SpoolFailure(f"the disk failed: {error.strerror}") from error
        if not data:
            raise SpoolFailure("the file of an object is shorter than it was")
        return data

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            self._files.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_object(reader: Reader, store: Store, files: Files, number: int) -> InlineReader | FileReader:
    """Open the bytes of an object (see Spool.open_data)."""
    where = reader.ask(lambda db: locate(db, number))
    if where.data is not None:
        return InlineReader(where.data)
    if where.file is None:
        raise SpoolFailure(f"object {number} has neither bytes nor a file")
    try:
        descriptor = store.open(where.file)
        size = files.size(descriptor)
    except OSError as error:
        raise SpoolFailure(f"the file of object {number} cannot be opened: {error.strerror}") from error
    if size != where.data_offset + where.object.size:
        files.close(descriptor)
        raise SpoolFailure(f"the file of object {number} does not have its size any more")
    return FileReader(files, descriptor, where.data_offset, where.object.size)


async def in_thread(function: Callable[[], T], submit: Callable[[Callable[[], None]], None]) -> T:
    """Run `function` through `submit` (a thread) and return or raise what it does."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def done(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # None only where T is None
        else:
            future.set_exception(error)

    def run() -> None:
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            loop.call_soon_threadsafe(done, None, error)
        else:
            loop.call_soon_threadsafe(done, result, None)

    submit(run)
    return await future
