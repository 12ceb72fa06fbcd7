from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.diagnosis import journal as module
from gateway.admin.diagnosis.journal import Journal, NoJournal, line_of

ENTRY = {
    "MESSAGE": "object stored object=17",
    "PRIORITY": "6",
    "LOGGER": "gateway",
    "DICOM_EVENT": "object stored",
    "DICOM_OBJECT": "17",
    "DICOM_CALLING": "LINAC1",
    "__REALTIME_TIMESTAMP": "1764000000123456",
    "__CURSOR": "s=ab;i=1",
}


def entry(number: int, **more: Any) -> dict[str, Any]:
    return {
        **ENTRY,
        "DICOM_EVENT": f"event {number}",
        "__CURSOR": f"s=ab;i={number}",
        "__REALTIME_TIMESTAMP": str(1764000000 * 10**6 + number),
        **more,
    }


Program = Callable[..., Journal]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A journalctl that notes its arguments and says what it is told to."""

    def make(output: bytes = b"", *, code: int = 0, words: str = "", then: str = "") -> Journal:
        (tmp_path / "output").write_bytes(output)
        path = tmp_path / "journalctl"
        path.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\ncat {tmp_path}/output\n'
            f'printf "%s" "{words}" >&2\n{then}\nexit {code}\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return Journal(str(path))

    return make


def lines(*entries: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in entries)


def test_an_entry_is_a_line() -> None:
    line = line_of(ENTRY)
    assert (line.event, line.level, line.logger, line.at) == (
        "object stored",
        "info",
        "gateway",
        1764000000.123456,
    )
    assert {(one.name, one.value) for one in line.fields} == {("object", "17"), ("calling", "LINAC1")}


@pytest.mark.parametrize(
    ("given", "event"),
    [
        ({}, ""),
        ({"MESSAGE": None}, ""),
        ({"MESSAGE": [104, 105, 255]}, "hi\ufffd"),
        ({"MESSAGE": ["x", 999]}, ""),
        ({"MESSAGE": "one\ntwo", "PRIORITY": "x", "__REALTIME_TIMESTAMP": 5}, "one"),
    ],
)
def test_strange_entries_are_lines_too(given: dict[str, Any], event: str) -> None:
    assert line_of(given).event == event


async def test_the_newest_in_the_order_of_writing(program: Program, tmp_path: Path) -> None:
    journal = program(lines(entry(3), entry(2), entry(1)))
    page = await journal.page(limit=2, before=1764000001.5, level="warning")
    assert [line.event for line in page.lines] == ["event 2", "event 3"]
    assert page.previous == "s=ab;i=2"
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert "--until=@1764000001.500" in arguments
    assert "--priority=4" in arguments
    assert "SYSLOG_IDENTIFIER=dicom-gateway" in arguments


async def test_older_ones_without_the_one_of_the_cursor(program: Program, tmp_path: Path) -> None:
    journal = program(lines(entry(2), entry(1)))
    page = await journal.page(cursor="s=ab;i=2")
    assert [line.event for line in page.lines] == ["event 1"]
    assert page.previous == ""
    assert "--cursor=s=ab;i=2" in (tmp_path / "arguments").read_text().splitlines()


async def test_a_search_looks_at_fields_and_goes_on_where_it_ended(program: Program) -> None:
    journal = program(lines(entry(3), entry(2, DICOM_OBJECT="4711"), entry(1, DICOM_OBJECT="4711")))
    page = await journal.page(text="OBJECT=4711", limit=1)
    assert [line.event for line in page.lines] == ["event 2"]
    assert page.previous == "s=ab;i=2"
    assert (await journal.page(text="nowhere")).lines == ()


async def test_garbage_is_passed_over(program: Program) -> None:
    page = await program(b"{\n[]\n" + lines(entry(1)) + b'{"MESSAGE": "cut o').page()
    assert [line.event for line in page.lines] == ["event 1"]


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        (1, "Failed to open journal: Permission denied", "Permission denied"),
        (3, "", "ended with 3"),
        (0, "No journal files were opened due to insufficient permissions.", "insufficient permissions"),
    ],
)
async def test_why_it_cannot_be_read(program: Program, code: int, words: str, expected: str) -> None:
    with pytest.raises(NoJournal, match=expected):
        await program(code=code, words=words).page()


async def test_no_journal_at_all() -> None:
    with pytest.raises(NoJournal, match="no journal"):
        await Journal("/no/such/journalctl").page()


async def test_one_that_does_not_answer_is_ended(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.3)
    started = time.monotonic()
    with pytest.raises(NoJournal, match="in time"):
        await program(then="exec sleep 60").page()
    assert time.monotonic() - started < 10


async def test_output_without_end_is_cut(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_OUTPUT", 100_000)
    journal = program(lines(*(entry(n) for n in range(50))), then="exec yes")
    page = await journal.page(limit=10)
    assert len(page.lines) == 10


@pytest.mark.parametrize("cursor", ["x" * 301, "s=ab\n--file=/etc/passwd"])
async def test_a_strange_place_is_not_asked_for(program: Program, cursor: str) -> None:
    with pytest.raises(NoJournal, match="not known"):
        await program().page(cursor=cursor)
