"""The folder for everything that must survive, made in a way that survives too.

What is durable in a folder is lost with the folder's own name. Whoever made that name (this gateway, an
earlier one that was killed, the service manager) may not have synced it, so every start does.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from gateway.errors import LocalError

# A filesystem that is never written, or one that knows no sync: its names are not ours to keep.
_NOT_OURS = frozenset({errno.EINVAL, errno.EROFS})


def make_state_folder(path: Path) -> None:
    """Make `path`, for us alone, and have its name durable, with those of all folders above it.

    Blocking. LocalError when it cannot be made, or the disk does not keep its name.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"the state directory {path} cannot be made: {error.strerror}") from error
    try:
        for folder in _above(path.resolve()):
            _sync(folder)
    except OSError as error:
        raise LocalError(f"the state directory {path} cannot be made durable: {error.strerror}") from error


def _above(path: Path) -> list[Path]:
    """Every folder above `path` on the same filesystem, the uppermost first: a name needs those above it."""
    device = path.stat().st_dev
    return [folder for folder in reversed(path.parents) if folder.stat().st_dev == device]


def _sync(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # who may not read a folder cannot sync it: the service manager made what is in it
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
    finally:
        os.close(descriptor)
