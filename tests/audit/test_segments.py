from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit import chain
from gateway.audit.checking import check
from gateway.audit.segments import Segments
from gateway.audit.values import AuditEntry, AuditLimits, Filter

EVERYTHING = Filter()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Callable[..., Segments]:
    def open_(limits: AuditLimits | None = None) -> Segments:
        segments = Segments(tmp_path / "audit", limits or AuditLimits(), clock)
        segments.open()
        return segments

    return open_


def entry(what: str, who: str = "anna", at: float = 1.0) -> AuditEntry:
    return AuditEntry(at, who, what, "number=17", "done", "because")


def whats(segments: Segments, wanted: Filter = EVERYTHING, before: int | None = None) -> list[str]:
    return [record.what for record in segments.page(wanted, before, 1000).entries]


def test_what_was_written_is_there_after_a_restart(opened: Callable[..., Segments]) -> None:
    first = opened()
    first.append([entry("one"), entry("two")])
    first.close()
    again = opened()
    again.append([entry("three")])
    assert whats(again) == ["three", "two", "one"]
    assert [r.number for r in again.page(EVERYTHING, None, 10).entries] == [3, 2, 1]
    assert check(again).ok
    again.close()


def test_every_append_is_synced(opened: Callable[..., Segments], monkeypatch: pytest.MonkeyPatch) -> None:
    segments = opened()
    segments.append([entry("one")])
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    segments.append([entry("two"), entry("three")])
    assert len(synced) == 1
    segments.close()


def test_pages_follow_each_other_without_gap(opened: Callable[..., Segments]) -> None:
    limits = AuditLimits(max_size=2**20)
    segments = opened(limits)
    for index in range(1500):
        segments.append([entry(f"w{index}")])
    assert len(segments.files()) > 1
    seen: list[str] = []
    before = None
    while True:
        page = segments.page(EVERYTHING, before, 170)
        seen += [record.what for record in page.entries]
        if page.next is None:
            break
        before = page.next
    assert seen == [f"w{index}" for index in reversed(range(1500))]
    segments.close()


def test_a_page_looks_at_so_many_entries_and_says_where_to_go_on(opened: Callable[..., Segments]) -> None:
    segments = opened(AuditLimits(max_examined=10))
    segments.append([entry("rare"), *(entry("common") for _ in range(25))])
    page = segments.page(Filter(what="rare"), None, 5)
    assert (page.entries, page.examined, page.next) == ((), 10, 17)
    page = segments.page(Filter(what="rare"), 17, 5)
    assert page.next == 7
    page = segments.page(Filter(what="rare"), 7, 5)
    assert [record.number for record in page.entries] == [1]
    assert page.next is None
    segments.close()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(since=15.0), ["sign-in"]),
        (Filter(until=15.0), ["retry"]),
        (Filter(who="ANNA"), ["retry"]),
        (Filter(what="sign"), []),
        (Filter(what="sign-in"), ["sign-in"]),
        (Filter(text="NUMBER=17"), ["sign-in", "retry"]),
        (Filter(text="nowhere"), []),
    ],
)
def test_filters(opened: Callable[..., Segments], wanted: Filter, expected: list[str]) -> None:
    segments = opened()
    segments.append([entry("retry", "Anna B.", 10.0), entry("sign-in", "bob", 20.0)])
    assert whats(segments, wanted) == expected
    segments.close()


def test_the_oldest_file_goes_when_there_is_too_much(opened: Callable[..., Segments]) -> None:
    limits = AuditLimits(max_size=2**20)
    segments = opened(limits)
    removed = []
    for index in range(5000):
        segments.append([entry(f"w{index}")])
        if (one := segments.prune()) is not None:
            removed.append(one)
    assert removed
    assert "size" in removed[0][1]
    assert segments.size() <= limits.max_size + limits.segment_bytes
    verdict = check(segments)
    assert verdict.ok
    assert verdict.first == removed[-1][0] + 1
    assert verdict.last == 5000
    segments.close()


def test_what_is_older_than_the_retention_goes_a_file_an_hour(
    opened: Callable[..., Segments], clock: Clock
) -> None:
    limits = AuditLimits(retention=24 * 86400.0)
    segments = opened(limits)
    for day in range(10):
        clock.now = 1_000_000.0 + day * 86400 * 2  # a file is closed after a day
        segments.append([entry(f"day {day}")])
    assert len(segments.files()) == 10
    assert segments.prune() is None
    clock.now += 100 * 86400
    number, why = segments.prune() or (0, "")
    assert number == 1
    assert "retention" in why
    assert segments.prune() is None  # a clock that jumps ahead cannot empty the trail at once
    clock.now += 3600
    assert segments.prune() is not None
    segments.close()


def test_the_file_that_is_written_is_never_removed(opened: Callable[..., Segments], clock: Clock) -> None:
    segments = opened()
    segments.append([entry("one")])
    clock.now += 10_000 * 86400
    assert segments.prune() is None
    segments.close()


def test_an_unfinished_line_is_left_and_the_chain_goes_on(opened: Callable[..., Segments]) -> None:
    segments = opened()
    segments.append([entry("one"), entry("two")])
    segments.close()
    with segments.files()[-1].open("ab") as file:
        file.write(b'{"n":3,"at":1.0,"who":"an')
    again = opened()
    again.append([entry("three")])
    verdict = check(again)
    assert whats(again) == ["three", "two", "one"]
    assert verdict.ok
    assert any("unfinished" in note for note in verdict.notes)
    again.close()


def test_garbage_in_a_file_keeps_nothing_from_working(opened: Callable[..., Segments]) -> None:
    segments = opened()
    segments.append([entry("one"), entry("two"), entry("three")])
    segments.close()
    path = segments.files()[0]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"\0" * 60 + b"\n"
    path.write_bytes(b"".join(lines))
    again = opened()
    again.append([entry("four")])
    assert whats(again) == ["four", "three", "one"]
    verdict = check(again)
    assert not verdict.ok
    assert verdict.damage[0].startswith("entry 2")
    again.close()


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff" * 5000, b"{}\n{}\n"])
def test_a_file_that_makes_no_sense_is_passed_over(opened: Callable[..., Segments], content: bytes) -> None:
    segments = opened()
    segments.append([entry("one")])
    segments.close()
    (segments.folder / "audit-000000000002.jsonl").write_bytes(content)
    (segments.folder / "audit-notes.jsonl").write_bytes(b"not ours")
    again = opened()
    again.append([entry("later")])
    assert whats(again) == ["later", "one"]
    again.close()


def test_a_full_disk_leaves_nothing_half_and_the_next_try_works(
    opened: Callable[..., Segments], monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = opened()
    segments.append([entry("one")])
    whole = os.write

    def some(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", refuse)
        return whole(fd, bytes(data)[:20])

    def refuse(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", some)
    with pytest.raises(OSError, match="No space"):
        segments.append([entry("two")])
    with pytest.raises(OSError, match="No space"):
        segments.append([entry("two")])
    monkeypatch.setattr(os, "write", whole)
    segments.append([entry("two")])
    assert whats(segments) == ["two", "one"]
    assert check(segments).ok
    segments.close()


def test_a_failed_sync_is_not_tried_again_on_the_same_file(
    opened: Callable[..., Segments], monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = opened()
    segments.append([entry("one")])
    real = os.fsync

    def fail(_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input"):
        segments.append([entry("two")])
    monkeypatch.setattr(os, "fsync", real)
    segments.append([entry("two")])
    assert [path.name for path in segments.files()] == [
        "audit-000000000001.jsonl",
        "audit-000000000002.jsonl",
    ]
    assert check(segments).ok
    segments.close()


def test_only_the_owner_may_read(opened: Callable[..., Segments]) -> None:
    segments = opened()
    segments.append([entry("one")])
    assert segments.folder.stat().st_mode & 0o777 == 0o700
    assert segments.files()[0].stat().st_mode & 0o777 == 0o600
    segments.close()


def _change(segments: Segments, edit: Callable[[list[bytes]], None]) -> None:
    path = segments.files()[0]
    lines = path.read_bytes().splitlines(keepends=True)
    edit(lines)
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda lines: lines.__setitem__(2, lines[2].replace(b"two", b"tow")), "entry 2"),
        (lambda lines: lines.pop(2), "entry 2"),
        (lambda lines: lines.insert(2, lines[1]), "entry 2"),
        (lambda lines: lines.pop(), "missing at the end"),
        (lambda lines: lines.__setitem__(0, chain.header_line(1, "e" * 64)), "entry 1"),
        (
            lambda lines: lines.__setitem__(
                2, chain.seal(2, entry("forged"), 1.0, chain.read_entry(lines[1]).digest)[0]
            ),
            "entry 3",
        ),
    ],
)
def test_tampering_shows(
    opened: Callable[..., Segments], edit: Callable[[list[bytes]], None], words: str
) -> None:
    segments = opened()
    segments.append([entry("one"), entry("two"), entry("three")])
    assert check(segments).ok
    _change(segments, edit)
    verdict = check(segments)
    assert not verdict.ok
    assert any(words in one for one in verdict.damage)
    assert verdict.damage[0] in verdict.words
    segments.close()


def test_a_missing_file_in_the_middle_shows(opened: Callable[..., Segments]) -> None:
    for what in ("one", "two", "three"):
        segments = opened()
        segments.append([entry(what)])
        segments.close()
    segments.files()[1].unlink()
    verdict = check(opened())
    assert not verdict.ok
    assert "missing" in verdict.words


def test_a_digest_noted_earlier_is_found_again(opened: Callable[..., Segments]) -> None:
    segments = opened()
    segments.append([entry("one")])
    noted = segments.digest
    segments.append([entry("two")])
    assert check(segments, noted.upper()).ok
    assert not check(segments, "0123456789abcdef" * 4).ok
    segments.close()


def test_an_empty_trail_is_whole(opened: Callable[..., Segments]) -> None:
    verdict = check(opened())
    assert verdict.ok
    assert (verdict.entries, verdict.first, verdict.digest) == (0, 0, chain.GENESIS)
