"""The lock of a spool: one process at a time."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import SpoolFailure
from gateway.spool.files import Files

LOCK = "lock"


class SpoolInUse(SpoolFailure):
    """Another process has the spool open."""


def take_lock(directory: Path, files: Files) -> int:
    """Create `directory` if need be and lock it for this process; closing the descriptor frees it.

    Raises SpoolInUse when another process has it, SpoolFailure when the disk fails.
    """
    try:
        try:
            files.make_directory(directory)
            files.sync_directory(directory.parent)
        except FileExistsError:
            pass
        return files.lock(directory / LOCK)
    except BlockingIOError:
        raise SpoolInUse(f"another process has the spool {directory} open") from None
    except OSError as error:
        raise SpoolFailure(f"the spool directory {directory} cannot be used: {error.strerror}") from error
