"""What can be seen at one moment of the demo. The story writes it, the views read it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.ledger import GROUPS, Ledger

STRIP_SECONDS = 0.5  # of the link's history per character
_STRIP_LENGTH = 240


@dataclass(frozen=True, slots=True)
class Chapter:
    """One part of the story, in words for the person who watches."""

    number: int
    title: str
    text: str


@dataclass
class Scene:
    """The state of the demo. Times are monotonic seconds since its start."""

    ledger: Ledger
    chapter: Chapter = field(default_factory=lambda: Chapter(0, "Starting", "gateway, centre, certificates"))
    elapsed: float = 0.0
    link_up: bool = True
    link_seen: str = "unknown"  # what the gateway thinks of its destination
    link_reason: str = ""
    waiting: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GROUPS, 0))
    waiting_bytes: int = 0
    in_flight: int = 0
    held: int = 0
    strip: deque[bool] = field(default_factory=lambda: deque(maxlen=_STRIP_LENGTH))

    def observe(self, status: Mapping[str, Any]) -> None:
        """Take over what the operator API of the gateway says (JSON of operator.facts.Status)."""
        (destination,) = status["destinations"]
        self.link_seen = destination["link"]
        self.link_reason = destination["link_reason"]
        self.waiting = {group: destination["waiting"][group]["count"] for group in GROUPS}
        self.waiting_bytes = sum(destination["waiting"][group]["bytes"] for group in GROUPS)
        self.in_flight = destination["in_flight"]
        self.held = destination["held"]["count"]

    def advance(self, elapsed: float, *, link_up: bool) -> None:
        """Let time pass; the strip gets one mark per STRIP_SECONDS."""
        self.elapsed = elapsed
        self.link_up = link_up
        while len(self.strip) < min(int(elapsed / STRIP_SECONDS), _STRIP_LENGTH):
            self.strip.append(link_up)
