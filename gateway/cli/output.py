"""Printing: tables on a terminal, plain aligned text elsewhere, JSON on request.

Everything that came from outside the program goes through `printable` here, so no command can forget it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gateway.operator.words import printable

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Cell:
    """A text in a table, with a rich style for terminals."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column heading; numbers are aligned to the right."""

    title: str
    right: bool = False


def console() -> Console:
    """Return a rich console on stdout. It honours NO_COLOR and prints no markup from data."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def on_terminal() -> bool:
    """Say whether stdout is a terminal."""
    return sys.stdout.isatty()


def say(text: str = "", style: str = "") -> None:
    """Print one line."""
    text = printable(text, 4000)
    if style and on_terminal():
        console().print(text, style=style, soft_wrap=True)
    else:
        click.echo(text)


def hint(text: str) -> None:
    """Print one line on stderr: for people, not for what reads stdout."""
    click.echo(printable(text, 4000), err=True)


def print_json(data: Any) -> None:
    """Print `data` as JSON; ASCII only, so no control character of a peer reaches the terminal."""
    click.echo(json.dumps(data, indent=2))


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]]) -> None:
    """Print a table: drawn on a terminal, in aligned columns without truncation elsewhere."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    if on_terminal():
        console().print(rich_table(columns, cells))
        return
    lines = [[column.title for column in columns]]
    lines += [[printable(cell.text, 4000) or "-" for cell in row] for row in cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        padded = [
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ]
        click.echo("  ".join(padded).rstrip())


def rich_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Any:
    """Return a rich table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column.title, justify="right" if column.right else "left")
    for row in rows:
        drawn.add_row(*(Text(printable(cell.text, 4000), style=cell.style) for cell in row))
    return drawn


def moment(at: float | None) -> str:
    """Return a point in time in the local time of this machine; a dash for none."""
    return "-" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
