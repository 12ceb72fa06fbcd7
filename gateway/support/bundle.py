"""Parts of text become one ZIP: always the same bytes for the same parts. Pure."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

MAX_PART = 2 * 2**20  # characters
MAX_PARTS = 40
_CUT = "\n(cut here: longer than a bundle takes)\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the bundle."""

    name: str
    words: str  # what it is, in a sentence
    text: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is shown, and exactly the bytes that are downloaded."""

    name: str  # file name
    made_at: float
    parts: tuple[Part, ...]
    content: bytes  # the ZIP
    digest: str  # SHA-256 of the ZIP

    def part(self, name: str) -> Part | None:
        """Return the part of that name."""
        return next((part for part in self.parts if part.name == name), None)


def pack(gateway: str, made_at: float, parts: Sequence[Part]) -> Bundle:
    """Return the bundle. `gateway`: the name of the gateway, for the file name."""
    kept = tuple(_bounded(part) for part in parts[:MAX_PARTS])
    moment = time.gmtime(max(made_at, 315_532_800.0))  # ZIP knows no time before 1980
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for part in kept:
            entry = zipfile.ZipInfo(part.name, moment[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, part.text.encode())
    content = buffer.getvalue()
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in gateway)[:64]
    name = f"support-{safe}-{time.strftime('%Y%m%d-%H%M%S', moment)}.zip"
    return Bundle(name, made_at, kept, content, hashlib.sha256(content).hexdigest())


def _bounded(part: Part) -> Part:
    if len(part.text) <= MAX_PART:
        return part
    return Part(part.name, part.words, part.text[:MAX_PART] + _CUT)
