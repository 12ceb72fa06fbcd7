"""A month in the life of a link, laid down as a gateway would have kept it: for pages that show history."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path

from gateway.trends import ledger
from gateway.trends.history import day_of
from gateway.trends.ring import HALF_HOURS, MINUTES, SUFFIX, Ring, RingFile
from gateway.trends.sample import Sample

_CUTS = ((9.5, 0.4), (3.2, 0.1), (21.0, 1.2))  # hours ago, and hours long


def lay_down(state_dir: Path, peer: str, now: float | None = None) -> None:
    """Write the history of `peer` up to `now` (wall clock): a satellite link with three cuts lately."""
    now = time.time() if now is None else now
    folder = state_dir / "trends"
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    minutes, half_hours = Ring(MINUTES), Ring(HALF_HOURS)
    for back in range(MINUTES, 0, -1):
        minutes.append(_sample(now - back * 60, 60.0, now, rng))
    for back in range(HALF_HOURS, 0, -1):
        half_hours.append(_sample(now - back * 1800, 1800.0, now, rng))
    RingFile(folder / f"{peer}{SUFFIX}").save(minutes.unsaved(), half_hours.unsaved())
    entry = ledger.Entry()
    entry.changed(ledger.Change(now - 86400 * 3, "up", ""))
    for ago, lasts in sorted(_CUTS, reverse=True):
        start = now - ago * 3600
        entry.changed(ledger.Change(start, "down", "nothing has come back for 2.1 s"))
        entry.changed(ledger.Change(start + lasts * 3600, "up", ""))
    for back in range(75, -1, -1):
        entry.carried(
            day_of(now - back * 86400), rng.randint(400, 1900) * 1_000_000, rng.randint(40, 90) * 1_000_000
        )
    ledger.save(folder, ledger.dump({peer: entry}, now))


def _sample(start: float, seconds: float, now: float, rng: random.Random) -> Sample:
    hours = (now - start) / 3600
    cut = next((1.0 for ago, lasts in _CUTS if ago - lasts <= hours <= ago), 0.0)
    busy = max(0.0, math.sin((start % 86400) / 86400 * 2 * math.pi - 1.2))
    rtt = 0.6 + rng.uniform(0, 0.03) + busy * 0.05
    sent = int(busy * 150_000 * seconds * rng.uniform(0.4, 1.0)) + 800
    return Sample(
        start=start,
        seconds=seconds,
        up=seconds * (1 - cut),
        degraded=0.0,
        down=seconds * cut,
        rtt_min=None if cut else rtt - 0.01,
        rtt_median=None if cut else rtt,
        rtt_max=None if cut else rtt + rng.uniform(0.02, 0.4),
        goodput=rng.uniform(700_000, 1_100_000) if busy > 0.2 and not cut else None,
        sent=0 if cut else sent,
        received=0 if cut else sent // 20,
        objects=int(busy * 4),
        segments=None if cut else max(1, sent // 1400),
        retransmitted=0 if cut else int(sent / 1400 * rng.choice((0, 0, 0, 0.002, 0.01))),
    )
