"""What `status --watch` draws: each way with its queue and its last minutes, and a hub's sites. Pure.

Lines of cells; whoever prints them makes the text safe and gives it its colours. Nothing is told by colour
alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.cli.output import Cell
from gateway.operator.facts import Amount, DestinationFacts, Status
from gateway.operator.site_facts import SiteFacts
from gateway.operator.verdict import label
from gateway.operator.words import count_of, duration, size

Line = list[Cell]

MOMENTS: Final = 240
"""Looks that are remembered for the curves."""

_CURVE: Final = "▁▂▃▄▅▆▇█"
_CURVE_PLAIN: Final = "_.-:=+*#"
_LEVEL_STYLE: Final = {"ok": "bold green", "waiting": "bold yellow", "attention": "bold red"}
_LINK_STYLE: Final = {"online": "green", "degraded": "yellow", "offline": "red", "paused": "yellow"}
_MARK: Final = {"online": "●", "degraded": "◐", "offline": "○", "paused": "‖", "unknown": "·"}
_MARK_PLAIN: Final = {"online": "*", "degraded": "~", "offline": "o", "paused": "=", "unknown": "."}
_KINDS: Final = (
    # priority, letters of the bar, style, one, many
    ("record", "█", "R", "green", "record", "records"),
    ("image", "▓", "I", "cyan", "image", "images"),
    ("bulk", "░", "B", "blue", "bulk object", "bulk objects"),
)
_INDENT: Final = "  "
_BAR: Final = 40
_NAME: Final = 7


@dataclass
class Past:
    """What earlier looks saw of each destination: bytes that wait, and bytes per second."""

    waiting: dict[str, deque[int]] = field(default_factory=dict)
    rate: dict[str, deque[float]] = field(default_factory=dict)

    def see(self, status: Status) -> None:
        """Remember a look."""
        for one in status.destinations:
            going = (one.throughput or 0.0) if one.in_flight else 0.0
            self.waiting.setdefault(one.name, deque(maxlen=MOMENTS)).append(one.waiting.total.bytes)
            self.rate.setdefault(one.name, deque(maxlen=MOMENTS)).append(going)


def screen(status: Status, past: Past, width: int, *, plain: bool = False, silent: float = 0.0) -> list[Line]:
    """Return the lines for a terminal of `width` columns. `plain`: in ASCII only.

    `silent`: seconds since the gateway answered last, when it does not answer now.
    """
    clock = time.strftime("%H:%M:%S", time.localtime(status.now))
    up = duration(status.now - status.started_at)
    lines = [
        *_wrapped(
            [Cell(f"{status.gateway} ({status.ae_title})", "bold"), Cell(f"running for {up}"), Cell(clock)],
            width,
        )
    ]
    if silent:
        words = f"The gateway has not answered for {duration(silent)}; what follows is as it was then."
        lines += _wrapped([Cell(words, "bold red")], width)
    lines += _wrapped([Cell(status.headline, _LEVEL_STYLE.get(status.level, "bold"))], width)
    for sentence in status.attention:
        if sentence not in status.headline:
            lines += _wrapped([Cell(sentence, "red")], width)
    for one in status.destinations:
        lines += [[], *_destination(one, past, status, width, plain)]
    if status.sites:
        lines += [[], *_sites(status.sites, status.now, width, plain)]
    lines += [[], *_wrapped([Cell("Ctrl-C ends the watch, not the gateway.", "dim")], width)]
    return lines


def _destination(one: DestinationFacts, past: Past, status: Status, width: int, plain: bool) -> list[Line]:
    now = status.now
    link = "paused" if one.paused else one.link
    mark = (_MARK_PLAIN if plain else _MARK)[link]
    head = [
        Cell(label(one), "bold"),
        Cell(f"{mark} {link}{_for(one.link_since, now)}", _LINK_STYLE.get(link, "")),
    ]
    lines = _wrapped([*head, *_measured(one)], width)
    for words in (one.link_reason, one.held_back):
        if words and words not in status.headline:
            lines += _wrapped([Cell(words, "yellow")], width, _INDENT)
    lines += _queue(one, past, now, width, plain)
    curve = max(10, min(width - len(_INDENT) - _NAME - 14, 60))
    rates = list(past.rate.get(one.name, []))
    if any(rates):
        lines.append(_curve("rate", rates, f"{size(rates[-1])}/s", curve, plain))
    waited = list(past.waiting.get(one.name, []))
    if len(set(waited)) > 1:
        lines.append(_curve("queue", waited, size(waited[-1]), curve, plain))
    return lines


def _measured(one: DestinationFacts) -> Iterable[Cell]:
    if one.rtt_seconds is not None:
        yield Cell(f"round trip {duration(one.rtt_seconds)}")
    if one.loss is not None:
        yield Cell(f"loss {one.loss:.1%}", "yellow" if one.loss >= 0.02 else "")
    if one.retransmitted_bytes:
        yield Cell(f"sent again {size(one.retransmitted_bytes)}")
    if one.compression is not None:
        yield Cell(f"compressed {one.compression:.1f} : 1")
    if one.next_try_at is not None:
        yield Cell(f"next try {time.strftime('%H:%M:%S', time.localtime(one.next_try_at))}")


def _queue(one: DestinationFacts, past: Past, now: float, width: int, plain: bool) -> list[Line]:
    amounts = {"record": one.waiting.record, "image": one.waiting.image, "bulk": one.waiting.bulk}
    lines: list[Line] = []
    if one.waiting.total.count:
        most = max(past.waiting.get(one.name, (0,)), default=0)
        lines.append([Cell(_INDENT), *_bar(amounts, most, min(_BAR, width - len(_INDENT)), plain)])
    parts = []
    for priority, block, letter, style, singular, plural in _KINDS:
        amount = amounts[priority]
        if amount.count:
            key = letter if plain else block
            parts.append(
                Cell(f"{key} {count_of(amount.count, singular, plural)} ({size(amount.bytes)})", style)
            )
    parts += _pace(one, now)
    if one.at_hub:
        parts.append(Cell(f"{count_of(one.at_hub, 'object')} at the hub, not answered for yet", "yellow"))
    if one.held.count:
        parts.append(Cell(f"{count_of(one.held.count, 'object')} held", "red"))
    return lines + _wrapped(parts or [Cell("nothing waits", "dim")], width, _INDENT)


def _pace(one: DestinationFacts, now: float) -> Iterable[Cell]:
    if one.waiting.total.count and one.oldest_waiting_at is not None:
        yield Cell(f"oldest {duration(now - one.oldest_waiting_at)}")
    if one.eta_seconds is not None:
        left = "done in about" if one.leaves == "bulk" else "what may leave is done in about"
        yield Cell(f"{left} {duration(one.eta_seconds)}")
    if one.rate_cap:
        yield Cell(f"at most {size(one.rate_cap)}/s now")


def _bar(amounts: dict[str, Amount], most: int, width: int, plain: bool) -> Line:
    """Draw what waits, a part for each priority; the whole width is the most that was seen waiting."""
    total = sum(amount.bytes for amount in amounts.values())
    room = max(3, round(width * total / max(most, total, 1)))
    cells = []
    for priority, block, letter, style, _, _ in _KINDS:
        amount = amounts[priority]
        if amount.count:
            length = max(1, round(room * amount.bytes / max(1, total)))
            cells.append(Cell((letter if plain else block) * length, style))
    return cells


def _curve(
    name: str, values: Sequence[float] | deque[int] | deque[float], last: str, width: int, plain: bool
) -> Line:
    levels = _CURVE_PLAIN if plain else _CURVE
    shown = list(values)[-width:]
    top = max(*shown, 1)
    drawn = "".join(levels[min(len(levels) - 1, int(value / top * (len(levels) - 0.001)))] for value in shown)
    return [Cell(f"{_INDENT}{name:<{_NAME}}", "dim"), Cell(drawn), Cell(f"  {last}")]


def _sites(sites: Sequence[SiteFacts], now: float, width: int, plain: bool) -> list[Line]:
    here = sum(one.connected for one in sites)
    lines = _wrapped([Cell(f"{here} of {count_of(len(sites), 'site')} connected", "bold")], width)
    for one in sites:
        state = "online" if one.connected else "offline"
        mark = (_MARK_PLAIN if plain else _MARK)[state]
        words = "connected" if one.connected else "away" if one.since is not None else "never seen"
        parts = [Cell(one.name, "bold"), Cell(f"{mark} {words}{_for(one.since, now)}", _LINK_STYLE[state])]
        parts += _of_site(one, now)
        lines += _wrapped(parts, width, _INDENT)
        if one.reason and not one.connected:
            lines += _wrapped([Cell(one.reason, "yellow")], width, 2 * _INDENT)
    return lines


def _of_site(one: SiteFacts, now: float) -> Iterable[Cell]:
    if one.last_contact_at is not None:
        yield Cell(f"last contact {duration(now - one.last_contact_at)} ago")
    if one.rtt_seconds is not None:
        yield Cell(f"round trip {duration(one.rtt_seconds)}")
    if one.bytes_per_second:
        yield Cell(f"receiving {size(one.bytes_per_second)}/s")
    if one.waiting_objects:
        waiting = f"{count_of(one.waiting_objects, 'object')} wait there ({size(one.waiting_bytes or 0)})"
        yield Cell(waiting.replace("object wait", "object waits"))
    if one.oldest_waiting_at is not None:
        yield Cell(f"oldest {duration(now - one.oldest_waiting_at)}")


def _for(since: float | None, now: float) -> str:
    return "" if since is None else f" for {duration(now - since)}"


def _wrapped(parts: Sequence[Cell], width: int, indent: str = "") -> list[Line]:
    """Put the parts on lines, with two blanks between them; a part that is too long is broken at blanks."""
    room = max(10, width - len(indent))
    lines: list[Line] = []
    used = room + 1
    for part in parts:
        for piece in _broken(part.text, room):
            if lines and used + 2 + len(piece) <= room and piece == part.text:
                lines[-1] += [Cell("  "), Cell(piece, part.style)]
                used += 2 + len(piece)
            else:
                lines.append([*([Cell(indent)] if indent else []), Cell(piece, part.style)])
                used = len(piece)
    return lines


def _broken(text: str, room: int) -> list[str]:
    pieces, rest = [], text
    while len(rest) > room:
        cut = rest.rfind(" ", 1, room + 1)
        cut = room if cut < room // 2 else cut
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*pieces, rest] if rest or not pieces else pieces
