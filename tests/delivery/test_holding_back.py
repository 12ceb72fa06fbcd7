"""What is held back for the month's data or the time of day: it waits in the spool, and records go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.model import DeliveryState, Priority
from tests.delivery.test_courier import ScriptedTransport, couriering, open_gate

ACCEPTED, QUEUED, SENDING = DeliveryState.ACCEPTED, DeliveryState.QUEUED, DeliveryState.SENDING
WHY = "82% of this month's data is used"


async def breathe() -> None:
    for _ in range(50):
        await asyncio.to_thread(lambda: None)


async def test_only_what_is_urgent_enough_leaves(tmp_path: Path) -> None:
    async with couriering(tmp_path, ScriptedTransport(gate=open_gate())) as running:
        running.courier.hold_back(Priority.IMAGE, WHY)
        for priority in (Priority.BULK, Priority.IMAGE, Priority.RECORD):
            await running.spool.add("oncology", priority=priority)
        await running.spool.until(lambda: running.spool.states().count(ACCEPTED) == 2)
        await breathe()
        assert running.spool.states() == [QUEUED, ACCEPTED, ACCEPTED]
        running.courier.hold_back(Priority.BULK, "")
        await running.spool.until(lambda: running.spool.states() == [ACCEPTED] * 3)


async def test_a_record_goes_on_when_everything_else_waits(tmp_path: Path) -> None:
    async with couriering(tmp_path, ScriptedTransport(gate=open_gate()), lanes=1) as running:
        running.courier.hold_back(Priority.RECORD, WHY)
        for _ in range(30):  # more than what is claimed ahead
            await running.spool.add("oncology", priority=Priority.IMAGE)
        await running.spool.add("oncology", priority=Priority.RECORD)
        await running.spool.until(lambda: running.spool.state(31) is ACCEPTED)
        assert running.transport.sent == [31]


async def test_what_was_claimed_ahead_goes_back_with_the_reason(tmp_path: Path) -> None:
    async with couriering(tmp_path, ScriptedTransport(), lanes=1) as running:
        for _ in range(10):
            await running.spool.add("oncology", priority=Priority.BULK)
        await running.transport.taken.wait()
        await running.spool.until(lambda: running.spool.states().count(SENDING) == 10)
        running.courier.hold_back(Priority.IMAGE, WHY)
        await running.spool.until(lambda: running.spool.states().count(QUEUED) == 9)
        waiting = running.spool.entries[10].delivery
        assert (waiting.reason, waiting.attempts) == (WHY, 0)
        running.transport.gate.set()  # what is on the wire is finished
        await running.spool.until(lambda: running.spool.state(1) is ACCEPTED)
        await breathe()
        assert running.transport.sent == [1]


async def test_holding_back_is_silent(tmp_path: Path) -> None:
    """What is held back is due, and must not have the spool asked again and again."""
    async with couriering(tmp_path, ScriptedTransport(gate=open_gate())) as running:
        running.courier.hold_back(Priority.RECORD, WHY)
        for _ in range(5):
            await running.spool.add("oncology", priority=Priority.IMAGE)
        await breathe()
        settled = running.spool.claims
        for _ in range(4):
            running.courier.hold_back(Priority.RECORD, "83% of this month's data is used")
            await breathe()
        assert running.spool.claims <= settled + 2
        assert running.courier.status().held_back.startswith("83%")


async def test_the_status_tells_what_is_held_back_and_how_fast_it_goes(tmp_path: Path) -> None:
    async with couriering(tmp_path, ScriptedTransport(gate=open_gate())) as running:
        assert (running.courier.status().most, running.courier.status().held_back) == (Priority.BULK, "")
        running.courier.hold_back(Priority.IMAGE, WHY)
        assert (running.courier.status().most, running.courier.status().held_back) == (Priority.IMAGE, WHY)
        assert running.courier.status().throughput is None
