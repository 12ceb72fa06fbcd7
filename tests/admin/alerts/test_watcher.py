"""Looking, and what comes of it: book, disk, channels, and the page that is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.admin.alerts.book import Book, NotActive, Pace
from gateway.admin.alerts.outbox import Outbox
from gateway.admin.alerts.rules import ClockState, Seen, Thresholds
from gateway.admin.alerts.store import AlertStore
from gateway.admin.alerts.watcher import Watcher
from tests.admin.alerts.test_outbox import Memory
from tests.admin.alerts.test_rules import DESTINATION, seen
from tests.support.alerting import English

UNSET = ClockState(False, None)


class Scene:
    """A watcher, with what it sees set by hand."""

    def __init__(self, store: AlertStore) -> None:
        self.store = store
        self.sees = seen()
        self.pokes = 0
        self.channel = Memory()
        self.watcher = self.begin()

    def begin(self) -> Watcher:
        book = Book(Pace(settle=60, repeat=0), self.store.active(), self.store.next_number())
        return Watcher(
            self,
            book,
            self.store,
            Outbox(self.store, [self.channel]),
            limits=Thresholds(),
            gateway="clinic-07",
            speaker=English(),
            changed=self.poke,
            wall_clock=lambda: 4242.0,
        )

    async def look(self) -> Seen:
        return self.sees

    def poke(self) -> None:
        self.pokes += 1


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    store = AlertStore(tmp_path / "alerts.sqlite")
    yield Scene(store)
    store.close()


async def test_what_is_wrong_is_shown_kept_and_told(scene: Scene) -> None:
    assert scene.watcher.report.looked_at is None
    scene.sees = seen(clock=UNSET)
    await scene.watcher.look()
    (alert,) = scene.watcher.report.active
    assert scene.store.active() == [alert]
    waiting = scene.store.waiting("email")
    assert waiting is not None
    assert waiting.message.what == "Nobody sets the clock of this device."
    assert scene.pokes == 1


async def test_it_goes_on_after_a_restart(scene: Scene) -> None:
    scene.sees = seen(clock=UNSET)
    await scene.watcher.look()
    scene.watcher = scene.begin()
    await scene.watcher.look()
    assert [alert.number for alert in scene.watcher.report.active] == [1]
    assert scene.store.record("email").waiting == 1


async def test_nothing_is_over_because_the_gateway_is_silent(scene: Scene) -> None:
    scene.sees = seen(replace(DESTINATION, link="offline", link_since=0.0))
    await scene.watcher.look()
    later = scene.sees.now + 1000
    scene.sees = Seen(later, None, silent_for=1000)
    await scene.watcher.look()
    assert [alert.condition.kind.value for alert in scene.watcher.report.active] == [
        "gateway-silent",
        "link-down",
    ]


async def test_acknowledging_is_kept_and_shown(scene: Scene) -> None:
    scene.sees = seen(clock=UNSET)
    await scene.watcher.look()
    known = await scene.watcher.acknowledge(1, "Zoë")
    assert (known.acknowledged_by, known.acknowledged_at) == ("Zoë", 4242.0)
    assert scene.store.active() == [known]
    assert scene.pokes == 2
    with pytest.raises(NotActive):
        await scene.watcher.acknowledge(2, "Zoë")


async def test_history_has_what_is_over(scene: Scene) -> None:
    scene.sees = seen(clock=UNSET)
    await scene.watcher.look()
    scene.sees = Seen(scene.sees.now + 60, scene.sees.status)
    await scene.watcher.look()
    assert scene.watcher.report.active == ()
    (over,) = await scene.watcher.history(None, 10)
    assert over.over_at == scene.sees.now


async def test_the_disk_is_left_alone_while_nothing_changes(scene: Scene) -> None:
    scene.sees = seen(clock=UNSET)
    await scene.watcher.look()
    written = scene.store.active()
    scene.sees = seen(clock=UNSET, now=scene.sees.now + 299)
    await scene.watcher.look()
    assert scene.store.active() == written
    scene.sees = seen(clock=UNSET, now=written[0].seen_at + 300)
    await scene.watcher.look()
    assert scene.store.active()[0].seen_at == written[0].seen_at + 300


async def test_a_look_that_is_fresh_is_good_enough(scene: Scene) -> None:
    now = [4242.0]
    scene.sees = seen(now=4242.0)
    scene.watcher._wall_clock = lambda: now[0]
    await scene.watcher.look()
    scene.sees = seen(now=4244.0, clock=UNSET)
    now[0] = 4244.0
    await scene.watcher.look(3.0)
    assert not scene.watcher.report.active
    now[0] = 4245.0
    await scene.watcher.look(3.0)
    assert len(scene.watcher.report.active) == 1
    now[0] = 4000.0  # the clock was set back: nobody knows how old the look is
    scene.sees = seen(now=4000.0)
    await scene.watcher.look(3.0)
    assert scene.watcher.report.looked_at == 4000.0
