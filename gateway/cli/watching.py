"""`status --watch`: on a terminal a picture that is drawn anew, elsewhere the same lines again and again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from gateway.cli.output import Cell, console, on_terminal, say
from gateway.cli.watch_view import Line, Past, screen
from gateway.operator import codec, facts
from gateway.operator.client import DaemonUnreachable
from gateway.operator.words import printable


def watch(
    look: Callable[[], codec.Json], show: Callable[[codec.Json], None], interval: float, *, drawn: bool
) -> None:
    """Look every `interval` seconds until Ctrl-C. `show` prints a look where no picture is drawn.

    A gateway that answers no more (it is restarted) is waited for, once it has answered.
    """
    try:
        if drawn and on_terminal() and not console().is_dumb_terminal:
            _draw(look, interval)
        else:
            while True:
                show(look())
                time.sleep(interval)
    except KeyboardInterrupt:
        say()


def _draw(look: Callable[[], codec.Json], interval: float) -> None:
    from rich.live import Live
    from rich.text import Text

    past = Past()
    status = codec.decode(facts.Status, look())
    answered = time.monotonic()
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    terminal = console()

    def picture(silent: float) -> Text:
        lines = screen(status, past, terminal.width, plain=plain, silent=silent)
        return Text("\n").join(_styled(line) for line in _fitting(lines, terminal.height))

    def _styled(line: Line) -> Text:
        return Text.assemble(*((printable(cell.text, 4000), cell.style) for cell in line))

    past.see(status)
    with Live(picture(0.0), console=terminal, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            try:
                status = codec.decode(facts.Status, look())
            except DaemonUnreachable:
                live.update(picture(time.monotonic() - answered), refresh=True)
                continue
            answered = time.monotonic()
            past.see(status)
            live.update(picture(0.0), refresh=True)


def _fitting(lines: list[Line], height: int) -> list[Line]:
    """Return as many lines as the terminal has, and say when there are more."""
    if len(lines) <= height:
        return lines
    more = len(lines) - height + 1
    return [*lines[: height - 1], [Cell(f"and {more} lines more: make the window higher", "dim")]]
