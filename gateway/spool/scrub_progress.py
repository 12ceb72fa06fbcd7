"""How far the scrub is, across restarts: a small file beside the journal.

It is replaced as a whole and never synced: when it is lost or makes no sense, everything is read again.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gateway.model import valid_uid
from gateway.spool.scrub_values import FOUND_MOST, Found, PassReport

FILE = "scrub.json"
_MAX_BYTES = 256 * 1024
_VERDICTS = ("damaged", "missing", "unreadable", "back")


@dataclass(frozen=True, slots=True)
class Progress:
    """The pass that is under way, if one is, and the last one that came to its end."""

    current: PassReport | None = None
    after: int = 0  # objects up to this number have been read
    last: PassReport | None = None
    found: tuple[Found, ...] = ()


def save(path: Path, progress: Progress) -> None:
    """Write it down. Blocking; OSError."""
    new = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(progress), file)
    new.replace(path)


def load(path: Path) -> Progress:
    """Read what was written down; what makes no sense is nothing. Blocking."""
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(_MAX_BYTES))
        found = tuple(_found(one) for one in raw["found"][-FOUND_MOST:])
        return Progress(_report(raw["current"]), _whole(raw["after"]), _report(raw["last"]), found)
    except (OSError, ValueError, TypeError, KeyError):
        return Progress()


def _report(raw: Any) -> PassReport | None:
    if raw is None:
        return None
    values: dict[str, Any] = {}
    for field in fields(PassReport):
        value = raw[field.name]
        match field.name:
            case "kind":
                if value not in ("background", "requested"):
                    raise ValueError("no kind of a pass")
            case "journal_words":
                value = str(value)[:200]
            case "started_at":
                value = float(value)
            case "ended_at":
                value = None if value is None else float(value)
            case _:
                value = _whole(value)
        values[field.name] = value
    return PassReport(**values)


def _found(raw: Any) -> Found:
    one = Found(_whole(raw["number"]), raw["sop_class_uid"], raw["sop_instance_uid"], raw["verdict"])
    if one.verdict not in _VERDICTS or not (valid_uid(one.sop_class_uid) and valid_uid(one.sop_instance_uid)):
        raise ValueError("no object that was found")
    return one


def _whole(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("not a count")
    return value
