"""The engine against real peers: every documented way of failing, and that everything arrives afterwards."""

from __future__ import annotations

from pathlib import Path

from gateway.model import DeliveryState, Priority
from tests.support.delivery import delivering, peer
from tests.support.scripted_centre import Centre


async def test_delivers_everything_once_in_order(tmp_path: Path) -> None:
    with Centre() as centre:
        async with delivering(
            tmp_path, peer(centre.port, max_associations=1), paused=["oncology"]
        ) as running:
            spool = running.spool
            images = [spool.add("oncology") for _ in range(5)]
            records = [spool.add("oncology", Priority.RECORD) for _ in range(3)]
            running.engine.resume("oncology")
            await spool.until(lambda: all(s is DeliveryState.ACCEPTED for s in spool.states()))
            uids = [arrived.uid for arrived in centre.kept]
            assert uids == [f"1.2.826.0.1.{n}" for n in [*records, *images]]
            assert centre.associations == 1
