"""Follows the chain of digests through all files, and says where it breaks. Blocking."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gateway.audit import chain
from gateway.audit.segments import Segments, number_of
from gateway.audit.values import AuditVerdict

_MOST = 20  # places told


@dataclass(slots=True)
class _Walk:
    """Where we are in the chain, and what was found so far."""

    previous: str | None = None  # digest of the last good line; None before the first file
    number: int = 0
    entries: int = 0
    first: int = 0
    oldest_at: float | None = None
    newest_at: float | None = None
    damage: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def blame(self, words: str) -> None:
        if len(self.damage) < _MOST:
            self.damage.append(words)


def check(segments: Segments, noted: str = "") -> AuditVerdict:
    """Follow the chain to its end. `noted`: a digest noted earlier that must still be in it."""
    walk = _Walk()
    size = segments.size()
    wanted = noted.strip().lower()
    met = wanted == chain.GENESIS
    for path in segments.files():
        met = _file(walk, path, wanted) or met
    end = walk.previous or chain.GENESIS
    if end != segments.digest:
        walk.blame(f"entries after number {walk.number} are missing at the end")
    if wanted and not met:
        walk.blame("the digest that was noted is not in the trail")
    ok = not walk.damage
    return AuditVerdict(
        ok, _words(walk, ok), walk.entries, walk.first, walk.number, walk.oldest_at, walk.newest_at,
        end, size, tuple(walk.damage), tuple(walk.notes),
    )  # fmt: skip


def _words(walk: _Walk, ok: bool) -> str:
    if not ok:
        return f"The audit trail was changed or damaged: {walk.damage[0]}."
    if not walk.entries:
        return "The audit trail is empty."
    return f"The audit trail is whole: entries {walk.first} to {walk.number}."


def _file(walk: _Walk, path: Path, wanted: str) -> bool:
    """Follow one file; say whether the wanted digest was met."""
    met = False
    with path.open("rb") as file:
        try:
            header = chain.read_header(file.readline(chain.MAX_LINE))
        except chain.Unreadable as error:
            walk.blame(f"{path.name}: {error}")
            header = chain.Header(number_of(path), walk.previous or "")
        if walk.previous is None and header.first > 1:
            walk.notes.append(f"entries before number {header.first} are not kept any more")
        if walk.previous is not None and header.previous != walk.previous:
            walk.blame(f"{path.name}: entries before number {header.first} are missing or were changed")
        elif walk.previous is not None and header.first != walk.number + 1:
            walk.blame(f"{path.name}: entries {walk.number + 1} to {header.first - 1} are missing")
        if header.first != number_of(path):
            walk.blame(f"{path.name}: the file has been renamed")
        walk.previous, walk.number = header.previous, header.first - 1
        while line := file.readline(chain.MAX_LINE):
            met = _line(walk, path, line) == wanted or met
    return met


def _line(walk: _Walk, path: Path, line: bytes) -> str:
    if not line.endswith(b"\n"):
        walk.notes.append(f"{path.name}: an unfinished line at the end, from a power cut or a full disk")
        return ""
    number = walk.number + 1
    try:
        record = chain.read_entry(line)
    except chain.Unreadable as error:
        walk.blame(f"entry {number} ({path.name}): {error}")
        walk.number = number
        return ""
    if record.number != number:
        walk.blame(f"entry {number} ({path.name}): number {record.number} stands in its place")
    elif record.digest != chain.expected_digest(line, walk.previous or ""):
        walk.blame(f"entry {number} ({path.name}): its content does not match its digest")
    walk.previous, walk.number = record.digest, record.number
    walk.entries += 1
    walk.first = walk.first or record.number
    walk.oldest_at = record.recorded_at if walk.oldest_at is None else walk.oldest_at
    walk.newest_at = record.recorded_at
    return record.digest
