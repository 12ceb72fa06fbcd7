"""Ports of the sections about links and path tests, made of values."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from gateway.operator.control import Busy, NotFound
from gateway.operator.sections.path_test import PathReport, PathStep, PathTestWanted, StepDetail
from gateway.operator.sections.trends import (
    BothWays,
    Budget,
    BudgetPeer,
    BudgetPeriod,
    LinkChange,
    LinkFacts,
    Links,
    Trend,
    TrendSpan,
    WatchLease,
)

NOW = 1_800_000_000.0
HOSTILE = "<script>alert(1)</script>"


def link(**changes: object) -> LinkFacts:
    """A link that is up, but for the changes."""
    plain = LinkFacts(
        name="oncology", ae_title="ARIA", host="ois.example.org", port=2762, tls=True, destination=True,
        state="up", reason="", since=NOW - 7200, rtt_seconds=0.61, bytes_per_second=1_250_000.0, loss=0.002,
        last_contact_at=NOW - 2, next_try_at=None, today=BothWays(5_000_000, 100_000),
        this_month=BothWays(90_000_000, 2_000_000),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


def trend(span: TrendSpan = "day", count: int = 120, **changes: object) -> Trend:
    """Two hours by the minute (or as many half hours), with a cut of ten samples in the middle."""
    step = 60.0 if span == "day" else 1800.0
    down = tuple(1.0 if 50 <= index < 60 else 0.0 for index in range(count))
    some = tuple(None if part else 0.6 for part in down)
    plain = Trend(
        name="oncology", span=span, start=NOW - 1440 * step, end=NOW,
        at=tuple(NOW - (count - index) * step for index in range(count)), seconds=(step,) * count,
        up=tuple(1 - part for part in down), degraded=(0.0,) * count, down=down,
        rtt_min=some, rtt_median=some, rtt_max=some,
        goodput=(None,) * count, sent=(60_000,) * count, received=(600,) * count,
        objects=(1,) * count, loss=tuple(None if part else 0.01 for part in down),
        changes=(
            LinkChange(NOW - count * step, "up", ""),
            LinkChange(NOW - (count - 50) * step, "down", f"no answer {HOSTILE}"),
            LinkChange(NOW - (count - 60) * step, "up", ""),
        ),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


def budget(**changes: object) -> Budget:
    """Half of a month, half of its data."""
    plain = Budget(
        monthly=50_000_000_000, start="2027-01-01", end="2027-02-01", days=31, elapsed=14.3,
        used=23_000_000_000, level="ok", by_elapsed=49_000_000_000, by_recent=47_000_000_000,
        low=44_000_000_000, high=49_500_000_000, peers=(BudgetPeer("oncology", 22_000_000_000, 10**9),),
        periods=(BudgetPeriod("2026-12-01", 10**10, 10**9), BudgetPeriod("2027-01-01", 22 * 10**9, 10**9)),
        daily=tuple(BudgetPeriod(f"2027-01-{day:02d}", 1_500_000_000, 10**8) for day in range(1, 15)),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


class FakeLinks:
    """Implements sections.trends.LinkTrends."""

    def __init__(self) -> None:
        self.shown = [link(), link(name="console1", ae_title="LINAC1", destination=False, state="unknown")]
        self.spent = budget()
        self.history: Trend | None = None
        self.watched = 0

    def links(self) -> Links:
        return Links(now=NOW, watched=self.watched > 0, links=tuple(self.shown))

    def trend(self, peer: str, span: TrendSpan) -> Trend:
        if all(one.name != peer for one in self.shown):
            raise NotFound(f"there is no peer {peer!r} in the configuration")
        return replace(self.history or trend(span), name=peer, span=span)

    def budget(self) -> Budget:
        return self.spent

    def watch(self) -> WatchLease:
        self.watched += 1
        return WatchLease(10.0)


STEPS = (
    PathStep("name", "", "running", 0.0, "", (), ""),
    PathStep("name", "", "ok", 0.01, "ois.example.org is known", (), ""),
    PathStep("store", "ct", "running", 0.0, "", (), ""),
    PathStep("store", "ct", "failed", 0.6, f"failure {HOSTILE}", (StepDetail("bytes", "1032"),), "Ask them."),
)
REPORT = PathReport(
    id="0a1b", peer="oncology", ae_title="ARIA", host="ois.example.org", port=2762, tls=True,
    calling_ae="CLINIC07", who="anna", started_at=NOW, seconds=0.7, ok=False,
    patient_id="GATEWAY-TEST-20270115", steps=(STEPS[1], STEPS[3]),
)  # fmt: skip


class FakeTests:
    """Implements sections.path_test.PathTests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, PathTestWanted, str]] = []
        self.busy = False
        self.closed = 0

    def start(
        self, peer: str, wanted: PathTestWanted, who: str
    ) -> AsyncGenerator[PathStep | PathReport, None]:
        if self.busy:
            raise Busy(f"peer {peer} is being tested already")
        self.asked.append((peer, wanted, who))
        return self._steps()

    async def _steps(self) -> AsyncGenerator[PathStep | PathReport, None]:
        try:
            for step in STEPS:
                yield step
            yield REPORT
        finally:
            self.closed += 1

    def reports(self, peer: str) -> tuple[PathReport, ...]:
        return (REPORT,) if peer == "oncology" else ()
