"""What the spool does about an object whose bytes are damaged, missing, or not given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import LocalError, SpoolFailure
from gateway.model import DeliveryState
from gateway.spool import Hold, PutBack, Spool
from gateway.spool.damage import hold_unreadable, mark_damaged, mark_missing, mark_sound
from tests.support.spooling import LARGE, SMALL, OpenSpool, content, object_files, store

S = DeliveryState


async def states(spool: Spool) -> list[tuple[DeliveryState, str]]:
    return [(row.delivery.state, row.cause) for row in await spool.list_deliveries()]


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_damaged_object_is_held_everywhere_and_never_let_go(
    open_spool: OpenSpool, directory: Path, size: int
) -> None:
    spool = open_spool()
    await store(spool, content(1, size), to=("oncology", "archive"))
    assert await spool._submit(lambda tx: mark_damaged(tx, 1))
    assert await states(spool) == [(S.HELD, "damaged")] * 2
    for way in (spool.retry(1), spool.release(2)):
        with pytest.raises(LocalError, match="not those that were received"):
            await way
    assert await spool.retry_held() == 0
    with pytest.raises(SpoolFailure):
        spool.open_data(1)
    assert (await spool.show(1)).history[-1].what == "bytes-damaged"
    assert not await spool._submit(lambda tx: mark_damaged(tx, 1))  # it is known
    assert len(object_files(directory)) == (size == LARGE)  # kept, as evidence


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_the_same_object_again_takes_the_place_of_the_damaged_one(
    open_spool: OpenSpool, directory: Path, size: int
) -> None:
    spool = open_spool()
    await store(spool, content(1, size), to=("oncology",))
    await spool._submit(lambda tx: mark_damaged(tx, 1))
    stored = await store(spool, content(1, size), to=("oncology",))
    assert (stored.number, stored.outcome) == (2, "new")
    assert await states(spool) == [(S.DISCARDED, ""), (S.QUEUED, "")]
    (job,) = await spool.claim("oncology", 10)
    assert job.object.number == 2
    await spool.close()
    assert len(object_files(directory)) == (size == LARGE)  # the damaged one went with its last delivery


async def test_what_the_courier_finds_damaged_is_held_for_every_destination(open_spool: OpenSpool) -> None:
    spool = open_spool()
    await store(spool, content(1, SMALL), to=("oncology", "archive"))
    (job,) = await spool.claim("oncology", 1)
    await spool.settle([Hold(job.delivery.number, "digest mismatch", "damaged")])
    assert await states(spool) == [(S.HELD, "damaged")] * 2


async def test_what_was_being_sent_is_held_when_it_comes_back(open_spool: OpenSpool) -> None:
    spool = open_spool()
    await store(spool, content(1, SMALL))
    (job,) = await spool.claim("oncology", 1)
    await spool._submit(lambda tx: mark_damaged(tx, 1))
    assert await states(spool) == [(S.SENDING, "")]
    await spool.settle([PutBack(job.delivery.number, 0.0, "the link went down")])
    assert await states(spool) == [(S.HELD, "damaged")]
    assert await spool.claim("oncology", 1) == []


async def test_what_was_being_sent_when_the_process_ended_is_held_too(open_spool: OpenSpool) -> None:
    spool = open_spool()
    await store(spool, content(1, SMALL))
    await spool.claim("oncology", 1)
    await spool._submit(lambda tx: mark_damaged(tx, 1))
    await spool.close()
    assert await states(open_spool()) == [(S.HELD, "damaged")]


async def test_bytes_that_are_right_again_may_be_released(open_spool: OpenSpool) -> None:
    spool = open_spool()
    for number, size in ((1, SMALL), (2, LARGE)):
        await store(spool, content(number, size), number)
        await spool._submit(lambda tx, number=number: mark_damaged(tx, number))
        assert await spool._submit(lambda tx, number=number: mark_sound(tx, number))
        assert not await spool._submit(lambda tx, number=number: mark_sound(tx, number))
        await spool.release(number)
        with spool.open_data(number) as reader:
            assert reader.read(size) == content(number, size)
    assert await states(spool) == [(S.QUEUED, "")] * 2


async def test_what_the_disk_does_not_give_back_may_be_tried_again(open_spool: OpenSpool) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE))
    assert await spool._submit(lambda tx: hold_unreadable(tx, 1, "Input/output error"))
    assert await states(spool) == [(S.HELD, "unreadable")]
    assert not await spool._submit(lambda tx: hold_unreadable(tx, 1, "Input/output error"))
    assert await spool.retry_held(cause="unreadable") == 1
    assert await states(spool) == [(S.QUEUED, "")]


async def test_a_file_that_is_gone(open_spool: OpenSpool, directory: Path) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE))
    (path,) = object_files(directory)
    path.unlink()
    assert await spool._submit(lambda tx: mark_missing(tx, 1))
    assert not await spool._submit(lambda tx: mark_missing(tx, 1))
    assert await states(spool) == [(S.HELD, "missing")]


async def test_a_discarded_damaged_object_leaves_nothing(open_spool: OpenSpool, directory: Path) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE))
    await spool._submit(lambda tx: mark_damaged(tx, 1))
    await spool.discard(1, "looked at")
    await spool.close()
    assert object_files(directory) == []
