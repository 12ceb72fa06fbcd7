"""A schedule's rate on a real association: images take their time, a record has them make haste."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from gateway.model import Priority, Receipt
from gateway.shaping.schedule import Schedule
from gateway.shaping.shaper import HEADERS, Shaper
from tests.delivery.transport_contract import ListedWork, make_job
from tests.delivery.transports.test_dicom import DicomRig, rigged
from tests.support.scripted_centre import Centre

RATE = 200_000
IMAGE = bytes(100_000)


def line() -> Shaper:
    return Shaper(Schedule(RATE), wall_clock=time.time)


class Telling(Shaper):
    """Says when the first bytes leave."""

    def __init__(self, schedule: Schedule, *, wall_clock: Callable[[], float]) -> None:
        super().__init__(schedule, wall_clock=wall_clock)
        self.begun = asyncio.Event()

    def spend(self, now: float, size: int) -> None:
        super().spend(now, size)
        self.begun.set()


async def timed(rig: DicomRig, work: ListedWork) -> float:
    began = time.monotonic()
    await rig.transport.send(work)
    return time.monotonic() - began


async def test_images_leave_at_the_rate_and_arrive_whole(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre(window=4), shaper=line()) as rig:
        work = ListedWork([make_job(number, IMAGE) for number in (1, 2, 3)])
        # The last piece leaves as soon as what came before it is paid for.
        assert await timed(rig, work) >= 3 * len(IMAGE) * HEADERS / RATE - 0.2
        assert [data for _, data in rig.delivered()] == [IMAGE] * 3
        assert all(isinstance(outcome, Receipt) for outcome in work.outcomes.values())
        await rig.transport.close()


async def test_records_go_at_once(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre(), shaper=line()) as rig:
        work = ListedWork([make_job(number, IMAGE, priority=Priority.RECORD) for number in range(1, 9)])
        assert await timed(rig, work) < 8 * len(IMAGE) * HEADERS / RATE / 2
        await rig.transport.close()


async def test_a_record_behind_an_image_on_the_only_association_has_it_make_haste(tmp_path: Path) -> None:
    bucket = Telling(Schedule(5_000), wall_clock=time.time)
    with rigged(tmp_path, Centre(), max_associations=1, shaper=bucket) as rig:
        work = ListedWork([make_job(1, IMAGE)])
        sending = asyncio.create_task(timed(rig, work))
        await bucket.begun.wait()
        work.jobs.append(make_job(2, b"record " * 10, priority=Priority.RECORD))
        assert await sending < 10  # alone it would take 20 seconds
        assert all(isinstance(outcome, Receipt) for outcome in work.outcomes.values())
        assert len(work.outcomes) == 2
        await rig.transport.close()
