"""The lock of a spool: one process at a time."""

from __future__ import annotations

import contextlib
from pathlib import Path

from gateway.errors import SpoolFailure
from gateway.spool.advice import in_words
from gateway.spool.files import Files

LOCK = "lock"


class SpoolInUse(SpoolFailure):
    """Another process has the spool open."""


def take_lock(directory: Path, files: Files) -> int:
    """Create `directory` if need be and lock it for this process; closing the descriptor frees it.

    Raises SpoolInUse when another process has it, SpoolFailure when the disk fails.
    """
    try:
        _make_durable(directory, files)
        return files.lock(directory / LOCK)
    except BlockingIOError:
        raise SpoolInUse(f"another process has the spool {directory} open") from None
    except OSError as error:
        raise SpoolFailure(f"the spool directory {directory} cannot be used: {in_words(error)}") from error


def _make_durable(directory: Path, files: Files) -> None:
    """Create `directory` if it is not there, and see to it that its name outlives a power cut.

    Also of one that is there: an earlier start may have come to its end between the two steps.
    """
    try:
        files.make_directory(directory)
    except FileExistsError:
        with contextlib.suppress(PermissionError):  # somebody else made it for us, and has seen to it
            files.sync_directory(directory.parent)
        return
    try:
        files.sync_directory(directory.parent)
    except OSError:
        # To sync once more would say nothing about this name: the next start makes it anew.
        with contextlib.suppress(OSError):
            files.remove_directory(directory)
        raise
