"""How far a check or a rebuild is, on stderr: one changing line on a terminal, now and then one elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import click

from gateway.operator.words import duration, size

_STAGES = {
    "journal": "looking at the journal",
    "rows": "reading the journal page by page",
    "files": "looking for files without a row",
    "objects": "reading objects",
}
_TERMINAL_EVERY = 0.2  # seconds
_ELSEWHERE_EVERY = 10.0


class Meter:
    """Shows progress with its pace and what is left. A context manager: the line is ended with it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, terminal: bool | None = None) -> None:
        self._clock = clock
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._shown_at: float | None = None
        self._stage = ""
        self._began = (0.0, 0)
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn and self._terminal:
            click.echo(err=True)

    def show(self, stage: str, done: int, total: int) -> None:
        """Show how far it is, unless that was shown a moment ago. Bytes."""
        now = self._clock()
        if stage != self._stage:
            self._stage, self._began, self._shown_at = stage, (now, done), None
        every = _TERMINAL_EVERY if self._terminal else _ELSEWHERE_EVERY
        if self._shown_at is not None and now - self._shown_at < every:
            return
        self._shown_at = now
        line = self._line(now, done, total)
        if self._terminal:
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)
            self._drawn = True
        else:
            click.echo(line, err=True)

    def _line(self, now: float, done: int, total: int) -> str:
        line = _STAGES.get(self._stage, self._stage)
        if not total:
            return line
        line = f"{line}: {size(done)} of {size(total)} ({min(100, done * 100 // total)} %)"
        began, before = self._began
        if now > began and done > before:
            rate = (done - before) / (now - began)
            line += f", {size(int(rate))}/s, {duration(max(0, total - done) / rate)} left"
        return line
