"""What the wizard keeps: one draft, numbered sheets; private, whole, bounded, and there after a restart."""

from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.admin.installing.answers import Answers, Centre, Console, Tls
from gateway.admin.installing.draft import (
    MAX_DRAFT,
    MAX_RESULTS,
    MAX_STEPS,
    Draft,
    Drafts,
    Mark,
    Result,
    ResultStep,
    Said,
)
from gateway.admin.installing.sheet import Sheet, SheetLine, Sheets, digest_of

ANSWERS = Answers(
    "clinic-07", "CLINIC07", address="192.0.2.10", port=104, allow=("192.0.2.0/24",),
    centres=(Centre("oncology", "ARIA", "ois.example.org", 2762, ("ARIA",), Tls("/c", "/k", "/a", "x")),),
    consoles=(Console("LINAC1", "linac1", "192.0.2.20", 104, True),),
)  # fmt: skip
DRAFT = Draft(1000.0, "Emil", "digest", Answers(), ANSWERS, "Clinic\nBunker 2", "tls", "clinic-07")


def result(subject: str, steps: int = 0) -> Result:
    parts = tuple(ResultStep(f"part {number}", "ok", 0.1, "words") for number in range(steps))
    return Result("path", subject, "ok", Said("all %(what)s", ("what", "good")), 1.5, 5.0, "Emil", (), parts)


def sheet(points: int = 0) -> Sheet:
    return Sheet(
        at=1000.0, zone="CET", who="Emil", site="Clinic", gateway="clinic-07", ae_title="CLINIC07",
        clock=Said("right"), clock_trusted=True, versions=(SheetLine("Kernel", "6"),), configuration="2",
        page_fingerprint="AB:CD", certificates=(), addresses=(), parties=(), results=(result("oncology"),),
        points=tuple(Said("open") for _ in range(points)),
    )  # fmt: skip


async def test_the_draft_survives_a_restart_and_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "install"
    assert await Drafts(folder).load() is None
    await Drafts(folder).begin(DRAFT)
    assert await Drafts(folder).load() == DRAFT
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_who_begins_second_goes_on_with_what_is_there(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path)
    await drafts.begin(DRAFT)
    assert await drafts.begin(replace(DRAFT, begun_by="Ada")) == DRAFT


async def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path)
    await drafts.begin(DRAFT)
    names = [f"step-{number}" for number in range(20)]
    await asyncio.gather(
        *(
            drafts.change(lambda draft, name=name: draft.marked(Mark(name, "done", 1.0, "Emil")))  # type: ignore[misc]
            for name in names
        )
    )
    kept = await drafts.load()
    assert kept is not None
    assert {mark.step for mark in kept.marks} == set(names)


async def test_a_forgotten_draft_cannot_be_changed(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path)
    await drafts.begin(DRAFT)
    await drafts.forget()
    with pytest.raises(LookupError):
        await drafts.change(lambda draft: draft)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"begun_at": 1}', b"[" * 100_000, b"\xff\xfe", b" " * (MAX_DRAFT + 1)]
)
async def test_a_damaged_draft_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "draft.json").write_bytes(damage)
    drafts = Drafts(tmp_path)
    assert await drafts.load() is None
    assert (tmp_path / "draft.unreadable").read_bytes() == damage
    await drafts.begin(DRAFT)
    assert await drafts.load() == DRAFT


async def test_a_draft_that_is_too_long_leaves_the_one_before(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path)
    await drafts.begin(DRAFT)
    with pytest.raises(OSError, match="too long"):
        await drafts.change(lambda draft: replace(draft, site="x" * MAX_DRAFT))
    assert await drafts.load() == DRAFT


def test_results_are_bounded_and_the_latest_of_a_kind_counts() -> None:
    draft = DRAFT
    for number in range(MAX_RESULTS + 5):
        draft = draft.with_result(result(f"centre-{number}", MAX_STEPS + 3))
    assert len(draft.results) == MAX_RESULTS
    assert all(len(one.steps) == MAX_STEPS for one in draft.results)
    last = replace(result("centre-20"), outcome="failed")
    assert draft.with_result(last).result("path", "centre-20") == last
    assert len(draft.with_result(last).results) == MAX_RESULTS


async def test_sheets_are_numbered_and_the_digest_is_over_what_they_say(tmp_path: Path) -> None:
    sheets = Sheets(tmp_path / "sheets")
    first, second = await sheets.keep(sheet()), await sheets.keep(sheet(2))
    assert (first.number, second.number) == (1, 2)
    assert await Sheets(tmp_path / "sheets").get(2) == second
    assert second.digest == digest_of(second)
    assert digest_of(replace(second, who="Ada")) != second.digest
    assert digest_of(replace(second, number=3)) != second.digest
    assert [(one.number, one.points) for one in await sheets.earlier()] == [(2, 2), (1, 0)]
    for file in (tmp_path / "sheets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_the_oldest_sheet_goes_and_no_number_comes_twice(tmp_path: Path) -> None:
    sheets = Sheets(tmp_path, most=3)
    for _ in range(5):
        await sheets.keep(sheet())
    assert [one.number for one in await sheets.earlier()] == [5, 4, 3]
    assert await sheets.get(1) is None
    assert (await sheets.keep(sheet())).number == 6


async def test_a_damaged_sheet_is_not_shown_and_does_not_hide_the_others(tmp_path: Path) -> None:
    sheets = Sheets(tmp_path)
    await sheets.keep(sheet())
    await sheets.keep(sheet())
    (tmp_path / "sheet-000001.json").write_text("{")
    (tmp_path / "other.json").write_text("{}")
    assert [one.number for one in await sheets.earlier()] == [2]
    assert (await sheets.keep(sheet())).number == 3
    stored = json.loads((tmp_path / "sheet-000003.json").read_text())
    assert stored["gateway"] == "clinic-07"
