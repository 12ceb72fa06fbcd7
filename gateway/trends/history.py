"""One peer: what is being gathered, its rings, its changes of state and its bytes by day.

Pure but for the rings' file, which the recorder saves. `now` is monotonic, `at` is the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, Literal

from gateway.trends.ledger import MAX_REASON, Change, Entry
from gateway.trends.meter import Carried
from gateway.trends.ring import HALF_HOURS, MINUTES, Ring
from gateway.trends.sample import Gathering, Sample
from gateway.trends.state import LinkStanding

Span = Literal["day", "month"]

MINUTE: Final = 60.0
HALF_HOUR: Final = 1800.0
SECONDS: Final = {"day": 86400.0, "month": 30 * 86400.0}

_AHEAD: Final = 300.0
"""Seconds that a label may lie in the future before it is taken for one of a wrong clock."""


class History:
    """What was and what is with one peer."""

    def __init__(
        self,
        peer: str,
        now: float,
        at: float,
        *,
        rings: tuple[Ring, Ring] | None = None,
        entry: Entry | None = None,
        saved_at: float | None = None,
    ) -> None:
        """`rings`, `entry` and `saved_at`: as they were on the disk; without them, nothing is known."""
        self.peer = peer
        self.minutes, self.half_hours = rings or (Ring(MINUTES), Ring(HALF_HOURS))
        self.entry = entry or Entry()
        self.standing = LinkStanding("unknown", "")
        self.since = at  # wall clock
        self.retransmitted: int | None = None  # bytes sent again since the process began; None: not told
        self.contact_at: float | None = None  # wall clock: when something came from the peer
        self._counted = now  # up to here the state has been counted
        self._minute, self._minute_began = Gathering(), now
        self._half_hour, self._half_hour_began = Gathering(), now
        changes = self.entry.changes
        if changes and changes[-1].state != "unknown":
            # The end of the process before was not told: it knew nothing any more from its last save on.
            ended = max(saved_at if saved_at is not None else at, changes[-1].at)
            self.entry.changed(Change(ended, "unknown", ""))

    # --- what happens --------------------------------------------------------------------------------

    def stands(self, standing: LinkStanding, now: float, at: float) -> bool:
        """The link stands so now. True: that is a change of its state."""
        self._count(now)
        changed = standing.state != self.standing.state
        self.standing = standing
        if changed:
            self.since = at
            self.entry.changed(Change(at, standing.state, standing.reason[:MAX_REASON]))
        return changed

    def round_trip(self, seconds: float, *, of_kernel: bool = False) -> None:
        """A round trip was measured."""
        self._minute.round_trip(seconds, of_kernel=of_kernel)
        self._half_hour.round_trip(seconds, of_kernel=of_kernel)

    def delivered(self, size: int, seconds: float) -> None:
        """An object was accepted."""
        self._minute.delivered(size, seconds)
        self._half_hour.delivered(size, seconds)

    def carried(self, carried: Carried, at: float) -> None:
        """Something went over the wire."""
        for gathering in (self._minute, self._half_hour):
            gathering.carried(carried.sent, carried.received)
            if carried.segments is not None:
                gathering.segments(carried.segments, carried.retransmitted)
            if carried.round_trip is not None:
                gathering.round_trip(carried.round_trip, of_kernel=True)
        if carried.retransmitted_bytes is not None:
            self.retransmitted = (self.retransmitted or 0) + carried.retransmitted_bytes
        if carried.received:
            self.contact_at = at
        if carried.sent or carried.received:
            self.entry.carried(day_of(at), carried.sent, carried.received)

    def tick(self, now: float, at: float) -> None:
        """A minute is over; every thirtieth time, half an hour too."""
        self._count(now)
        seconds = now - self._minute_began
        if seconds > 0:
            self.minutes.append(self._minute.close(at - seconds, seconds))
            self._minute, self._minute_began = Gathering(), now
        seconds = now - self._half_hour_began
        if seconds >= HALF_HOUR - MINUTE / 2:
            self.half_hours.append(self._half_hour.close(at - seconds, seconds))
            self._half_hour, self._half_hour_began = Gathering(), now

    def end(self, now: float, at: float) -> None:
        """The gateway stops: close what is begun."""
        self.stands(LinkStanding("unknown", ""), now, at)
        self.tick(now, at)
        seconds = now - self._half_hour_began
        if seconds >= MINUTE:
            self.half_hours.append(self._half_hour.close(at - seconds, seconds))

    def _count(self, now: float) -> None:
        for gathering in (self._minute, self._half_hour):
            gathering.lasted(self.standing.state, now - self._counted)
        self._counted = now

    # --- what is shown -------------------------------------------------------------------------------

    def samples(self, span: Span, at: float) -> list[Sample]:
        """Return the samples of the last 24 h or 30 days, by ascending time.

        Labels may go back where the clock was put right: then what is newer counts, and what it overlaps is
        left out.
        """
        return list(reversed(list(self._backwards(span, at))))

    def changes(self, span: Span, at: float) -> list[Change]:
        """Return the changes of that time, by ascending time, and the one before it: how it began."""
        found: list[Change] = []
        before = at + _AHEAD
        for change in reversed(self.entry.changes):
            if change.at > before:
                continue
            found.append(change)
            before = change.at
            if change.at <= at - SECONDS[span]:
                break
        return found[::-1]

    def loss(self, minutes: int) -> float | None:
        """Return the part of the segments of the last minutes that had to be sent again."""
        segments = again = 0
        for index, sample in enumerate(self.minutes.newest_first()):
            if index >= minutes:
                break
            segments += sample.segments or 0
            again += sample.retransmitted
        return min(1.0, again / segments) if segments else None

    def _backwards(self, span: Span, at: float) -> Iterator[Sample]:
        ring = self.minutes if span == "day" else self.half_hours
        before = at + _AHEAD
        for sample in ring.newest_first():
            if sample.start <= at - SECONDS[span]:
                continue
            if sample.start < before:
                before = sample.start
                yield sample


def day_of(at: float) -> str:
    """Return the day of a moment in local time, as 2026-11-23."""
    return time.strftime("%Y-%m-%d", time.localtime(at))
