"""What becomes due without an event is done, however the moments fall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from gateway.commitment.engine import CommitmentEngine
from gateway.commitment.ports import CommitmentSpool
from gateway.model import AETitle
from gateway.notices import Notices
from tests.support.loop_clock import run_fast

DUE = 5000.0


class Journal:
    """One report is due at DUE: that moment passes between the reporter's look and the engine's plan."""

    def __init__(self) -> None:
        self.now = DUE - 0.001
        self.looks: list[float] = []

    def wall_clock(self) -> float:
        return self.now

    async def commitments_to_report(self, limit: int) -> list[object]:
        self.looks.append(self.now)
        self.now = DUE + 0.001
        return []

    async def overdue_asks(self, now: float) -> list[object]:
        return []

    async def oldest_open_commitment(self) -> float | None:
        return None

    async def next_commitment_due(self, now: float) -> float | None:
        return DUE if now < DUE else None

    def on_commitment(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


def test_what_became_due_just_before_the_plan_is_not_forgotten() -> None:
    async def run() -> None:
        journal = Journal()
        engine = CommitmentEngine(
            cast("CommitmentSpool", journal),
            {},
            AETitle("GATEWAY"),
            Notices(),
            way_to=lambda _peer: None,
            wall_clock=journal.wall_clock,
            clock=asyncio.get_running_loop().time,
        )
        work = asyncio.create_task(engine.run())
        await asyncio.sleep(30)
        await engine.close()
        await work
        assert [look >= DUE for look in journal.looks] == [False, True]

    run_fast(run())
