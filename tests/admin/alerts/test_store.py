"""The alerts on the disk: they survive, they are bounded, and damage costs history only."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.admin.alerts.store import AlertStore, StoreLimits
from tests.support.alerting import a_message, alert


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts" / "alerts.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[AlertStore]:
    store = AlertStore(path, StoreLimits(history=3, waiting=2))
    yield store
    store.close()


def test_alerts_survive(store: AlertStore, path: Path) -> None:
    known = replace(alert(), acknowledged_at=105.0, acknowledged_by="Zoë")
    over = replace(alert(2), over_at=110.0)
    store.keep([known, over])
    store.close()
    again = AlertStore(path)
    assert again.active() == [known]
    assert again.history(None, 10) == [over]
    assert again.next_number() == 3
    again.close()


def test_it_is_for_the_page_alone(store: AlertStore, path: Path) -> None:
    store.keep([alert()])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_history_is_bounded_and_paged(store: AlertStore) -> None:
    store.keep([replace(alert(number), over_at=1.0) for number in range(1, 6)])
    assert [one.number for one in store.history(None, 10)] == [5, 4, 3]
    assert [one.number for one in store.history(5, 1)] == [4]


def test_what_is_active_is_never_forgotten(store: AlertStore) -> None:
    store.keep([alert(number) for number in range(1, 10)])
    assert len(store.active()) == 9


def test_messages_wait_in_order_for_each_channel(store: AlertStore) -> None:
    store.keep([], [a_message(1), a_message(2)], ["email", "syslog"])
    first = store.waiting("email")
    assert first is not None
    assert first.message == a_message(1)
    store.told(first, 200.0)
    second = store.waiting("email")
    assert second is not None
    assert second.message.alert == 2
    store.failed(second, 300.0, "the server is gone")
    again = store.waiting("email")
    assert again is not None
    assert again.attempts == 1
    record = store.record("email")
    assert (record.waiting, record.told_at, record.failed_at) == (1, 200.0, 300.0)
    assert record.failure == "the server is gone"
    assert store.record("syslog").waiting == 2
    assert store.record("webhook").waiting == 0


def test_messages_are_bounded_and_what_is_given_up_is_counted(store: AlertStore) -> None:
    store.keep([], [a_message(number) for number in range(1, 6)], ["email"])
    waiting = store.waiting("email")
    assert waiting is not None
    assert waiting.message.alert == 4
    assert store.record("email").dropped == 3


def test_a_damaged_file_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database" * 500)
    with caplog.at_level(logging.WARNING):
        store = AlertStore(path)
    assert store.active() == []
    store.keep([alert()])
    store.close()
    assert path.with_suffix(".damaged").read_bytes().startswith(b"this is not")
    assert "set aside" in caplog.text
