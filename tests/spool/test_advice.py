"""Whoever reads that the disk failed reads what to do about it."""

from __future__ import annotations

import errno
import os
import sqlite3

import pytest

from gateway.spool.advice import BROKEN, FORBIDDEN, FULL, READ_ONLY, advice, in_words, is_full
from tests.support.spooling import disk_error, disk_full


def _of_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("words of SQLite")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO)), BROKEN),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), FULL),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), FULL),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), READ_ONLY),
        (OSError(errno.EACCES, os.strerror(errno.EACCES)), FORBIDDEN),
        (disk_error(), BROKEN),
        (disk_full(), FULL),
        (_of_sqlite(sqlite3.SQLITE_IOERR_FSYNC), BROKEN),
        (_of_sqlite(sqlite3.SQLITE_READONLY_DBMOVED), READ_ONLY),
        (sqlite3.OperationalError("an error without a code"), BROKEN),
    ],
)
def test_every_error_has_its_advice(error: OSError | sqlite3.Error, words: str) -> None:
    assert advice(error) == words
    assert is_full(error) is (words == FULL)
    assert in_words(error).endswith(f"({words})")


def test_paths_stay_out_of_it() -> None:
    assert "secret" not in in_words(OSError(errno.EIO, "Input/output error", "/secret/path"))
