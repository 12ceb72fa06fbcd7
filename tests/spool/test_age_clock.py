"""The wall clock jumps, by years, in both directions: nothing goes early, and nothing stays for ever."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.model import DeliveryState
from gateway.spool import Accepted, PutBack, Spool, SpoolLimits
from gateway.spool.recovery import JOURNAL
from gateway.spool.schema import MIGRATIONS, configure, create_or_migrate
from gateway.spool.values import DAY
from tests.support.committing import a_request, a_step, accept, answer, ask
from tests.support.spooling import LARGE, SMALL, OpenSpool, a_receipt, content, store

YEARS = 3652 * DAY
NOW = 1_700_000_000.0


class Clocks:
    """A wall clock that is put forward and back, and a steady one that is not."""

    def __init__(self) -> None:
        self.wall = NOW
        self.steady = 500.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def open(self, open_spool: OpenSpool, limits: SpoolLimits | None = None) -> Spool:
        return open_spool(limits=limits, wall_clock=lambda: self.wall, steady_clock=lambda: self.steady)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


async def deliver(spool: Spool) -> None:
    while jobs := await spool.claim("oncology", 100):
        await spool.settle([Accepted(job.delivery.number, a_receipt(job)) for job in jobs])


async def state(spool: Spool, number: int = 1) -> DeliveryState:
    return (await spool.show(number)).delivery.state


@pytest.mark.parametrize("jump", [YEARS, -YEARS])
@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_jump_deletes_nothing_and_the_time_that_passes_does(
    open_spool: OpenSpool, clocks: Clocks, jump: float, size: int
) -> None:
    spool = clocks.open(open_spool)
    await store(spool, content(1, size))
    await deliver(spool)
    clocks.wall += jump
    report = await spool.expire()
    assert (report.released, report.objects, report.history) == (0, 0, 0)
    clocks.pass_by(7 * DAY - 1)
    assert (await spool.expire()).released == 0
    clocks.pass_by(2)
    report = await spool.expire()
    assert (report.released, report.objects, report.bytes) == (1, 1, size)
    clocks.wall += jump
    assert (await spool.expire()).history == 0
    assert await state(spool) is DeliveryState.RELEASED


@pytest.mark.parametrize("jump", [YEARS, -YEARS])
async def test_what_was_delivered_under_a_wrong_clock_goes_in_time_when_it_is_put_right(
    open_spool: OpenSpool, clocks: Clocks, jump: float
) -> None:
    clocks.wall += jump
    spool = clocks.open(open_spool)
    await store(spool, content(1, SMALL))
    await deliver(spool)
    clocks.wall -= jump
    clocks.pass_by(7 * DAY - 1)
    assert (await spool.expire()).released == 0
    clocks.pass_by(2)
    assert (await spool.expire()).released == 1


@pytest.mark.parametrize("jump", [YEARS, -YEARS, 0.0])
async def test_the_time_without_a_gateway_does_not_count(
    open_spool: OpenSpool, clocks: Clocks, jump: float
) -> None:
    spool = clocks.open(open_spool)
    await store(spool, content(1, SMALL))
    await deliver(spool)
    clocks.pass_by(5 * DAY)
    await spool.close()
    clocks.pass_by(30 * DAY)
    clocks.steady = 3.0  # the machine has been started anew
    clocks.wall += jump
    spool = clocks.open(open_spool)
    assert (await spool.expire()).released == 0
    clocks.pass_by(2 * DAY - 1)
    assert (await spool.expire()).released == 0
    clocks.pass_by(2)
    assert (await spool.expire()).released == 1


@pytest.mark.parametrize("jump", [YEARS, -YEARS])
async def test_history_is_not_forgotten_for_a_jump(
    open_spool: OpenSpool, clocks: Clocks, jump: float
) -> None:
    limits = SpoolLimits(retention_seconds=0.0)
    spool = clocks.open(open_spool, limits)
    await store(spool, content(1, SMALL), 1)
    await store(spool, content(2, SMALL), 2)
    await deliver(spool)
    clocks.pass_by(1)
    assert (await spool.expire()).objects == 2
    added = await spool.add_commitment(a_request(1, uid="1.2.3"))
    await answer(spool, await ask(spool, 1, deadline=clocks.wall + 100), 1)
    await spool.commitment_reported(added.number)
    clocks.wall += jump
    assert (await spool.expire()).history == 0
    assert len(await spool.list_commitments(10)) == 1
    clocks.pass_by(401 * DAY)
    assert (await spool.expire()).history == 1  # the newest object stays, whatever its age
    assert await spool.list_commitments(10) == []


@pytest.mark.parametrize("jump", [YEARS, -YEARS])
async def test_an_open_request_for_commitment_is_as_old_as_it_is(
    open_spool: OpenSpool, clocks: Clocks, jump: float
) -> None:
    spool = clocks.open(open_spool)
    await store(spool, content(1, SMALL))
    await accept(spool)
    await spool.add_commitment(a_request(1))
    clocks.pass_by(3 * DAY)
    clocks.wall += jump
    oldest = await spool.oldest_open_commitment()
    assert oldest is not None
    assert clocks.wall - oldest == pytest.approx(3 * DAY)
    assert await spool.expire_commitments(clocks.wall - 3 * DAY - 1) == 0
    assert await spool.expire_commitments(clocks.wall - 3 * DAY + 1) == 1
    clocks.pass_by(100)
    clocks.wall -= jump
    (report,) = await spool.commitments_to_report(10)
    assert clocks.wall - report.resolved_at == pytest.approx(100)


@pytest.mark.parametrize("jump", [YEARS, -YEARS])
async def test_finished_steps_are_remembered(open_spool: OpenSpool, clocks: Clocks, jump: float) -> None:
    spool = clocks.open(open_spool)
    row = await spool.add_step(a_step())
    await spool.discard_step(row.number, "not needed")
    clocks.wall += jump
    await spool.expire()
    assert len(await spool.list_steps()) == 1
    clocks.pass_by(31 * DAY)
    await spool.expire()
    assert await spool.list_steps() == []


@pytest.mark.parametrize("back", [0.0, 1000.0, 3600.0, 20 * 3600.0, YEARS])
async def test_a_clock_that_is_put_back_starves_nothing(
    open_spool: OpenSpool, clocks: Clocks, back: float
) -> None:
    """What waits for its next try goes after the longest pause, whatever the clock says."""
    spool = clocks.open(open_spool)
    await store(spool, content(1, SMALL))
    (job,) = await spool.claim("oncology", 1)
    await spool.settle([PutBack(job.delivery.number, clocks.wall + 3600.0, "busy")])
    clocks.wall -= back
    limit = SpoolLimits().max_retry_seconds
    due = await spool.next_due("oncology")
    assert due is not None
    assert due <= clocks.wall + limit
    clocks.pass_by(2 * limit)  # the pause that it was in, and one more when the clock was put back meanwhile
    assert len(await spool.claim("oncology", 1)) == 1


async def test_a_clock_that_is_put_forward_makes_things_due_and_no_more(
    open_spool: OpenSpool, clocks: Clocks
) -> None:
    spool = clocks.open(open_spool)
    await store(spool, content(1, SMALL))
    (job,) = await spool.claim("oncology", 1)
    await spool.settle([PutBack(job.delivery.number, clocks.wall + 3600.0, "busy")])
    clocks.wall += YEARS
    await spool.expire()
    assert len(await spool.claim("oncology", 1)) == 1


def write_version_4(directory: Path, *accepted_at: float) -> None:
    """Write a journal of version 4 with one object for each of the moments at which they were accepted."""
    (directory / "objects").mkdir(parents=True)
    db = sqlite3.connect(directory / JOURNAL, isolation_level=None)
    configure(db)
    create_or_migrate(db, MIGRATIONS[:4])
    db.execute("INSERT INTO destinations (id, name) VALUES (1, 'oncology')")
    for number, at in enumerate(accepted_at, 1):
        db.execute(
            "INSERT INTO objects (number, sop_class_uid, sop_instance_uid, transfer_syntax_uid, listener, "
            "address, calling_ae, called_ae, association, priority, digest, size, received_at, place, "
            "data_offset) VALUES (?, '1', ?, '1.2', 'c', 'a', 'L', 'A', 'a1', 0, x'00', 1, ?, 0, 0)",
            (number, f"1.{number}", at),
        )
        db.execute("INSERT INTO inline VALUES (?, x'00')", (number,))
        db.execute(
            "INSERT INTO deliveries (number, object, destination, priority, size, state, updated_at) "
            "VALUES (?, ?, 1, 0, 1, 2, ?)",
            (number, number, at),
        )
    db.close()


async def test_a_journal_of_the_wall_clock_goes_on_with_sane_ages(
    directory: Path, open_spool: OpenSpool, clocks: Clocks
) -> None:
    """One was accepted while the clock was ten years ahead, which is right again now."""
    write_version_4(directory, NOW - 6 * DAY, NOW + YEARS)
    spool = clocks.open(open_spool)
    assert (await spool.expire()).released == 0
    clocks.pass_by(1 * DAY + 1)
    assert (await spool.expire()).released == 1
    assert await state(spool, 2) is DeliveryState.ACCEPTED
    clocks.pass_by(6 * DAY)
    assert (await spool.expire()).released == 1


async def test_a_journal_of_the_wall_clock_is_not_aged_by_a_clock_ahead(
    directory: Path, open_spool: OpenSpool, clocks: Clocks
) -> None:
    write_version_4(directory, NOW)
    clocks.wall += YEARS
    spool = clocks.open(open_spool)
    assert (await spool.expire()).released == 0
    clocks.wall -= YEARS
    clocks.pass_by(7 * DAY + 1)
    assert (await spool.expire()).released == 1
