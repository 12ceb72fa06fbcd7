from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.output import Cell, Column, hint, moment, print_json, say, table

REPOSITORY = Path(__file__).parents[2]
HOSTILE = "a\x1b[31mb\u202ec[red]d[/red]"


def test_elsewhere_tables_are_aligned_text_without_truncation(capsys: pytest.CaptureFixture[str]) -> None:
    table([Column("name"), Column("size", right=True)], [["x" * 300, "1"], [Cell("b", "red"), ""]])
    header, first, second = capsys.readouterr().out.splitlines()
    assert header == "name" + " " * 298 + "size"
    assert first == "x" * 300 + "     1"
    assert second == "b" + " " * 304 + "-"


def test_hostile_text_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    table([Column("t")], [[HOSTILE]])
    say(HOSTILE, "bold")
    hint(HOSTILE)
    print_json({"t": HOSTILE})
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "\u202e" not in captured.out + captured.err
    assert captured.out.count("[red]d[/red]") == 3


def test_a_point_in_time() -> None:
    assert moment(None) == "-"
    assert moment(1_700_000_000.0).startswith("2023-11-1")


def on_a_terminal(code: str, **environment: str) -> str:
    """Run code with a terminal of 100 columns as its output; return what arrives there."""
    main, side = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=side, cwd=REPOSITORY,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
        ) as process:  # fmt: skip
            process.wait(30)
        os.close(side)
        side = -1
        shown = b""
        while True:
            try:
                data = os.read(main, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not data:
                break
            shown += data
        return shown.decode()
    finally:
        os.close(main)
        if side >= 0:
            os.close(side)


DRAW = f"""
from gateway.cli.output import Cell, Column, say, table
say("well", "bold green")
table([Column("t")], [[Cell({HOSTILE!r}, "red")]])
"""


def test_a_terminal_gets_colours_but_only_ours() -> None:
    shown = on_a_terminal(DRAW, NO_COLOR="")
    assert "\x1b[1;32mwell" in shown
    assert "─" in shown
    assert "a\x1b[31mb" not in shown
    assert "c[red]d[/red]" in shown.replace("\N{REPLACEMENT CHARACTER}", "")


def test_no_color_is_honoured() -> None:
    shown = on_a_terminal(DRAW, NO_COLOR="1")
    assert "\x1b[1;32m" not in shown
    assert "\x1b[31m" not in shown
    assert "─" in shown
