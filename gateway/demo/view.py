"""How the demo looks: a live page on a terminal, plain lines elsewhere, and the table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.demo.ledger import GROUPS, Proof
from gateway.demo.scene import Chapter, Scene

WIDTH = 92  # columns; narrower terminals get less of the bars
_PLAIN_EVERY = 2.0  # seconds between lines of progress

INTRODUCTION = (
    "A console treats synthetic patients; every object goes to the gateway.",
    "The gateway makes it durable, answers, and delivers it over a long TLS link.",
    "In mid-treatment the link is cut, and returns. At the end, digests are compared.",
)

WITH_A_HUB = (
    "A console treats synthetic patients; every object goes to the clinic's gateway.",
    "The gateway makes it durable, answers, and brings it over one long link to the hub at the centre.",
    "In mid-treatment the line is cut, and returns: transfers go on where they were. Digests are compared.",
)

# Columns of the table at the end: heading -> attribute of ledger.Row.
_ACCOUNT = {
    "answered\n0x0000": "answered",
    "bytes": "bytes",
    "at the\ncentre": "kept",
    "same\nSHA-256": "equal",
    "sent\ntwice": "again",
    "refused": "refused",
}

_LINK_STYLE = {"online": "green", "degraded": "yellow", "offline": "red", "unknown": "dim"}


class View(Protocol):
    """Shows a scene as it changes."""

    def chapter(self, chapter: Chapter) -> None:
        """A part of the story begins."""

    def update(self, scene: Scene) -> None:
        """Something may have changed."""

    def say(self, line: str) -> None:
        """Something that stays readable."""

    def show(self, table: RenderableType) -> None:
        """Something larger that stays readable."""

    def close(self) -> None:
        """Nothing changes any more."""


class LiveView:
    """A page that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def chapter(self, chapter: Chapter) -> None:
        """The page shows the chapter by itself."""

    def update(self, scene: Scene) -> None:
        """Redraw."""
        self._live.update(page(scene, self._live.console.width), refresh=True)

    def show(self, table: RenderableType) -> None:
        """Print it above the page."""
        self._live.console.print(table)

    def say(self, line: str) -> None:
        """Print it above the page."""
        self._live.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def close(self) -> None:
        """Leave the last page on the screen."""
        self._live.stop()


class PlainView:
    """One line per chapter and every two seconds, for pipes, logs and NO_COLOR."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def chapter(self, chapter: Chapter) -> None:
        """Print its title and text."""
        self._console.print(
            f"{chapter.number}. {chapter.title}: {chapter.text}", highlight=False, soft_wrap=True
        )
        self._next = 0.0

    def update(self, scene: Scene) -> None:
        """Print a line when it is time for one."""
        if scene.elapsed < self._next:
            return
        self._next = scene.elapsed + _PLAIN_EVERY
        ledger = scene.ledger
        self._console.print(
            f"   {scene.elapsed:5.1f} s  link {'up' if scene.link_up else 'cut':<3}  "
            f"answered 0x0000 {_done(ledger.answered_by_group(), ledger.planned)}  "
            f"waiting {sum(scene.waiting.values())} ({_megabytes(scene.waiting_bytes)})  "
            f"at the centre {_done(ledger.proved_by_group(), ledger.planned)}",
            highlight=False,
            soft_wrap=True,
        )

    def show(self, table: RenderableType) -> None:
        """Print it."""
        self._console.print(table)

    def say(self, line: str) -> None:
        """Print it."""
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)

    def close(self) -> None:
        """Nothing is pending."""


def introduce(console: Console, *, hub: bool = False) -> None:
    """Say in three lines what will be seen."""
    console.print()
    console.print(Text("DICOM Edge Gateway: demonstration", style="bold"))
    for line in WITH_A_HUB if hub else INTRODUCTION:
        console.print(line, highlight=False)
    console.print()


def page(scene: Scene, columns: int = WIDTH) -> RenderableType:
    """Return the live page for a terminal of so many columns."""
    width = min(WIDTH, columns)
    body = Group(
        Padding(_story_line(scene.chapter), (1, 1)),
        _stations(scene),
        Padding(_strip(scene, width - 12), (1, 1)),
        _progress(scene, bar=width - 66),
    )
    return Panel(
        body,
        title=" DICOM Edge Gateway ",
        title_align="left",
        subtitle=f" {int(scene.elapsed) // 60}:{int(scene.elapsed) % 60:02d} ",
        subtitle_align="right",
        border_style="blue",
        box=box.ROUNDED,
        width=width,
    )


def _story_line(chapter: Chapter) -> Text:
    return Text.assemble((f"{chapter.number}  {chapter.title}. ", "bold"), chapter.text)


def _stations(scene: Scene) -> RenderableType:
    """Return console, gateway and centre side by side, with what each knows."""
    ledger = scene.ledger
    waiting = sum(scene.waiting.values())
    link = Text("══ TLS ══▶", "green") if scene.link_up else Text("══  ╳  ══", "bold red")
    seen = Text.assemble(("link ", "dim"), (scene.link_seen, _LINK_STYLE[scene.link_seen]))
    grid = Table.grid(expand=True)
    for ratio in (9, 4, 9, 5, 9):
        grid.add_column(justify="center", ratio=ratio, no_wrap=True)
    grid.add_row(
        Text("console", "bold"), Text("DICOM", "dim"), Text("gateway", "bold"), "", Text("centre", "bold")
    )
    grid.add_row(
        f"{sum(ledger.answered_by_group().values())} answered 0x0000",
        Text("─────▶", "green"),
        Text(f"{waiting} waiting", "yellow" if waiting else "green"),
        link,
        f"{sum(ledger.proved_by_group().values())} received intact",
    )
    grid.add_row(
        Text(f"slowest {wait(ledger.slowest(link_up=True))}", "dim"),
        "",
        Text(f"{_megabytes(scene.waiting_bytes)} safe on disk", "dim"),
        "",
        Text("another DICOM SCP", "dim"),
    )
    grid.add_row(
        Text(f"link cut {wait(ledger.slowest(link_up=False))}", "dim"),
        "",
        seen,
        "",
        Text("SHA-256 compared", "dim"),
    )
    return grid


def _strip(scene: Scene, length: int) -> Text:
    """Return the history of the link, one mark per half second, newest at the right."""
    text = Text.assemble(("link  ", "dim"))
    for up in list(scene.strip)[-length:]:
        text.append("━" if up else "╳", "green" if up else "bold red")
    return text


def _progress(scene: Scene, bar: int) -> RenderableType:
    ledger = scene.ledger
    answered, proved = ledger.answered_by_group(), ledger.proved_by_group()
    table = Table(box=None, expand=True, header_style="dim")
    table.add_column("", no_wrap=True)
    for heading in ("spooled", "waiting", "accepted*", "proved"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for group, title in GROUPS.items():
        planned, waiting = ledger.planned[group], scene.waiting[group]
        table.add_row(
            title,
            f"{answered[group]}/{planned}",
            Text(str(waiting), "yellow" if waiting else "dim"),
            str(max(answered[group] - waiting, 0)),
            Text(str(proved[group]), "bold green" if proved[group] == planned else ""),
            _bar(bar, planned, answered[group], proved[group]),
        )
    note = Text("* by the centre, not verified: that takes storage commitment. Proved: same SHA-256.", "dim")
    return Group(table, Padding(note, (1, 1)))


def _bar(width: int, planned: int, answered: int, proved: int) -> Text:
    """Return a bar: at the centre, safe here, still to come."""
    width = max(width, 1)
    green = width * proved // max(planned, 1)
    yellow = max(width * answered // max(planned, 1) - green, 0)
    return Text.assemble(
        ("█" * green, "green"), ("▓" * yellow, "yellow"), ("░" * (width - green - yellow), "dim")
    )


def verdict(proof: Proof, *, facts: Sequence[tuple[str, str]], complaints: Sequence[str]) -> RenderableType:
    """Return the table at the end, the `facts` (label, value) under it, and the sentence that counts."""
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, collapse_padding=True)
    table.add_column("", no_wrap=True, footer="All")
    for heading, attribute in _ACCOUNT.items():
        total = sum(getattr(row, attribute) for row in proof.rows)
        table.add_column(heading, no_wrap=True, justify="right", footer=f"{total:,}")
    table.add_column("", footer=_mark(proof.complete))
    for row in proof.rows:
        amounts = [f"{getattr(row, attribute):,}" for attribute in _ACCOUNT.values()]
        table.add_row(row.title, *amounts, _mark(row.proved))
    grid = Table.grid(padding=(0, 2))
    for label, value in facts:
        grid.add_row(Text(label, "dim"), value)
    if complaints:
        last = Text("\n".join(f"FAILED: {complaint}" for complaint in complaints), "bold red")
    else:
        last = Text(
            "Everything the console was promised is at the centre, kept once, bit for bit.",
            "bold green",
        )
    return Group("", table, Padding(grid, (0, 1)), Padding(last, (1, 1)))


def complaints(proof: Proof) -> list[str]:
    """Return what is missing for the promise to hold, one sentence each."""
    found = []
    for row in proof.rows:
        if row.refused:
            found.append(f"{row.title}: {row.refused} not answered with 0x0000")
        if row.kept < row.answered:
            found.append(f"{row.title}: {row.answered - row.kept} did not arrive")
        if row.equal < row.kept:
            found.append(f"{row.title}: {row.kept - row.equal} arrived with other bytes")
    if proof.strangers:
        found.append(f"{proof.strangers} objects at the centre were never acknowledged to the console")
    if proof.differing:
        found.append(f"{proof.differing} objects came twice, with different content")
    return found


def _mark(good: bool) -> Text:
    return Text("✓", "bold green") if good else Text("✗", "bold red")


def _done(counts: dict[str, int], planned: dict[str, int]) -> str:
    return f"{sum(counts.values())}/{sum(planned.values())}"


def wait(seconds: float | None) -> str:
    """Return a duration in words of the size that fits."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
