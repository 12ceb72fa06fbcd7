"""The picture of the whole: consoles, this gateway, centres, and what joins them. Pure geometry and words.

Two drawings of the same: side by side for wide screens, one below the other for phones. Text in SVG does not
wrap, so names are cut; the tables below the picture have them whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 6
"""Systems drawn on each side; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Node:
    """One system. `kind`: ok, waiting, attention, off or info, as badges have it."""

    kind: str
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Box:
    """A system with its place."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    name: str  # cut to fit
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """What joins a system with the gateway."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole picture."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    gateway: Box


_WIDTH, _HEIGHT, _GAP = 244.0, 58.0, 14.0


def wide(consoles: Sequence[Node], gateway: Node, centres: Sequence[Node]) -> Drawing:
    """Consoles on the left, centres on the right."""
    width = 900.0
    rows = max(len(consoles), len(centres), 1)
    height = max(rows * (_HEIGHT + _GAP) - _GAP + 2, 80.0)
    middle = Box(
        gateway,
        (width - _WIDTH) / 2,
        height / 2 - 38,
        _WIDTH,
        76,
        cut(gateway.name, 20),
        cut(gateway.words, 28),
    )
    boxes, lines = [], []
    for nodes, x in ((consoles, 1.0), (centres, width - _WIDTH - 1)):
        top = (height - (len(nodes) * (_HEIGHT + _GAP) - _GAP)) / 2
        for place, node in enumerate(nodes):
            y = top + place * (_HEIGHT + _GAP)
            boxes.append(Box(node, x, y, _WIDTH, _HEIGHT, cut(node.name, 18), cut(node.words, 26)))
            left = x < width / 2
            start, end = (x + _WIDTH, middle.x) if left else (middle.x + _WIDTH, x)
            start_y, end_y = (y + _HEIGHT / 2, height / 2) if left else (height / 2, y + _HEIGHT / 2)
            bend = (start + end) / 2
            curve = f"C{bend:.1f} {start_y:.1f} {bend:.1f} {end_y:.1f} {end:.1f} {end_y:.1f}"
            lines.append(Line(node.kind, f"M{start:.1f} {start_y:.1f}{curve}"))
    return Drawing(width, height, tuple(boxes), tuple(lines), middle)


def tall(consoles: Sequence[Node], gateway: Node, centres: Sequence[Node]) -> Drawing:
    """Consoles above, centres below; a line along the left joins them with the gateway."""
    width, indent, y = 340.0, 36.0, 1.0
    boxes, lines = [], []
    middle_y = 1.0 + len(consoles) * (_HEIGHT + _GAP)
    middle = Box(gateway, 1, middle_y, width - 2, 64, cut(gateway.name, 28), cut(gateway.words, 36))
    for nodes, above in ((consoles, True), (centres, False)):
        if not above:
            y = middle_y + 64 + _GAP
        for node in nodes:
            boxes.append(
                Box(node, indent, y, width - indent - 1, _HEIGHT, cut(node.name, 22), cut(node.words, 31))
            )
            centre = y + _HEIGHT / 2
            lines.append(
                Line(node.kind, f"M14 {middle_y + (0 if above else 64):.1f}V{centre:.1f}H{indent:.1f}")
            )
            y += _HEIGHT + _GAP
    height = y - _GAP + 1 if centres else middle_y + 65
    return Drawing(width, height, tuple(boxes), tuple(lines), middle)


def cut(text: str, most: int) -> str:
    """Return `text` so that it fits its box."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
