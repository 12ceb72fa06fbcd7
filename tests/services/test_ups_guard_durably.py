"""The UPS safety rule on a real spool: records stored, delivered, held and given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.dicom import data_set, messages
from gateway.dicom.command import Command
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import AETitle, Priority, Route
from gateway.services.ups_guard import UpsGuard
from gateway.spool import Accepted, Hold, PutBack, Spool
from tests.support.spooling import Heard, a_receipt, content, store

PUSH = "1.2.840.10008.5.1.4.34.6.1"
IMPLICIT = "1.2.840.10008.1.2"
LONG = Route(AETitle("ARIA"), ("oncology",), ups_guard=3600.0)
SHORT = Route(AETitle("ARIA"), ("oncology",), ups_guard=0.05)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    opened = Spool.open(tmp_path / "spool", notices=Heard().notices)
    yield opened
    await opened.close()


def completed(spool: Spool, route: Route = LONG, calling_ae: str = "LINAC1") -> asyncio.Task[Command | None]:
    data = data_set.encode({0x00741000: ("CS", "COMPLETED")}, IMPLICIT)
    command = messages.n_action_rq(1, PUSH, "1.2.3", 1, has_data_set=True)
    guard = UpsGuard(spool, Heard().notices)
    return asyncio.create_task(
        guard.inspect(route, calling_ae, AcceptedContext(1, PUSH, IMPLICIT), command, data)
    )


async def test_completed_follows_the_acceptance_of_the_record(spool: Spool) -> None:
    await store(spool, content(1, 1000))
    [job] = await spool.claim("oncology", 1)
    asked = completed(spool)
    refused = await completed(spool, SHORT)
    assert refused is not None
    assert refused.status == 0xC304
    await spool.settle([PutBack(job.delivery.number, 0.0, "link down")])
    [job] = await spool.claim("oncology", 1)
    assert await completed(spool, SHORT) is not None
    assert not asked.done()
    await spool.settle([Accepted(job.delivery.number, a_receipt(job))])
    async with asyncio.timeout(10):
        assert await asked is None
        assert await completed(spool) is None


async def test_a_held_record_holds_it_back_until_it_is_discarded(spool: Spool) -> None:
    await store(spool, content(1, 1000))
    [job] = await spool.claim("oncology", 1)
    await spool.settle([Hold(job.delivery.number, "refused", "refused")])
    asked = completed(spool)
    assert await completed(spool, SHORT) is not None
    await spool.discard(job.delivery.number, "sent by hand")
    async with asyncio.timeout(10):
        assert await asked is None


async def test_images_and_the_records_of_others_do_not(spool: Spool) -> None:
    await store(spool, content(1, 1000), 1, priority=Priority.IMAGE)
    await store(spool, content(2, 1000), 2, to=("elsewhere",))
    assert await completed(spool) is None
    await store(spool, content(3, 1000), 3)
    assert await completed(spool, calling_ae="LINAC2") is None
    assert await completed(spool, SHORT) is not None
