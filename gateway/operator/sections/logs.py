"""The last lines of the gateway's log. They carry no patient data: see gateway.logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

from gateway.operator.answering import answer
from gateway.operator.http import Request, Response
from gateway.operator.routes import DEFAULT_PAGE, MAX_PAGE, Parameter, Route
from gateway.operator.section import Section

LogLevel = Literal["debug", "info", "warning", "error", "critical"]
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


@dataclass(frozen=True, slots=True)
class LogField:
    """One `name=value` of a line."""

    name: str
    value: Annotated[str, "as people read it: 20.5kB, 1.2s"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log."""

    number: Annotated[int, "counts from 1 since the gateway started"]
    at: float
    level: str
    logger: Annotated[str, "part of the program that wrote it"]
    event: str
    fields: tuple[LogField, ...] = ()
    traceback: Annotated[tuple[str, ...], "where an unexpected error came from"] = ()


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines in the order in which they were written."""

    lines: tuple[LogLine, ...]
    next: Annotated[str, "give it as `after` to get what comes after these"]
    previous: Annotated[str | None, "give it as `before` for older ones; null: none are kept"]
    more: Annotated[bool, "there are more that match in the direction that was asked for"]
    restarted: Annotated[bool, "`after` is of an earlier start: these are all lines since the start"]
    lost: Annotated[int, "lines after `after` that are no longer kept"]
    oldest_at: Annotated[float | None, "time of the oldest line that is kept"]


class Kept(Protocol):
    """A line, as gateway.logs.ring keeps it."""

    @property
    def number(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def level(self) -> str: ...
    @property
    def logger(self) -> str: ...
    @property
    def event(self) -> str: ...
    @property
    def fields(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def traceback(self) -> tuple[str, ...]: ...


class Chosen(Protocol):
    """Some of the lines."""

    @property
    def lines(self) -> Sequence[Kept]: ...
    @property
    def examined_to(self) -> int: ...
    @property
    def more(self) -> bool: ...
    @property
    def oldest(self) -> int: ...
    @property
    def oldest_at(self) -> float | None: ...


class RecentLines(Protocol):
    """What keeps the last lines."""

    @property
    def boot(self) -> str:
        """Which start of the gateway the numbers count from."""

    def select(self, *, level: int, text: str, after: int | None, before: int | None, limit: int) -> Chosen:
        """Return lines; blocking. Without `after`, the newest ones."""


_CURSOR = 64
_FILTERS = (
    Parameter("level", "only lines at least this important", "choice", "query", choices=tuple(_LEVELS)),
    Parameter("q", "only lines with this text, whatever the case", "name", "query", max_length=100),
    Parameter(
        "after",
        "only lines after this place (`next` of the page before)",
        "name",
        "query",
        max_length=_CURSOR,
    ),
    Parameter(
        "before",
        "only lines before this place (`previous` of the page before)",
        "name",
        "query",
        max_length=_CURSOR,
    ),
    Parameter(
        "limit", f"how many at most ({DEFAULT_PAGE} unless given)", "number", "query", maximum=MAX_PAGE
    ),
)


class LogsSection(Section):
    """Shows the last lines of the log."""

    # fmt: off
    routes: ClassVar = (
        Route("GET", "/v1/logs", "log_lines", "The last lines of the log, or those after a place.",
              LogPage, _FILTERS),
    )
    # fmt: on

    def __init__(self, recent: RecentLines) -> None:
        self._recent = recent

    async def log_lines(
        self,
        _request: Request,
        level: str = "debug",
        q: str = "",
        after: str = "",
        before: str = "",
        limit: int = DEFAULT_PAGE,
    ) -> Response:
        boot = self._recent.boot
        after_boot, after_number = _place("after", after)
        before_boot, before_number = _place("before", before)
        restarted = after_number is not None and after_boot != boot
        if restarted:
            after_number = 0
        if before_number is not None and before_boot != boot:
            before_number = 1  # what was before an earlier start is not kept
        chosen = await asyncio.to_thread(
            self._recent.select,
            level=_LEVELS[level],
            text=q,
            after=after_number,
            before=before_number,
            limit=limit,
        )
        first = chosen.lines[0].number if chosen.lines else 0
        older = chosen.more if after_number is None else first > chosen.oldest
        lost = max(chosen.oldest - after_number - 1, 0) if after_number is not None and chosen.oldest else 0
        return answer(
            LogPage(
                tuple(_line(line) for line in chosen.lines),
                f"{boot}-{chosen.examined_to}",
                f"{boot}-{first}" if first and older else None,
                chosen.more,
                restarted,
                lost,
                chosen.oldest_at,
            )
        )


def _line(kept: Kept) -> LogLine:
    fields = tuple(LogField(name, value) for name, value in kept.fields)
    return LogLine(kept.number, kept.at, kept.level, kept.logger, kept.event, fields, kept.traceback)


def _place(name: str, text: str) -> tuple[str, int | None]:
    """Return boot and number of a place; no number for no place."""
    if not text:
        return "", None
    boot, _, digits = text.rpartition("-")
    if not boot or not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise ValueError(f"{name}: a place from an earlier page is expected")
    return boot, int(digits)
