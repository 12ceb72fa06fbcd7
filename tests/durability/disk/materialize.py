"""A disk as a real directory, and a fingerprint of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.durability.disk.disk import Disk


def materialize(disk: Disk, directory: Path, under: str = "") -> None:
    """Write everything that has a name below `under` into `directory`, which is there and empty."""
    for path, content in disk.tree().items():
        below = _below(path, under)
        if below is None:
            continue
        target = directory / below if below else directory
        if content is None:
            target.mkdir(mode=0o700, exist_ok=True)
            continue
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            for offset, data in content.runs():
                os.pwrite(descriptor, data, offset)
            os.ftruncate(descriptor, content.size)
        finally:
            os.close(descriptor)


def fingerprint(disk: Disk, under: str = "", ignore: str = "-shm") -> bytes:
    """Return a digest of names and contents below `under`; files whose names end in `ignore` do not count."""
    digest = hashlib.blake2b(digest_size=16)
    for path, content in disk.tree().items():
        below = _below(path, under)
        if below is None or path.endswith(ignore):
            continue
        if content is None:
            digest.update(b"d%d %s" % (len(below), below.encode()))
            continue
        digest.update(b"f%d %s %d %d" % (len(below), below.encode(), content.size, len(content.blocks)))
        for index in sorted(content.blocks):
            digest.update(b"%d " % index)
            digest.update(content.blocks[index])
    return digest.digest()


def _below(path: str, under: str) -> str | None:
    if not under:
        return path
    if path == under:
        return ""
    return path[len(under) + 1 :] if path.startswith(f"{under}/") else None
