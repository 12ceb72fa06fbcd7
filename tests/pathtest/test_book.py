from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from gateway.pathtest.book import FILE_NAME, Book
from gateway.pathtest.steps import Detail, Report, Step

STEPS = (
    Step("name", "", "ok", 0.1, "it is known"),
    Step("store", "ct", "failed", 1.0, "refused", (Detail("bytes", "7"),), "ask them"),
)
REPORT = Report(
    id="0", peer="oncology", ae_title="ARIA", host="ois", port=104, tls=False, calling_ae="GW", who="anna",
    started_at=1.0, seconds=2.0, ok=False, patient_id="GATEWAY-TEST-1", steps=STEPS,
)  # fmt: skip


async def filled(folder: Path, count: int, kept: int = 10) -> Book:
    book = Book.load(folder, ["oncology"], kept)
    for number in range(count):
        await book.add(dataclasses.replace(REPORT, id=str(number)))
    return book


async def test_the_newest_come_first_and_old_ones_go(tmp_path: Path) -> None:
    book = await filled(tmp_path, 5, kept=3)
    assert [one.id for one in book.of("oncology")] == ["4", "3", "2"]


async def test_they_are_there_after_a_restart_as_they_were(tmp_path: Path) -> None:
    book = await filled(tmp_path, 2)
    again = Book.load(tmp_path, ["oncology"])
    assert again.of("oncology") == book.of("oncology")


async def test_those_of_a_peer_that_left_the_configuration_are_dropped(tmp_path: Path) -> None:
    await filled(tmp_path, 1)
    assert Book.load(tmp_path, ["archive"]).of("oncology") == ()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"version": 2, "reports": {}}',
        b'{"version": 1}',
        b'{"version": 1, "reports": {"oncology": [{"id": 1}]}}',
        b'{"version": 1, "reports": {"oncology": [7]}}',
    ],
)
async def test_a_damaged_file_costs_the_reports_only(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(damage)
    book = Book.load(tmp_path, ["oncology"])
    assert book.of("oncology") == ()
    await book.add(REPORT)
    assert Book.load(tmp_path, ["oncology"]).of("oncology") == (REPORT,)


@pytest.mark.parametrize(
    "change",
    [{"outcome": "splendid"}, {"step": "dance"}, {"words": None}, {"details": [{"what": 1}]}],
)
async def test_a_step_that_makes_no_sense_is_damage(change: dict[str, object], tmp_path: Path) -> None:
    await filled(tmp_path, 1)
    path = tmp_path / FILE_NAME
    content = json.loads(path.read_text())
    content["reports"]["oncology"][0]["steps"][0] |= change
    path.write_text(json.dumps(content))
    assert Book.load(tmp_path, ["oncology"]).of("oncology") == ()


async def test_a_disk_that_takes_nothing_keeps_no_report_from_being_shown(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    book = Book.load(folder, ["oncology"])
    await book.add(REPORT)
    assert book.of("oncology") == (REPORT,)
