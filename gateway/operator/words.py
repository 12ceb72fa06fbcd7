"""Numbers in words, the same everywhere: durations, sizes, counts. And text made safe to print."""

from __future__ import annotations

import unicodedata


def duration(seconds: float) -> str:
    """Return a span of time with its two largest useful units: 0.04 s, 12 s, 14 min, 2 h 5 min, 3 d 4 h."""
    if seconds < 0:
        seconds = 0.0
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def size(count: float) -> str:
    """Return an amount of bytes with a decimal unit: 512 B, 20.5 kB, 1.2 GB."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.95 or unit == "TB":
            break
    return f"{count:.1f} {unit}"


def count_of(number: int, singular: str, plural: str | None = None) -> str:
    """Return a count with its noun: 1 record, 3 records, 1,204 images."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def printable(text: str, limit: int = 400) -> str:
    """Return `text` safe for a terminal: no control, format or bidirectional characters, bounded.

    What a peer says ends up on an engineer's screen: an escape sequence must arrive there as a picture of
    itself, not as a command to the terminal.
    """
    shown = "".join(
        c if unicodedata.category(c)[0] not in "CZ" or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
