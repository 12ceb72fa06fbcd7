"""Changes of state and bytes by day, of all peers, in one small file. See FORMAT.md."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from gateway.trends.sample import LinkWord

FILE_NAME: Final = "ledger.json"
MAX_CHANGES: Final = 500
MAX_DAYS: Final = 430  # thirteen months, and a little
MAX_REASON: Final = 200  # characters

_MAX_FILE: Final = 16 * 1024 * 1024
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Change:
    """A link went into another state."""

    at: float  # wall clock, as it was then
    state: LinkWord
    reason: str


@dataclass(slots=True)
class Entry:
    """What is kept of one peer."""

    changes: list[Change] = field(default_factory=list)  # the oldest first
    days: dict[str, tuple[int, int]] = field(default_factory=dict)  # "2026-11-23" -> bytes sent, received

    def changed(self, change: Change) -> None:
        """Add the newest change."""
        self.changes.append(change)
        del self.changes[:-MAX_CHANGES]

    def carried(self, day: str, sent: int, received: int) -> None:
        """Add bytes to a day (local time). Of too many days the earliest go: a wrong clock costs little."""
        before = self.days.get(day, (0, 0))
        self.days[day] = before[0] + sent, before[1] + received
        while len(self.days) > MAX_DAYS:
            del self.days[min(self.days)]


def dump(entries: Mapping[str, Entry], now: float) -> str:
    """Return the text of the file."""
    return json.dumps(
        {
            "version": 1,
            "saved_at": now,
            "peers": {
                name: {
                    "changes": [[one.at, one.state, one.reason] for one in entry.changes],
                    "days": {day: list(bytes_) for day, bytes_ in entry.days.items()},
                }
                for name, entry in entries.items()
            },
        },
        separators=(",", ":"),
    )


def load(folder: Path) -> tuple[dict[str, Entry], float]:
    """Return the entries, and when they were saved. Blocking. OSError; ValueError for a damaged file."""
    path = folder / FILE_NAME
    if path.stat().st_size > _MAX_FILE:
        raise ValueError("it is too large")
    try:
        content = json.loads(path.read_text(encoding="ascii"))
        if content["version"] != 1:
            raise ValueError("it is of another version")
        entries = {str(name): _entry(value) for name, value in content["peers"].items()}
        return entries, _moment(content["saved_at"])
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is damaged") from error


def save(folder: Path, text: str) -> None:
    """Replace the file. Blocking. OSError."""
    path = folder / FILE_NAME
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _entry(value: Any) -> Entry:
    changes = [Change(_moment(at), _word(state), str(reason)) for at, state, reason in value["changes"]]
    days = {_day(day): (_amount(sent), _amount(got)) for day, (sent, got) in value["days"].items()}
    if len(days) > MAX_DAYS:
        raise ValueError("it has too many days")
    return Entry(changes[-MAX_CHANGES:], days)


def _word(value: Any) -> Any:
    if value not in get_args(LinkWord):
        raise ValueError("it has a state that is none")
    return value


def _moment(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("it has a time that is none")
    return float(value)


def _day(value: str) -> str:
    if not _DAY.fullmatch(value):
        raise ValueError("it has a day that is none")
    return value


def _amount(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("it has an amount that is none")
    return value
