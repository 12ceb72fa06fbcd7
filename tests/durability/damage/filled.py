"""A spool with a life behind it, to be damaged: objects of all kinds, and an outside account of them."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

from gateway.spool import Accepted, PutBack, Spool
from tests.support.spooling import BEAMS_RECORD, Heard, a_receipt, an_instance, content, store

SIZES = (500, 3_000, 6_000, 30_000, 64_000, 90_000, 150_000)
"""Bytes of the padding: rows on a page, with overflow pages, with long chains of them, and files."""


def data_set(number: int, size: int) -> bytes:
    """Return a data set in Explicit VR Little Endian that says who it is and reads to its end."""
    uid = an_instance(number).sop_instance_uid
    return b"".join(
        (
            _text(0x0016, BEAMS_RECORD),
            _text(0x0018, uid),
            struct.pack("<HH2sHI", 0x7FE1, 0x1010, b"OB", 0, size + size % 2),
            content(number, size + size % 2),
        )
    )


def _text(element: int, value: str) -> bytes:
    raw = value.encode() + b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0008, element, b"UI", len(raw)) + raw


@dataclass(frozen=True)
class Account:
    """What was acknowledged, by SOP Instance UID: the digest; and which of it a destination has."""

    digests: dict[str, bytes] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()
    in_files: frozenset[str] = frozenset()


def fill(directory: Path, copy: Path, objects: int) -> Account:
    """Fill the spool `directory` and close it; `copy` is what it was while it ran, as after a kill."""
    return asyncio.run(_fill(directory, copy, objects))


async def _fill(directory: Path, copy: Path, objects: int) -> Account:
    spool = Spool.open(directory, notices=Heard().notices)
    digests: dict[str, bytes] = {}
    in_files: set[str] = set()
    accepted: set[str] = set()
    for number in range(1, objects + 1):
        size = SIZES[number % len(SIZES)]
        body = data_set(number, size)
        uid = an_instance(number).sop_instance_uid
        await store(spool, body, number, to=("oncology", "archive") if number % 5 == 0 else ("oncology",))
        digests[uid] = hashlib.sha256(body).digest()
        if len(body) > 65536:
            in_files.add(uid)
        if number % 4 == 0:
            (job,) = await spool.claim("oncology", 1)
            if number % 8 == 0:
                await spool.settle([Accepted(job.delivery.number, a_receipt(job))])
                accepted.add(job.object.instance.sop_instance_uid)
            else:
                await spool.settle([PutBack(job.delivery.number, 0.0, "the link went down")])
    # The newest transactions are no object's: whether one that does not hold was torn by a power cut, before
    # it was acknowledged, or damaged later, nobody can tell.
    for _ in range(3):
        (job,) = await spool.claim("archive", 1)
        await spool.settle([PutBack(job.delivery.number, 0.0, "the link went down")])
    await spool.claim("archive", 1)  # one is being sent
    shutil.copytree(directory, copy)
    await spool.close()
    return Account(digests, frozenset(accepted), frozenset(in_files))
