"""The outbox: order, waiting, trying again, and one bad channel that does not silence the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.admin.alerts.channels import NotTold
from gateway.admin.alerts.message import Message
from gateway.admin.alerts.outbox import Outbox, Retry
from gateway.admin.alerts.store import AlertStore
from tests.support.alerting import a_message

SLOW = Retry(base=3600, ceiling=3600)


class Memory:
    """A channel that keeps what it is told, or fails as it is told to."""

    certain = True
    where = "here"

    def __init__(self, name: str = "email") -> None:
        self.name = name
        self.told: list[int] = []
        self.tries = 0
        self.failure: Exception | None = None
        self.changed = asyncio.Event()

    async def tell(self, message: Message) -> None:
        self.tries += 1
        self.changed.set()
        if self.failure is not None:
            raise self.failure
        self.told.append(message.alert)

    async def until_tried(self, times: int) -> None:
        async with asyncio.timeout(10):
            while self.tries < times:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AlertStore]:
    store = AlertStore(tmp_path / "alerts.sqlite")
    yield store
    store.close()


@asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[None]:
    task = asyncio.create_task(outbox.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_failed(store: AlertStore, name: str) -> str:
    async with asyncio.timeout(10):
        while not (failure := store.record(name).failure):
            await asyncio.to_thread(store.record, name)
    return failure


async def test_everything_is_told_in_order(store: AlertStore) -> None:
    email, syslog = Memory("email"), Memory("syslog")
    outbox = Outbox(store, [email, syslog])
    store.keep([], [a_message(1), a_message(2)], outbox.names)
    async with running(outbox):
        await email.until_tried(2)
        await syslog.until_tried(2)
        store.keep([], [a_message(3)], outbox.names)
        outbox.wake()
        await email.until_tried(3)
        await syslog.until_tried(3)
    assert email.told == syslog.told == [1, 2, 3]


async def test_what_is_not_taken_waits_and_goes_first_when_the_line_is_back(store: AlertStore) -> None:
    email = Memory()
    email.failure = NotTold("no route")
    outbox = Outbox(store, [email], retry=SLOW, wall_clock=lambda: 500.0)
    store.keep([], [a_message(1), a_message(2)], outbox.names)
    async with running(outbox):
        assert await until_failed(store, "email") == "no route"
        assert store.record("email").waiting == 2
        email.failure = None
        outbox.wake()
        await email.until_tried(3)
    assert email.told == [1, 2]
    assert store.record("email").told_at == 500.0


async def test_it_is_tried_again_by_itself(store: AlertStore) -> None:
    email = Memory()
    email.failure = NotTold("no route")
    outbox = Outbox(store, [email], retry=Retry(base=0.001, ceiling=0.002))
    store.keep([], [a_message(1)], outbox.names)
    async with running(outbox):
        await email.until_tried(4)
        email.failure = None
        await email.until_tried(5)
    assert email.told == [1]


async def test_what_waits_survives_a_restart(store: AlertStore) -> None:
    email = Memory()
    store.keep([], [a_message(1)], ["email"])
    async with running(Outbox(store, [email])):
        await email.until_tried(1)
    assert email.told == [1]


async def test_a_defect_in_one_channel_does_not_silence_the_others(store: AlertStore) -> None:
    broken, good = Memory("email"), Memory("syslog")
    broken.failure = KeyError("oops")
    outbox = Outbox(store, [broken, good], retry=SLOW)
    store.keep([], [a_message(1)], outbox.names)
    async with running(outbox):
        assert "KeyError" in await until_failed(store, "email")
        await good.until_tried(1)
        store.keep([], [a_message(2)], ["syslog"])
        outbox.wake()
        await good.until_tried(2)
    assert good.told == [1, 2]


def test_waits_grow_and_are_bounded() -> None:
    retry = Retry(base=15, ceiling=900)
    assert [retry.wait(failures) for failures in (1, 2, 3, 8, 10_000)] == [15, 30, 60, 900, 900]
