from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.audit.trail import AuditTrail
from gateway.audit.values import AuditEntry, AuditLimits, AuditUnavailable, Filter
from gateway.notices import Alarm, LinkChanged, Notice, Notices, OperatorActed

NOW = 1_764_000_000.0
LIMITS = AuditLimits(max_queued=10, retry=0.02)
EVERYTHING = Filter()


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture
def alarms(notices: Notices) -> list[Notice]:
    seen: list[Notice] = []
    notices.subscribe(lambda notice: seen.append(notice) if isinstance(notice, Alarm) else None)
    return seen


@pytest.fixture
async def trail(notices: Notices, tmp_path: Path) -> AsyncIterator[AuditTrail]:
    trail = AuditTrail(tmp_path / "audit", LIMITS, notices, lambda: NOW)
    await trail.open()
    yield trail
    await trail.close()


async def whats(trail: AuditTrail) -> list[str]:
    return [record.what for record in (await trail.page(EVERYTHING, before=None, limit=100)).entries]


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", fail)


async def test_what_an_operator_did_is_in_the_trail(trail: AuditTrail, notices: Notices) -> None:
    notices.publish(LinkChanged("oncology", "online", "offline", ""))
    notices.publish(OperatorActed("Anna (uid 1000)", "discard", "number=17", "done", "sent on film"))
    await trail.add([AuditEntry(5.0, "bob", "sign-in")])
    page = await trail.page(EVERYTHING, before=None, limit=10)
    assert [record.what for record in page.entries] == ["sign-in", "discard", "start"]
    acted = page.entries[1]
    assert (acted.who, acted.subject, acted.outcome, acted.detail, acted.at) == (
        "Anna (uid 1000)", "number=17", "done", "sent on film", NOW,
    )  # fmt: skip


async def test_start_and_stop_are_in_it_too(notices: Notices, tmp_path: Path) -> None:
    for _ in range(2):
        trail = AuditTrail(tmp_path / "audit", LIMITS, notices)
        await trail.open()
        await trail.close()
    trail = AuditTrail(tmp_path / "audit", LIMITS, notices)
    await trail.open()
    await trail.add([AuditEntry(1.0, "x", "y")])
    assert (await whats(trail))[1:] == ["start", "stop", "start", "stop", "start"]
    assert (await trail.verify()).ok
    await trail.close()


async def test_texts_are_bounded_harmless_and_without_uids(trail: AuditTrail) -> None:
    uid = "1.2.826.0.1.3680043.8.498.12345678901234567890"
    await trail.add([AuditEntry(1.0, "a\x1b[31m\n", "x" * 5000, uid, f"not {uid}", "d" * 5000, uid)])
    (record, _) = (await trail.page(EVERYTHING, before=None, limit=10)).entries
    kept = "".join((record.who, record.what, record.subject, record.outcome, record.detail, record.address))
    assert uid not in kept
    assert kept.isprintable()
    assert len(kept) < 1500


async def test_a_full_disk_is_one_alarm_and_what_waited_is_written_later(
    trail: AuditTrail, notices: Notices, alarms: list[Notice], monkeypatch: pytest.MonkeyPatch
) -> None:
    await trail.add([AuditEntry(1.0, "anna", "before")])
    with monkeypatch.context() as patched:
        refuse(patched)
        with pytest.raises(AuditUnavailable, match="No space"):
            await trail.add([AuditEntry(1.0, "anna", "kept by the page")])
        notices.publish(OperatorActed("anna", "retry", "", "done", ""))
        with pytest.raises(AuditUnavailable):
            await trail.add([AuditEntry(1.0, "anna", "kept by the page")])
        for _ in range(LIMITS.max_queued + 3):
            notices.publish(OperatorActed("anna", "flood", "", "done", ""))
        await asyncio.sleep(LIMITS.retry * 2)  # more tries, no more alarms
    assert [alarm.code for alarm in alarms if isinstance(alarm, Alarm)] == ["audit"]
    async with asyncio.timeout(10):
        while "audit-gap" not in (seen := await whats(trail)):  # noqa: ASYNC110 - tells nobody when
            await asyncio.sleep(0.01)
    assert seen.count("retry") == 1
    assert seen.count("flood") == LIMITS.max_queued - 1
    assert "kept by the page" not in seen
    gap = (await trail.page(Filter(what="audit-gap"), before=None, limit=1)).entries[0]
    assert gap.detail.startswith("4 entries")
    assert (await trail.verify()).ok


async def test_a_folder_that_cannot_be_made_is_an_alarm_and_no_error(
    notices: Notices, alarms: list[Notice], tmp_path: Path
) -> None:
    (tmp_path / "audit").write_text("a file, where the folder should be")
    trail = AuditTrail(tmp_path / "audit", LIMITS, notices)
    await trail.open()
    notices.publish(OperatorActed("anna", "retry", "", "done", ""))
    with pytest.raises(AuditUnavailable):
        await trail.add([AuditEntry(1.0, "anna", "x")])
    await trail.close()
    assert len(alarms) == 1


async def test_a_folder_that_could_not_be_read_is_found_again_without_a_gap(
    notices: Notices, tmp_path: Path
) -> None:
    """Whatever was on the disk before must not be written over, nor the chain begun anew."""
    folder = tmp_path / "audit"
    first = AuditTrail(folder, LIMITS, notices)
    await first.open()
    await first.close()
    (tmp_path / "away").mkdir()
    folder.rename(tmp_path / "away" / "audit")
    folder.write_text("in the way")
    trail = AuditTrail(folder, LIMITS, notices)
    await trail.open()
    folder.unlink()
    (tmp_path / "away" / "audit").rename(folder)
    async with asyncio.timeout(10):
        while len(await whats(trail)) < 3:  # noqa: ASYNC110 - tells nobody when
            await asyncio.sleep(0.01)
    assert await whats(trail) == ["start", "stop", "start"]
    assert (await trail.verify()).ok
    await trail.close()


async def test_many_at_once_share_their_syncs(
    notices: Notices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = AuditTrail(tmp_path / "audit", AuditLimits(), notices)
    await trail.open()
    await trail.add([AuditEntry(1.0, "anna", "first")])
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    await asyncio.gather(*(trail.add([AuditEntry(1.0, "anna", "x")]) for _ in range(150)))
    assert len(synced) <= 3
    await trail.close()


async def test_an_old_file_that_goes_leaves_an_entry(notices: Notices, tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "audit", AuditLimits(max_size=2**20), notices)
    await trail.open()
    detail = "d" * 480
    for _ in range(20):
        await trail.add([AuditEntry(1.0, "anna", "x", detail=detail)] * 100)
    found = (await trail.page(Filter(what="audit-remove"), before=None, limit=1)).entries
    assert found
    assert found[0].who == "gateway"
    await trail.close()
