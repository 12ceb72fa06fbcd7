from __future__ import annotations

from pathlib import Path

import pytest

from gateway.trends.ledger import FILE_NAME, MAX_CHANGES, MAX_DAYS, Change, Entry, dump, load, save


def entry() -> Entry:
    kept = Entry()
    kept.changed(Change(1.0, "up", ""))
    kept.changed(Change(2.5, "down", "no answer"))
    kept.carried("2026-11-23", 100, 7)
    return kept


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    save(tmp_path, dump({"oncology": entry()}, 9.0))
    assert load(tmp_path) == ({"oncology": entry()}, 9.0)


def test_changes_and_days_are_bounded_whatever_the_clock_says() -> None:
    kept = Entry()
    for number in range(MAX_CHANGES + 50):
        kept.changed(Change(float(number), "up", ""))
    assert len(kept.changes) == MAX_CHANGES
    assert kept.changes[-1].at == MAX_CHANGES + 49
    for number in range(MAX_DAYS + 20):
        kept.carried(f"{2000 + number // 300}-{number // 28 % 12 + 1:02d}-{number % 28 + 1:02d}", 1, 1)
    assert len(kept.days) <= MAX_DAYS
    kept.carried("1970-01-01", 5, 5)  # a board that has lost its clock: its bytes go first
    assert "1970-01-01" not in kept.days


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"null",
        b"{}",
        b'{"version": 2}',
        b'{"version": 1, "saved_at": 1, "peers": []}',
        b'{"version": 1, "saved_at": "now", "peers": {}}',
        b'{"version": 1, "saved_at": NaN, "peers": {}}',
        b'{"version": 1, "saved_at": 1, "peers": {"a": {"changes": [[1, "sideways", ""]], "days": {}}}}',
        b'{"version": 1, "saved_at": 1, "peers": {"a": {"changes": [[1]], "days": {}}}}',
        b'{"version": 1, "saved_at": 1, "peers": {"a": {"changes": [], "days": {"today": [1, 2]}}}}',
        b'{"version": 1, "saved_at": 1, "peers": {"a": {"changes": [], "days": {"2026-01-01": [-1, 2]}}}}',
        b'{"version": 1, "saved_at": 1, "peers": {"a": {"changes": [], "days": {"2026-01-01": 5}}}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_damage_is_one_kind_of_error(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(damage)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says of the damage
        load(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / FILE_NAME).open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(ValueError, match="too large"):
        load(tmp_path)
