"""Files that are written whole or not at all, whenever the power goes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PRIVATE = 0o640  # owner writes, group reads


def replace_file(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Make `content` the whole of `path`, durably. What was there keeps its permissions and its group.

    Raises OSError, and leaves what was there.
    """
    fresh = path.with_name(f".{path.name}.new")
    group = -1
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        mode, group = found.st_mode & 0o777, found.st_gid
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(descriptor, mode)
        with contextlib.suppress(PermissionError):  # a group that is not ours to give
            os.fchown(descriptor, -1, group)
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    os.close(descriptor)
    fresh.replace(path)
    sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove `path` durably; it may be gone already."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in `folder` as durable as their content."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
