"""What a person is told to do about a disk that does not do its work."""

from __future__ import annotations

import errno
import sqlite3

FULL = "make room on its disk, or give it a larger one"
BROKEN = "check the disk: its cable or card, and what the system's log says of it"
READ_ONLY = "the filesystem is read-only, as after errors of the disk: check the disk, then restart"
FORBIDDEN = "give the directory to the user that the gateway runs as"

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM)


def is_full(error: OSError | sqlite3.Error) -> bool:
    """Whether there is no room (or no inode) left, as far as the error says."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return _primary(error) == sqlite3.SQLITE_FULL


def advice(error: OSError | sqlite3.Error) -> str:
    """Say what to do about `error`."""
    if is_full(error):
        return FULL
    if isinstance(error, OSError):
        if error.errno == errno.EROFS:
            return READ_ONLY
        return FORBIDDEN if error.errno in _FORBIDDEN else BROKEN
    return READ_ONLY if _primary(error) == sqlite3.SQLITE_READONLY else BROKEN


def in_words(error: OSError | sqlite3.Error) -> str:
    """Say what went wrong, and what to do about it. Paths stay out of it."""
    what = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
    return f"{what} ({advice(error)})"


def _primary(error: sqlite3.Error) -> int:
    """SQLite's result code without the extension that says where it was met."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
