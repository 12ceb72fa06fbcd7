"""One direction of a link: packets go in when they are sent and come out when they arrive. Pure: no clock.

A packet waits in the modem's queue for its turn (or is dropped), takes its time at the rate, may be lost on
the air, and arrives after the delay. A lost packet has used the air like any other.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.demo.lab.profiles import Gap, Loss, OneWay, Outage

_DRIFT = 0.05  # seconds after which the jitter is on its way to another value


@dataclass(slots=True)
class Counts:
    """What one direction has seen so far."""

    sent_bytes: int = 0  # left the modem: what the operator of the link bills
    sent_packets: int = 0
    arrived_bytes: int = 0
    arrived_packets: int = 0
    lost: int = 0  # packets, by chance
    dropped: int = 0  # packets, because the modem's queue was full
    unheard: int = 0  # packets, in gaps, outages and while the link was cut


class Way:
    """One direction. `now` is any clock that only goes forward, in seconds; `begins` is when it starts."""

    def __init__(
        self,
        shape: OneWay,
        *,
        seed: int | str = 1,
        gap: Gap | None = None,
        outages: Sequence[Outage] = (),
        begins: float = 0.0,
    ) -> None:
        self.counts = Counts()
        self._luck = _Luck(shape.loss, random.Random(f"loss {seed}"))  # noqa: S311 - a model, not a secret
        self._drift = _Drift(shape.jitter, random.Random(f"jitter {seed}"))  # noqa: S311
        self._own = random.Random(f"order {seed}")  # noqa: S311
        self._free_at = begins
        self._last_at = begins
        self._number = 0
        self._under_way: list[tuple[float, int, bytes]] = []  # a heap: when it arrives, its turn
        self._cut = False
        self._begins = begins
        self.reshape(shape, gap, outages)

    def reshape(self, shape: OneWay, gap: Gap | None, outages: Sequence[Outage]) -> None:
        """Be another link from now on. What is under way arrives as it would have."""
        self._shape = shape
        self._gap = gap
        self._outages = tuple(outages)
        self._luck.loss = shape.loss
        self._drift.most = shape.jitter

    def take(self, packet: bytes, now: float) -> None:
        """Put a packet on its way, or lose it."""
        if self._cut:
            self.counts.unheard += 1
            return
        leaves = max(now, self._free_at)
        if self._shape.rate is not None:
            if (leaves - now) * self._shape.rate + len(packet) > self._shape.queue:
                self.counts.dropped += 1
                return
            leaves += len(packet) / self._shape.rate
            self._free_at = leaves
        self.counts.sent_bytes += len(packet)
        self.counts.sent_packets += 1
        if self._shape.reorders:
            arrives = leaves + self._shape.delay + self._own.random() * self._shape.jitter
        else:
            arrives = max(self._last_at, leaves + self._shape.delay + self._drift.at(leaves - self._begins))
        if self._luck.loses():
            self.counts.lost += 1
        elif self._silent(leaves - self._begins, arrives - self._begins):
            self.counts.unheard += 1
        else:
            self._last_at = arrives
            self._number += 1
            heapq.heappush(self._under_way, (arrives, self._number, packet))

    def _silent(self, leaves: float, arrives: float) -> bool:
        if self._gap is not None and leaves % self._gap.every >= self._gap.every - self._gap.lasts:
            return True
        return any(arrives >= each.at and leaves < each.at + each.lasts for each in self._outages)

    def arrived(self, now: float) -> list[bytes]:
        """Return what has arrived by now, in its order."""
        packets = []
        while self._under_way and self._under_way[0][0] <= now:
            packet = heapq.heappop(self._under_way)[2]
            self.counts.arrived_bytes += len(packet)
            self.counts.arrived_packets += 1
            packets.append(packet)
        return packets

    @property
    def next_at(self) -> float | None:
        """When the next packet arrives."""
        return self._under_way[0][0] if self._under_way else None

    def cut(self, now: float) -> None:
        """Let nothing pass from now on; what is under way or waits is gone."""
        self._cut = True
        self.counts.unheard += len(self._under_way)
        self._under_way.clear()
        self._free_at = self._last_at = now

    def restore(self) -> None:
        """Let everything pass again."""
        self._cut = False

    def restart(self, now: float) -> None:
        """Count gaps and outages from now."""
        self._begins = now


class _Luck:
    """Which packets are lost: one question per packet."""

    def __init__(self, loss: Loss, chance: random.Random) -> None:
        self.loss = loss
        self._chance = chance
        self._bad = False

    def loses(self) -> bool:
        loss = self.loss
        if not loss.mean:
            return False
        if loss.burst is None:
            return self._chance.random() < loss.mean
        # Two states. In the long run bad/(good + bad) packets pass in the bad one, and that times `within` is
        # the mean: with 1/burst as the probability of leaving it, that of entering it follows.
        share = loss.mean / loss.within
        leaving = 1 / loss.burst
        entering = leaving * share / (1 - share)
        if self._bad:
            self._bad = self._chance.random() >= leaving
        else:
            self._bad = self._chance.random() < entering
        return self._bad and self._chance.random() < loss.within


class _Drift:
    """A delay on top that goes from one chosen value to the next without a jump, as a satellite's does."""

    def __init__(self, most: float, chance: random.Random) -> None:
        self.most = most
        self._chance = chance
        self._step = -1
        self._from = self._to = 0.0  # shares of `most`

    def at(self, elapsed: float) -> float:
        if not self.most:
            return 0.0
        step = int(elapsed / _DRIFT)
        while self._step < step:
            # After a long silence the values in between are nobody's business.
            self._step = max(self._step + 1, step - 1)
            self._from, self._to = self._to, self._chance.random()
        share = min(1.0, max(0.0, elapsed / _DRIFT - self._step))
        return self.most * (self._from + (self._to - self._from) * share)
