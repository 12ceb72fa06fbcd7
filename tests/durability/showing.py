"""What a person sees of `make torture`: one line while it runs, a table at the end."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from tests.durability.campaign import ACKNOWLEDGED, LOST
from tests.durability.running import Outcome

PRINT_EVERY = 30.0
"""Seconds between two lines where nothing can be redrawn (a file, a pipe)."""


class Progress:
    """One line: which campaign, what it has counted, how fast, how long it still takes."""

    def __init__(self, until: float, out: TextIO | None = None) -> None:
        self._until = until  # time.monotonic() at which everything is over
        self._out = sys.stdout if out is None else out
        self._drawn = False
        self._printed = float("-inf")

    def show(self, outcome: Outcome, words: str) -> None:
        """Draw the line anew in a terminal; elsewhere print it now and then."""
        left = max(0.0, self._until - time.monotonic())
        line = progress_line(outcome, left, words)
        if self._out.isatty():
            width = shutil.get_terminal_size().columns - 1
            self._out.write(f"\r\x1b[K{line[:width]}")
            self._drawn = True
        elif time.monotonic() - self._printed >= PRINT_EVERY:
            self._printed = time.monotonic()
            self._out.write(line + "\n")
        self._out.flush()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if self._drawn:
            self._out.write("\r\x1b[K")
            self._drawn = False
        self._out.write(text + "\n")
        self._out.flush()


def progress_line(outcome: Outcome, left: float, words: str) -> str:
    """Such as: power-cuts: 1,234 power cuts, 0 lost; 6.4 power cuts a second; 12:34 left; what is tried."""
    return f"{outcome.name}: {outcome.tally.line()}; {_rate(outcome)}{_clock(left)} left; {words}"


def _rate(outcome: Outcome) -> str:
    """How fast it counts what it counts first."""
    words = [word for word in outcome.tally.counts if word not in (ACKNOWLEDGED, LOST)]
    if not words or outcome.seconds < 1:
        return ""
    return f"{outcome.tally.counts[words[0]] / outcome.seconds:.1f} {words[0]} a second; "


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Counts per campaign, as lines of text."""
    rows = [("campaign", "result", "time", ACKNOWLEDGED, "lost", "and")]
    for one in outcomes:
        counts = one.tally.counts
        others = [f"{n:,} {word}" for word, n in counts.items() if word not in (ACKNOWLEDGED, LOST)]
        result = "FAILED" if one.failure else "not run" if one.absent else "passed"
        rows.append(
            (
                one.name,
                result,
                _clock(one.seconds),
                f"{counts[ACKNOWLEDGED]:,}",
                f"{counts[LOST]:,}",
                ", ".join(others),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]])
        for row in rows
    ]


def facts(outcome: Outcome) -> dict[str, Any]:
    """One campaign as JSON."""
    return {
        "name": outcome.name,
        "passed": not (outcome.failure or outcome.absent),
        "seconds": round(outcome.seconds, 1),
        "seed": outcome.seed,
        "counts": dict(outcome.tally.counts),
        "failure": outcome.failure or None,
        "absent": outcome.absent or None,
        "repeat_seed": outcome.repeat_seed,
        "folder": outcome.folder or None,
    }
