"""The comparison in the background: merged or held, and taken up again after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.model import DeliveryState
from gateway.spool import Accepted, Spool
from gateway.spool.comparer import Comparer
from gateway.spool.values import CAUSE_CHECKING, CAUSE_CONFLICT
from tests.support.encodings import BIG_ENDIAN, EXPLICIT, IMPLICIT, a_record, encode
from tests.support.spooling import Heard, OpenSpool, a_receipt, store


async def states(spool: Spool) -> list[tuple[int, str, DeliveryState, str]]:
    return [
        (row.object.number, row.delivery.destination, row.delivery.state, row.cause)
        for row in await spool.list_deliveries()
    ]


async def compared(spool: Spool) -> None:
    """Wait for the comparisons that are under way: their thread, then the journal, have nothing to do."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    spool._comparer._workers.submit(lambda: loop.call_soon_threadsafe(done.set))
    await done.wait()
    await spool.summary()


async def test_the_same_content_is_merged(spool: Spool, heard: Heard) -> None:
    await store(spool, encode(a_record(), EXPLICIT), syntax=EXPLICIT)
    second = await store(spool, encode(a_record(), IMPLICIT), syntax=IMPLICIT)
    assert (second.number, second.outcome) == (2, "checking")
    await compared(spool)
    assert await states(spool) == [
        (1, "oncology", DeliveryState.QUEUED, ""),
        (2, "oncology", DeliveryState.DISCARDED, ""),
    ]
    assert (await spool.show(2)).delivery.reason == "same content as object 1"
    assert not (await spool.show(2)).bytes_kept
    assert heard.alarms() == []


async def test_a_merged_copy_sent_again_is_a_duplicate_of_the_first(spool: Spool) -> None:
    await store(spool, encode(a_record(), EXPLICIT), syntax=EXPLICIT)
    for outcome in ("checking", "duplicate"):
        stored = await store(spool, encode(a_record(), IMPLICIT), syntax=IMPLICIT)
        assert stored.outcome == outcome
        await compared(spool)
    assert stored.number == 1


async def test_a_merged_copy_brings_its_destinations(spool: Spool) -> None:
    work: list[str] = []
    await store(spool, encode(a_record(), EXPLICIT), syntax=EXPLICIT)
    spool.on_work(work.append)
    await store(spool, encode(a_record(), IMPLICIT), syntax=IMPLICIT, to=("oncology", "archive"))
    await compared(spool)
    assert (1, "archive", DeliveryState.QUEUED, "") in await states(spool)
    assert work == ["archive"]
    job = (await spool.claim("archive", 1))[0]
    assert job.data == encode(a_record(), EXPLICIT)


async def test_the_second_of_two_may_be_the_twin(spool: Spool) -> None:
    other = a_record()
    other.PatientName = "Phantom^Air"
    await store(spool, encode(a_record(), EXPLICIT), syntax=EXPLICIT)
    await store(spool, encode(other, EXPLICIT), syntax=EXPLICIT)
    await store(spool, encode(other, IMPLICIT), syntax=IMPLICIT, to=("oncology", "archive"))
    await compared(spool)
    assert await states(spool) == [
        (1, "oncology", DeliveryState.QUEUED, ""),
        (2, "oncology", DeliveryState.HELD, CAUSE_CONFLICT),
        (3, "oncology", DeliveryState.DISCARDED, ""),
        (3, "archive", DeliveryState.DISCARDED, ""),
        (2, "archive", DeliveryState.HELD, CAUSE_CONFLICT),
    ]


async def test_other_content_is_a_conflict(spool: Spool, heard: Heard) -> None:
    other = a_record()
    other.PatientName = "Phantom^Air"
    await store(spool, encode(a_record(), EXPLICIT), syntax=EXPLICIT)
    await store(spool, encode(other, BIG_ENDIAN), syntax=BIG_ENDIAN)
    await compared(spool)
    assert (2, "oncology", DeliveryState.HELD, CAUSE_CONFLICT) in await states(spool)
    reason = (await spool.show(2)).delivery.reason
    assert reason.endswith("element (0010,0010) differs")
    assert heard.alarms() == ["spool.conflict"]


@pytest.fixture
def nobody_compares(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if the process ended before the comparison began."""
    monkeypatch.setattr(Comparer, "take", lambda self, numbers: None)
    return monkeypatch


async def test_it_is_taken_up_after_a_restart(
    open_spool: OpenSpool, nobody_compares: pytest.MonkeyPatch
) -> None:
    spool = open_spool()
    await store(spool, encode(a_record(), EXPLICIT), syntax=EXPLICIT)
    await store(spool, encode(a_record(), IMPLICIT), syntax=IMPLICIT)
    assert (2, "oncology", DeliveryState.HELD, CAUSE_CHECKING) in await states(spool)
    await spool.close()
    nobody_compares.undo()
    spool = open_spool()
    assert spool.recovery.checks == 1
    await spool.summary()
    await compared(spool)
    assert (2, "oncology", DeliveryState.DISCARDED, "") in await states(spool)
    await spool.close()
    assert open_spool().recovery.checks == 0


async def test_a_person_may_be_faster(
    open_spool: OpenSpool, nobody_compares: pytest.MonkeyPatch, heard: Heard
) -> None:
    spool = open_spool()
    await store(spool, encode(a_record(), EXPLICIT), syntax=EXPLICIT)
    await store(spool, encode(a_record(), IMPLICIT), syntax=IMPLICIT)
    assert await spool.retry_held() == 0
    await spool.release(2)
    await spool.close()
    nobody_compares.undo()
    spool = open_spool()
    await spool.summary()
    await compared(spool)
    assert (2, "oncology", DeliveryState.QUEUED, "") in await states(spool)


async def test_what_the_first_became_meanwhile_is_respected(
    open_spool: OpenSpool, nobody_compares: pytest.MonkeyPatch, heard: Heard
) -> None:
    """The first was delivered and its bytes are gone when the comparison is made: doubt, so a conflict."""
    spool = open_spool()
    await store(spool, encode(a_record(), EXPLICIT), syntax=EXPLICIT)
    await store(spool, encode(a_record(), IMPLICIT), syntax=IMPLICIT)
    job = (await spool.claim("oncology", 1))[0]
    await spool.settle([Accepted(job.delivery.number, a_receipt(job))])
    await spool.expire(now=1e11)
    await spool.close()
    nobody_compares.undo()
    spool = open_spool()
    await spool.summary()
    await compared(spool)
    assert (2, "oncology", DeliveryState.HELD, CAUSE_CONFLICT) in await states(spool)
    assert heard.alarms() == ["spool.conflict"]


async def test_bytes_that_cannot_be_read_are_a_conflict(
    open_spool: OpenSpool, directory: Path, nobody_compares: pytest.MonkeyPatch
) -> None:
    spool = open_spool()
    big = a_record()
    big.add_new(0x00091102, "OB", bytes(100_000))
    await store(spool, encode(big, EXPLICIT), syntax=EXPLICIT)
    await store(spool, encode(big, IMPLICIT), syntax=IMPLICIT)
    (directory / "objects/000000/000000000.dcm").write_bytes(b"")
    await spool.close()
    nobody_compares.undo()
    spool = open_spool()
    await spool.summary()
    await compared(spool)
    assert (2, "oncology", DeliveryState.HELD, CAUSE_CONFLICT) in await states(spool)
    assert "not compared" in (await spool.show(2)).delivery.reason


async def test_a_twin_that_was_given_up_meanwhile_is_none(
    spool: Spool, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the comparison and its conclusion a person may discard the first: nobody would deliver it."""
    await store(spool, encode(a_record(), EXPLICIT), syntax=EXPLICIT)
    with monkeypatch.context() as patch:
        patch.setattr(Comparer, "take", lambda self, numbers: None)
        await store(spool, encode(a_record(), IMPLICIT), syntax=IMPLICIT)
    await spool.discard(1, "given up")
    monkeypatch.setattr(Comparer, "_find_twin", lambda self, number: (1, ""))
    spool._comparer.take([2])
    await compared(spool)
    assert (2, "oncology", DeliveryState.HELD, CAUSE_CONFLICT) in await states(spool)
    assert heard.alarms() == ["spool.conflict"]
