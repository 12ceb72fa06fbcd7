from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import cast

import pytest

from gateway import chores
from gateway.errors import SpoolFailure
from gateway.notices import Alarm
from gateway.spool import Spool
from gateway.spool.step_values import Step
from gateway.spool.values import ExpireReport
from tests.support.loop_clock import FastLoop
from tests.support.notice_log import NoticeLog

STEP = Step(
    sop_class_uid="1.2.840.10008.3.1.2.3.3",
    sop_instance_uid="2.25.1",
    kind="create",
    transfer_syntax_uid="1.2.840.10008.1.2",
    calling_ae="LINAC1",
    called_ae="ARIA",
    destination="gone",
    data=b"\0" * 8,
)


async def test_steps_for_a_peer_that_left_the_configuration_raise_an_alarm(tmp_path: Path) -> None:
    log = NoticeLog()
    spool = await asyncio.to_thread(Spool.open, tmp_path / "spool", notices=log.notices)
    try:
        await spool.add_step(STEP)
        await chores.tell_orphans(spool, [], ["gone"], log.notices)
        assert log.of(Alarm) == []
        await chores.tell_orphans(spool, [], ["oncology"], log.notices)
        (alarm,) = log.of(Alarm)
        assert alarm.code == "unknown-destination"
        assert "1 procedure steps wait for 'gone'" in alarm.text
    finally:
        await spool.close()


class Expiring:
    """A spool of which only the retention is asked."""

    def __init__(self) -> None:
        self.at: list[float] = []

    async def expire(self, *, keep: object) -> ExpireReport:
        self.at.append(asyncio.get_running_loop().time())
        return ExpireReport(released=len(self.at) - 1, objects=0, bytes=0, history=0)


def test_the_retention_is_applied_soon_after_the_start_and_then_every_hour(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    spool, loop = Expiring(), FastLoop()

    async def for_three_hours() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3 * 3600):
                await chores.expire(cast("Spool", spool))

    began = loop.time()
    try:
        loop.run_until_complete(for_three_hours())
    finally:
        loop.close()
    assert [round(moment - began) for moment in spool.at] == [60, 3660, 7260]
    assert [record.getMessage()[:31] for record in caplog.records] == [
        "retention: released 1 deliverie",
        "retention: released 2 deliverie",
    ]


def test_unfinished_objects_are_swept_every_hour_whatever_the_disk_says(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    loop, at = FastLoop(), []

    async def remove() -> int:
        at.append(loop.time())
        if len(at) == 1:
            raise SpoolFailure("the disk failed")
        return 2

    async def for_two_hours() -> None:
        task = asyncio.ensure_future(chores.sweep(remove))
        await asyncio.sleep(2.5 * 3600)
        task.cancel()

    began = loop.time()
    try:
        loop.run_until_complete(for_two_hours())
    finally:
        loop.close()
    assert [round(moment - began) for moment in at] == [3600, 7200]
    assert "could not be cleared away" in caplog.text
    assert "cleared away 2 objects" in caplog.text
