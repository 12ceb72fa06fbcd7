"""An entry as a line, sealed with a digest over the line before it. Pure; FORMAT.md has the words."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from gateway.audit.values import AuditEntry, AuditRecord

FORMAT = 1
GENESIS = "0" * 64
_SEAL = b',"hash":"'
_SEAL_LENGTH = len(_SEAL) + 64 + len(b'"}')
MAX_LINE = 16384  # bytes; nothing this room writes comes near


class Unreadable(ValueError):
    """A line is not what this room writes; the text says in what way."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a file."""

    first: int
    previous: str


def header_line(first: int, previous: str) -> bytes:
    """Return the first line of a file."""
    return _dumped({"format": FORMAT, "first": first, "previous": previous}) + b"\n"


def read_header(line: bytes) -> Header:
    """Return what the first line of a file says."""
    data = _loaded(line)
    if data.get("format") != FORMAT:
        raise Unreadable(f"format {str(data.get('format'))[:20]} is not known here")
    first, previous = data.get("first"), data.get("previous")
    if not isinstance(first, int) or not isinstance(previous, str) or len(previous) != 64:
        raise Unreadable("it does not begin like a file of the audit trail")
    return Header(first, previous)


def seal(number: int, entry: AuditEntry, recorded_at: float, previous: str) -> tuple[bytes, str]:
    """Return the line of `entry`, and its digest."""
    body = _dumped(
        {
            "n": number,
            "at": entry.at,
            "recorded": recorded_at,
            "who": entry.who,
            "what": entry.what,
            "subject": entry.subject,
            "outcome": entry.outcome,
            "detail": entry.detail,
            "address": entry.address,
        }
    ).removesuffix(b"}")
    digest = _digest(previous, body)
    return body + _SEAL + digest.encode() + b'"}\n', digest


def read_entry(line: bytes) -> AuditRecord:
    """Return the entry in `line`, without asking whether its digest is right."""
    data = _loaded(line)
    try:
        record = AuditRecord(
            data["n"],
            float(data["at"]),
            float(data["recorded"]),
            *(str(data[key]) for key in ("who", "what", "subject", "outcome", "detail", "address", "hash")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable("it is not an entry") from error
    if not isinstance(record.number, int):
        raise Unreadable("it is not an entry")
    return record


def expected_digest(line: bytes, previous: str) -> str:
    """Return the digest that `line` must carry after `previous`."""
    return _digest(previous, line.removesuffix(b"\n")[:-_SEAL_LENGTH])


def _digest(previous: str, body: bytes) -> str:
    return hashlib.sha256(previous.encode("ascii", "replace") + b"\n" + body).hexdigest()


def _dumped(data: dict[str, object]) -> bytes:
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error
    if not isinstance(data, dict):
        raise Unreadable("it is not an entry")
    return data
