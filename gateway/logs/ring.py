"""The last lines of the log in memory, for the page and the support bundle. Bounded by lines and by bytes.

Keeping a line costs the hot path about as much as counting its characters: the fields are kept as they are,
and made into words when somebody reads them.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.logs.formats import fields_of, message_of, traceback_lines, written
from gateway.logs.text import quoted
from gateway.logs.values import Fields

_OVERHEAD = 200  # bytes that a kept line takes besides its characters, about
_PER_FIELD = 110


@dataclass(frozen=True, slots=True)
class RingLimits:
    """How much is kept."""

    lines: int = 2000
    size: int = 3 * 2**20  # bytes of memory, about


class _Kept(NamedTuple):
    number: int
    at: float
    level: int
    logger: str
    event: str
    fields: Fields
    traceback: tuple[str, ...]
    cost: int


@dataclass(frozen=True, slots=True)
class RingLine:
    """One line, as people read it."""

    number: int
    at: float
    level: str
    logger: str
    event: str
    fields: tuple[tuple[str, str], ...]
    traceback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Lines in the order in which they were written."""

    lines: tuple[RingLine, ...]
    examined_to: int  # number of the last line looked at: go on after it
    more: bool  # lines beyond the limit were left out
    oldest: int  # number of the oldest line that is kept; 0 when there is none
    oldest_at: float | None


class LogRing(logging.Handler):
    """Keeps the last lines. Numbers count from 1 for each `boot`, which is random for each process."""

    def __init__(self, limits: RingLimits | None = None) -> None:
        super().__init__()
        self.boot = secrets.token_hex(6)
        self._limits = limits or RingLimits()
        self._lines: deque[_Kept] = deque()
        self._number = 0
        self._size = 0

    @property
    def size(self) -> int:
        """What the kept lines take, in bytes, about."""
        return self._size

    def install(self) -> Callable[[], None]:
        """Listen to everything that is logged in this process; the returned function ends that."""
        root = logging.getLogger()
        root.addHandler(self)
        return lambda: root.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line; logging holds our lock meanwhile."""
        fields = fields_of(record)
        event = message_of(record)
        traceback = tuple(traceback_lines(record)) if record.exc_info else ()
        cost = _OVERHEAD + len(event) + sum(map(len, traceback))
        for _, value in fields:
            cost += _PER_FIELD + (len(value) if isinstance(value, str) else 0)
        self._number += 1
        lines = self._lines
        lines.append(
            _Kept(self._number, record.created, record.levelno, record.name, event, fields, traceback, cost)
        )
        self._size += cost
        while len(lines) > self._limits.lines or (self._size > self._limits.size and len(lines) > 1):
            self._size -= lines.popleft().cost

    def select(
        self,
        *,
        level: int = logging.NOTSET,
        text: str = "",
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Selection:
        """Return lines by level, text and number: those after `after`, without it the newest ones.

        Makes words of many lines: not for the event loop.
        """
        self.acquire()
        try:
            kept = tuple(self._lines)
            newest = self._number
        finally:
            self.release()
        low, high = after or 0, newest + 1 if before is None else before
        # Not the words of all: only until enough are found, from the end that is asked for.
        wanted = (line for line in kept if low < line.number < high and line.level >= level)
        forwards = after is not None
        lines = wanted if forwards else reversed(tuple(wanted))
        words = text.casefold()
        found: list[RingLine] = []
        more, examined_to = False, min(newest, high - 1)
        for line in lines:
            shown = _shown(line)
            if words and words not in line_text(shown).casefold():
                continue
            if len(found) >= limit:
                more = True
                examined_to = found[-1].number if forwards else examined_to
                break
            found.append(shown)
        if not forwards:
            found.reverse()
        oldest = (kept[0].number, kept[0].at) if kept else (0, None)
        return Selection(tuple(found), examined_to, more, *oldest)


def _shown(line: _Kept) -> RingLine:
    return RingLine(
        line.number,
        line.at,
        logging.getLevelName(line.level).lower(),
        line.logger,
        line.event,
        tuple((name, written(value)) for name, value in line.fields),
        line.traceback,
    )


def line_text(line: RingLine) -> str:
    """Return what a search looks at: event and fields as in the log, then the traceback."""
    parts = [line.event, *(f"{name}={quoted(value)}" for name, value in line.fields)]
    return "\n".join([" ".join(parts), *line.traceback])
