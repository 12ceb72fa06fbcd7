"""All peers: what reaches their histories, and what of it a restart finds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.model import AETitle, Peer
from gateway.notices import AssociationClosed, DeliverySettled, LinkChanged, LinkLost, Notices
from gateway.reachability import Reachabilities
from gateway.traffic import Traffic
from gateway.trends.history import History
from gateway.trends.recorder import SAVE_EVERY, Recorder
from gateway.trends.state import DeliveryView
from tests.trends.test_meter import Open
from tests.trends.test_state import Delivery

T = 1_800_000_000.0
PEERS = {
    "oncology": Peer("oncology", AETitle("ARIA"), "ois", 104),
    "console": Peer("console", AETitle("LINAC1"), "c", 104),
}


class Timer(asyncio.TimerHandle):
    """A timer that the test fires."""

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        super().__init__(due, callback, (), asyncio.get_running_loop())


class Scene:
    """A recorder whose minutes pass when the test says so."""

    PEERS = PEERS

    def __init__(self, folder: Path) -> None:
        self.now, self.at = 1000.0, T
        self.notices = Notices()
        self.reachabilities = Reachabilities()
        self.deliveries: list[DeliveryView] = [Delivery("unknown")]
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.recorder = Recorder(
            self.PEERS,
            self.notices,
            self.reachabilities,
            lambda: self.deliveries,
            folder / "trends",
            clock=lambda: self.now,
            wall_clock=lambda: self.at,
            call_later=self._later,
        )

    def _later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        self.timers.append((self.now + delay, callback))
        return Timer(self.now + delay, callback)

    def minute(self, count: int = 1) -> None:
        for _ in range(count):
            ((due, callback),) = self.timers
            self.timers.clear()
            self.at += due - self.now
            self.now = due
            callback()

    def history(self, peer: str = "oncology") -> History:
        found = self.recorder.history(peer)
        assert found is not None
        return found


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    await made.recorder.start()
    return made


def closed(association: str) -> AssociationClosed:
    return AssociationClosed(
        association, inbound=False, address="", calling_ae="", called_ae="", outcome="released", reason="",
        objects=0, failures=0, bytes_in=0, bytes_out=0, seconds=1.0,
    )  # fmt: skip


def settled(outcome: str, size: int = 1_000_000) -> DeliverySettled:
    return DeliverySettled(
        delivery=1, object_number=1, destination="oncology", sop_class_uid="1", transfer_syntax_uid="1",
        priority="image", size=size, seconds=2.0, attempts=1, outcome=outcome, status=0, reason="",
    )  # fmt: skip


async def test_what_happens_is_in_the_minute(scene: Scene) -> None:
    scene.reachabilities.of("oncology").succeeded(scene.now)
    scene.reachabilities.of("oncology").measured(0.6)
    scene.notices.publish(settled("accepted"))
    scene.notices.publish(settled("retry"))
    scene.notices.open_associations["a"] = Open(peer="oncology", now=Traffic(10, 100))
    scene.minute()
    (sample,) = scene.history().samples("day", scene.at)
    assert (sample.up, sample.rtt_median, sample.objects, sample.goodput) == (
        60,
        pytest.approx(0.6),
        1,
        500_000,
    )
    assert (sample.sent, sample.received) == (100, 10)
    assert scene.history("console").samples("day", scene.at)[0].up == 0


async def test_the_last_bytes_of_an_association_count_once(scene: Scene) -> None:
    association = Open(peer="oncology", now=Traffic(1, 10))
    scene.notices.open_associations["a"] = association
    scene.minute()
    association.now = Traffic(2, 25)
    scene.notices.publish(closed("a"))
    del scene.notices.open_associations["a"]
    scene.minute()
    first, second = scene.history().samples("day", scene.at)
    assert (first.sent, second.sent) == (10, 15)
    assert (first.received, second.received) == (1, 1)


async def test_a_change_has_its_exact_moment(scene: Scene) -> None:
    scene.reachabilities.of("oncology").succeeded(scene.now)
    scene.at += 17.5
    scene.now += 17.5
    scene.deliveries = [Delivery("offline", reason="it rejects us")]
    scene.notices.publish(LinkChanged("oncology", "online", "offline", "it rejects us"))
    changes = scene.history().changes("day", scene.at)
    assert [(one.at, one.state, one.reason) for one in changes] == [
        (T, "up", ""),
        (T + 17.5, "down", "it rejects us"),
    ]


async def test_a_peer_that_left_the_configuration_disturbs_nobody(scene: Scene) -> None:
    scene.reachabilities.of("gone").succeeded(scene.now)
    scene.reachabilities.of("gone").measured(1.0)
    scene.notices.open_associations["a"] = Open(peer="gone", now=Traffic(1, 1))
    scene.minute()
    assert scene.recorder.history("gone") is None


async def test_a_loop_that_was_held_up_makes_one_long_minute(scene: Scene) -> None:
    scene.now += 600
    scene.at += 600
    ((_, callback),) = scene.timers
    scene.timers.clear()
    callback()
    scene.minute(2)
    lengths = [round(one.seconds) for one in scene.history().samples("day", scene.at)]
    assert lengths == [600, 30, 60]


async def settle(recorder: Recorder) -> None:
    if recorder._saving is not None:
        await recorder._saving


async def test_a_restart_finds_it_and_a_power_cut_what_was_saved(scene: Scene, tmp_path: Path) -> None:
    scene.reachabilities.of("oncology").succeeded(scene.now)
    scene.notices.open_associations["a"] = Open(peer="oncology", now=Traffic(10, 100))
    scene.minute(SAVE_EVERY)
    await settle(scene.recorder)
    scene.minute(3)
    cut = Scene(tmp_path)
    cut.at = scene.at
    await cut.recorder.start()
    assert len(cut.history().samples("day", cut.at)) == SAVE_EVERY
    assert [one.state for one in cut.history().entry.changes] == ["up", "unknown"]
    await scene.recorder.close()
    again = Scene(tmp_path)
    again.at = scene.at
    await again.recorder.start()
    assert len(again.history().samples("day", again.at)) == SAVE_EVERY + 3
    assert sum(sum(amounts) for amounts in again.history().entry.days.values()) == 110


async def test_nothing_is_written_between_saves(scene: Scene, tmp_path: Path) -> None:
    scene.minute(SAVE_EVERY - 1)
    await settle(scene.recorder)
    assert not (tmp_path / "trends").exists()


@pytest.mark.parametrize("name", ["oncology.ring", "ledger.json"])
async def test_a_lost_or_damaged_file_costs_history_only(
    name: str, scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene.reachabilities.of("oncology").succeeded(scene.now)
    scene.minute(3)
    await scene.recorder.close()
    (tmp_path / "trends" / name).write_bytes(b"\0rubbish" * 100)
    again = Scene(tmp_path)
    again.at = scene.at
    with caplog.at_level(logging.WARNING):
        await again.recorder.start()
    assert name.partition(".")[0] in caplog.text
    assert len(again.history("console").samples("day", again.at)) == 3
    found = len(again.history().samples("day", again.at)), len(again.history().entry.changes)
    assert found == ((0, 2) if name == "oncology.ring" else (3, 0))
    again.minute(1)
    await again.recorder.close()
    (tmp_path / "trends" / name).unlink()
    last = Scene(tmp_path)
    await last.recorder.start()


async def test_a_disk_that_takes_nothing_is_logged_and_tried_again(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "trends").write_text("a file where the folder should be")
    scene.minute(SAVE_EVERY)
    with caplog.at_level(logging.WARNING):
        await settle(scene.recorder)
    assert "could not be saved" in caplog.text
    (tmp_path / "trends").unlink()
    scene.minute(SAVE_EVERY)
    await settle(scene.recorder)
    again = Scene(tmp_path)
    again.at = scene.at
    await again.recorder.start()
    assert len(again.history().samples("day", again.at)) == 2 * SAVE_EVERY


async def test_after_the_end_nothing_is_heard_any_more(scene: Scene) -> None:
    await scene.recorder.close()
    before: Any = len(scene.history().entry.changes)
    scene.notices.publish(settled("accepted"))
    assert scene.history()._minute.objects == 0
    assert before == len(scene.history().entry.changes)


class LinkScene(Scene):
    """A peer behind a link."""

    PEERS = {"oncology": Peer("oncology", AETitle("ARIA"), "hub", 0, via="hub")}  # noqa: RUF012 - not changed


async def test_a_link_has_a_history_of_its_own_up_to_its_last_byte(tmp_path: Path) -> None:
    scene = LinkScene(tmp_path)
    await scene.recorder.start()
    scene.notices.open_associations["link"] = Open(peer="hub", now=Traffic(10, 100, retransmitted_bytes=7))
    scene.notices.open_associations["stream"] = Open(peer="oncology", now=Traffic(10, 100))
    scene.notices.publish(LinkLost("hub", False, "hub", "no answer", 60.0, 10, 100))
    del scene.notices.open_associations["link"]
    link = scene.history("hub")
    assert (list(link.entry.days.values()), link.retransmitted) == ([(100, 10)], 7)
    assert scene.history("oncology").entry.days == {}
    await scene.recorder.close()
    again = LinkScene(tmp_path)
    await again.recorder.start()
    assert list(again.history("hub").entry.days.values()) == [(100, 10)]
    await again.recorder.close()
