"""The facade: what holds for the room as a whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.model import Priority
from gateway.notices import Notices
from gateway.spool import Spool
from tests.support.spooling import LARGE, SMALL, Heard, OpenSpool, an_instance, an_origin, content, store


def test_it_may_be_opened_before_the_loop_runs(directory: Path) -> None:
    spool = Spool.open(directory, notices=Notices())

    async def use() -> int:
        await store(spool, content(1, SMALL))
        objects = (await spool.summary()).objects
        await spool.close()
        return objects

    assert asyncio.run(use()) == 1


async def test_closing_twice_and_unused(open_spool: OpenSpool) -> None:
    spool = open_spool()
    await spool.close()
    await spool.close()


async def test_work_is_told_after_the_answer(spool: Spool) -> None:
    told: list[tuple[str, int]] = []
    stored: list[int] = []
    spool.on_work(lambda destination: told.append((destination, len(stored))))
    incoming = spool.receive(an_instance(), an_origin(), Priority.RECORD, ["oncology", "archive"])
    incoming.write(b"record")
    stored.append((await incoming.commit()).number)
    assert sorted(destination for destination, _ in told) == ["archive", "oncology"]


async def test_one_who_forgets_is_not_told(spool: Spool) -> None:
    told: list[str] = []
    forget = spool.on_work(told.append)
    forget()
    await store(spool, content(1, SMALL))
    assert told == []


async def test_many_at_once(spool: Spool, heard: Heard) -> None:
    """Forty associations at the same time, large and small, and an operator who looks on."""
    puts = [
        store(spool, content(number, LARGE if number % 3 == 0 else SMALL), number) for number in range(1, 41)
    ]
    looks = [spool.summary() for _ in range(10)]
    stored, _ = await asyncio.gather(asyncio.gather(*puts), asyncio.gather(*looks))
    assert sorted(one.number for one in stored) == list(range(1, 41))
    assert heard.alarms() == []


async def test_no_patient_data_in_what_is_told(spool: Spool, heard: Heard) -> None:
    await store(spool, content(1, SMALL))
    await store(spool, content(2, SMALL))
    assert len(heard.said) == 1
    assert "1.2.826" not in str(heard.said)
