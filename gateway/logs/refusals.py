"""Which refusals are told one by one, and which are only counted. Pure: the time is an argument.

A scanner or a misconfigured console can be refused thousands of times a minute. The first few refusals of an
address in a minute are told; the others are summed up in one line when the minute is over.
"""

from __future__ import annotations

from dataclasses import dataclass

EVERYBODY_ELSE = "other addresses"


@dataclass(frozen=True, slots=True)
class RefusalLimits:
    """How much is told and remembered."""

    per_minute: int = 5  # refusals of one address that are told one by one, per window
    window: float = 60.0  # seconds: the minute of `per_minute`
    addresses: int = 256  # addresses counted apart; those beyond are counted together


@dataclass(slots=True)
class _Count:
    started: float
    told: int = 0
    silent: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """Refusals of one address that were not told, and over which time (seconds)."""

    address: str
    count: int
    seconds: float


class Refusals:
    """Counts refusals by address, within bounds."""

    def __init__(self, limits: RefusalLimits | None = None) -> None:
        self.limits = limits or RefusalLimits()
        self._counts: dict[str, _Count] = {}

    def admit(self, address: str, now: float) -> bool:
        """Count a refusal of `address` at `now`; say whether it is to be told."""
        if address not in self._counts and len(self._counts) >= self.limits.addresses:
            address = EVERYBODY_ELSE
        count = self._counts.setdefault(address, _Count(now))
        if count.told < self.limits.per_minute:
            count.told += 1
            return True
        count.silent += 1
        return False

    def due(self, now: float) -> list[Summary]:
        """Return what is to be summed up at `now`, and start those windows afresh."""
        over = [a for a, count in self._counts.items() if now - count.started >= self.limits.window]
        counts = {address: self._counts.pop(address) for address in over}
        return [
            Summary(address, count.silent, now - count.started)
            for address, count in counts.items()
            if count.silent
        ]

    def next_due(self) -> float | None:
        """Return when the earliest window that hides something ends, or None when nothing is hidden."""
        return min(
            (count.started + self.limits.window for count in self._counts.values() if count.silent),
            default=None,
        )
