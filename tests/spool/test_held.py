"""Held deliveries in groups: every one is in exactly one, and a group says what reading it would say."""

from __future__ import annotations

import random
import sqlite3

import pytest

from gateway.model import DeliveryState, Priority
from gateway.spool import held
from gateway.spool.schema import configure, create_or_migrate
from tests.support.full_spool import Row, any_row, fill_journal


def journal(rows: list[Row]) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    configure(db)
    create_or_migrate(db)
    fill_journal(db, iter(rows))
    return db


def a_held(number: int, cause: str, reason: str = "", destination: str = "oncology") -> Row:
    return Row(
        number,
        destination=destination,
        state=DeliveryState.HELD,
        cause=cause,
        reason=reason,
        priority=Priority.IMAGE,
        size=number,
        received_at=float(number),
    )


def test_the_groups_are_what_is_held() -> None:
    dice = random.Random(5)
    rows = [any_row(number, dice) for number in range(1, 2000)]
    db = journal(rows)
    wanted: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.state is DeliveryState.HELD:
            wanted.setdefault((row.destination, row.cause), []).append(row)
    found = held.held_groups(db)
    assert {(group.destination, group.cause) for group in found} == set(wanted)
    assert len(found) == len(wanted)
    for group in found:
        members = wanted[group.destination, group.cause]
        assert (group.total.count, group.total.exact) == (len(members), True)
        assert group.bytes == sum(row.size for row in members)
        assert group.oldest == members[0].received_at
        assert group.examples == tuple(row.number for row in members[:5])
        assert group.newest == members[-1].number
        assert group.words == (f"because of {group.cause}",)
    assert [group.total.count for group in found] == sorted((len(m) for m in wanted.values()), reverse=True)
    db.close()


def test_the_most_frequent_words_come_first() -> None:
    reasons = ["rare", "often", "often", "often", "sometimes", "sometimes"]
    db = journal([a_held(number, "refused", reason) for number, reason in enumerate(reasons, 1)])
    assert held.held_groups(db)[0].words == ("often", "sometimes", "rare")
    db.close()


def test_nothing_held_is_no_group() -> None:
    db = journal([Row(1)])
    assert held.held_groups(db) == []
    db.close()


def test_groups_and_counts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    db = journal([a_held(number, f"cause-{number % 7}") for number in range(1, 71)])
    monkeypatch.setattr(held, "MAX_GROUPS", 3)
    monkeypatch.setattr(held, "COUNTED", 5)
    groups = held.held_groups(db)
    assert len(groups) == 3
    assert {(group.total.count, group.total.exact) for group in groups} == {(5, False)}
    db.close()
