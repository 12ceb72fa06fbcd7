"""What happens on the page reaches the gateway's trail: now, or when it answers again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from gateway.admin.access.audit_trail import AuditTrail
from gateway.admin.access.store import Store, StoreFailure
from gateway.admin.gateway_client import GatewayClient
from gateway.audit.values import AuditEntry, AuditPage, AuditUnavailable, AuditVerdict, Filter
from gateway.operator.api import OperatorServer
from gateway.operator.sections.audit import AuditSection
from tests.support.fake_control import FakeControl


class Trail:
    """The daemon's side: what it keeps, and whether it can."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.works = True
        self.asked = asyncio.Event()
        self.got = asyncio.Condition()

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        self.asked.set()
        if not self.works:
            raise AuditUnavailable("no room")
        async with self.got:
            self.entries += entries
            self.got.notify_all()

    async def until(self, count: int) -> list[AuditEntry]:
        async with self.got:
            await asyncio.wait_for(self.got.wait_for(lambda: len(self.entries) >= count), 20)
        return self.entries

    async def page(self, wanted: Filter, *, before: int | None, limit: int) -> AuditPage:
        raise NotImplementedError

    async def verify(self, noted: str = "") -> AuditVerdict:
        raise NotImplementedError


class Scene:
    """A page's trail in front of a daemon that can be absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "op.sock"
        self.trail = Trail()
        self.server: OperatorServer | None = None
        self.gateway = GatewayClient(self.socket)
        self.store = Store.open(folder / "page")

    def open(self, most: int = 100, clock: Callable[[], float] = lambda: 1234.5) -> AuditTrail:
        return AuditTrail(self.store, self.gateway, clock=clock, retry=(0.02,), most=most)

    async def daemon(self) -> None:
        self.server = OperatorServer(FakeControl(), self.socket, sections=[AuditSection(self.trail)])
        await self.server.start()

    def rows(self) -> int:
        return int(self.store.read(lambda db: db.execute("SELECT count(*) FROM audit").fetchone()[0]))

    async def close(self) -> None:
        await self.gateway.close()
        if self.server is not None:
            await self.server.close()
        self.store.close()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    await scene.close()


async def gone(scene: Scene, audit: AuditTrail) -> None:
    """Return when nothing waits any more."""
    async with asyncio.timeout(20):
        while len(audit) or scene.rows():  # noqa: ASYNC110 - there is no event for "nothing happens any more"
            await asyncio.sleep(0.005)


async def test_an_entry_arrives_with_everything_it_says(scene: Scene) -> None:
    await scene.daemon()
    audit = scene.open()
    await audit.add("Zoë (clinic)", "reveal", subject="7", outcome="done", detail="why", address="192.0.2.9")
    (entry,) = await scene.trail.until(1)
    await gone(scene, audit)
    await audit.close()
    assert entry.who.startswith("Zoë (clinic) by ")
    assert (entry.at, entry.what, entry.subject, entry.outcome, entry.detail, entry.address) == (
        1234.5, "reveal", "7", "done", "why", "192.0.2.9",
    )  # fmt: skip


async def test_entries_wait_for_the_daemon_over_a_restart_and_arrive_in_order(scene: Scene) -> None:
    audit = scene.open()
    for number in range(90):  # more than one request takes
        await audit.add("Anna", f"act-{number}")
    await audit.close()
    assert scene.rows() == 90
    scene.store.close()
    scene.store = Store.open(scene.folder / "page")
    audit = scene.open()
    await audit.add("Anna", "act-90")
    await scene.daemon()
    entries = await scene.trail.until(91)
    await gone(scene, audit)
    await audit.close()
    assert [entry.what for entry in entries] == [f"act-{number}" for number in range(91)]


async def test_a_daemon_without_room_gets_them_later(scene: Scene) -> None:
    scene.trail.works = False
    await scene.daemon()
    audit = scene.open()
    await audit.add("Anna", "sign-in")
    await asyncio.wait_for(scene.trail.asked.wait(), 20)
    assert scene.rows() == 1
    scene.trail.works = True
    await scene.trail.until(1)
    await gone(scene, audit)
    await audit.close()


async def test_an_entry_that_is_refused_does_not_stop_the_others(scene: Scene) -> None:
    await scene.daemon()
    audit = scene.open()
    for what in ("one", " ", "three"):  # an empty word is refused with 400
        await audit.add("Anna", what)
    entries = await scene.trail.until(2)
    await gone(scene, audit)
    await audit.close()
    assert [entry.what for entry in entries] == ["one", "three"]


async def test_what_waits_is_bounded_and_a_loss_is_told(scene: Scene) -> None:
    audit = scene.open(most=5)
    for number in range(8):
        await audit.add("Anna", f"act-{number}")
    assert len(audit) == scene.rows() == 5
    await scene.daemon()
    entries = await scene.trail.until(6)
    await gone(scene, audit)
    await audit.close()
    assert [entry.what for entry in entries] == [f"act-{n}" for n in range(3, 8)] + ["audit-lost"]
    assert "3 entries" in entries[-1].detail


async def test_a_full_disk_loses_nothing_while_the_page_runs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(work: object) -> None:
        raise StoreFailure("the disk is full")

    monkeypatch.setattr(scene.store, "write", full)
    audit = scene.open()
    await audit.add("Anna", "sign-in")
    await scene.daemon()
    assert len(await scene.trail.until(1)) == 1
    await audit.close()


async def test_long_and_strange_texts_are_cut_to_what_the_trail_takes(scene: Scene) -> None:
    await scene.daemon()
    audit = scene.open()
    await audit.add("A" * 999, "w" * 999, subject="s\n\x1b" * 500, outcome="é" * 999, detail="日" * 999)
    (entry,) = await scene.trail.until(1)
    await gone(scene, audit)
    await audit.close()
    assert entry.subject.isprintable()
    assert len(entry.detail) == 400


async def test_a_row_that_cannot_be_read_is_left_out(scene: Scene) -> None:
    await scene.store.write(lambda db: db.execute("INSERT INTO audit (entry) VALUES ('{')"))
    await scene.daemon()
    audit = scene.open()
    await audit.add("Anna", "sign-in")
    assert [entry.what for entry in await scene.trail.until(1)] == ["sign-in"]
    await audit.close()
