"""What the spool is put through: short histories, each about one thing, run by the real code on a real mount.

A history prepares the spool, says `begin`, and does what it is about. Power cuts are tried after `begin`.
Most have one act; those about a process that is killed have more, each in a process of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.model import DeliveryState, Priority
from gateway.spool import Accepted, Confirmed, Hold, PutBack, journal, recovery
from gateway.spool.schema import configure
from tests.durability.crash_points.room import FILE, INLINE, DyingFiles, Room
from tests.spool.test_migration import VERSION_1, write_version_1
from tests.support.committing import a_reference, a_request, a_step
from tests.support.spooling import IMPLICIT, LARGE, a_receipt, an_instance, an_origin

S = DeliveryState
DAY = 86400.0
BOTH = ("oncology", "archive")


Act = Callable[[Room], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class History:
    """Something that is done to a spool. `what` says it in a few words."""

    name: str
    what: str
    acts: tuple[Act, ...]


async def _prepared(room: Room) -> None:
    """A spool that has been in use and was started again, with spares ready."""
    room.open()
    await room.put(1, INLINE)
    await room.put(2, FILE)
    await room.close()
    room.open()


async def first_start(room: Room) -> None:
    room.begin()
    room.open()
    await room.put(1, FILE)
    await room.put(2)
    await room.close()


async def small(room: Room) -> None:
    await _prepared(room)
    room.begin(settled=True)
    await room.put(3)
    await room.put(4, to=BOTH)


async def file(room: Room) -> None:
    await _prepared(room)
    room.begin(settled=True)
    await room.put(3, FILE)
    await room.put(4, FILE, priority=Priority.IMAGE)


async def large_file(room: Room) -> None:
    await _prepared(room)
    room.begin(settled=True)
    await room.put(3, LARGE)


async def many_at_once(room: Room) -> None:
    await _prepared(room)
    room.begin(settled=True)
    await asyncio.gather(*(room.put(number, FILE if number % 3 == 0 else INLINE) for number in range(3, 15)))


async def abandoned(room: Room) -> None:
    await _prepared(room)
    room.begin(settled=True)
    incoming = room.spool.receive(an_instance(9), an_origin(), Priority.IMAGE, ("oncology",))
    incoming.write(bytes(FILE))
    incoming.abandon()
    await room.put(3, FILE)


async def same_again(room: Room) -> None:
    await _prepared(room)
    room.begin(settled=True)
    await room.put(1)  # a duplicate
    await room.put(2, FILE, to=BOTH)  # one that adds a destination
    await room.put(1, seed=77)  # a conflict
    await room.put(2, FILE, seed=78)
    await room.put(1, syntax=IMPLICIT, seed=79)  # to be compared in the background


async def deliver(room: Room) -> None:
    await _prepared(room)
    await room.put(3)
    await room.put(4, FILE)
    room.begin(settled=True)
    first, second, third, fourth = await room.spool.claim("oncology", 4)
    await room.settle(
        (first, Accepted(first.delivery.number, a_receipt(first))),
        (second, PutBack(second.delivery.number, 0.0, "busy")),
    )
    await room.settle((third, Hold(third.delivery.number, "refused", "rejected")))
    await room.settle((fourth, Accepted(fourth.delivery.number, a_receipt(fourth))))
    await room.settle((first, Confirmed(first.delivery.number, "committed")))


async def decide(room: Room) -> None:
    await _prepared(room)
    await room.put(3, FILE)
    room.begin(settled=True)
    rows = {row.object.number: row for row in await room.spool.list_deliveries()}
    one, two, three = sorted(rows)
    room.may_become(one, "oncology", S.HELD)
    await room.spool.hold(rows[one].delivery.number, "wait", who="physicist")
    room.state(one, "oncology", S.HELD)
    room.may_become(one, "oncology", S.QUEUED)
    await room.spool.release(rows[one].delivery.number, who="physicist")
    room.state(one, "oncology", S.QUEUED)
    for number in (two, three):
        room.may_become(number, "oncology", S.DISCARDED)
        await room.spool.discard(rows[number].delivery.number, "not wanted", who="physicist")
        room.state(number, "oncology", S.DISCARDED)
    await room.put(3, FILE)  # wanted after all


async def retention(room: Room) -> None:
    await _prepared(room)
    await room.put(3, FILE)
    await room.deliver()
    await room.put(4, FILE)
    await room.put(5)
    room.begin(settled=True)
    await room.expire(time.time() + 30 * DAY)
    await room.put(6, FILE)
    await room.deliver()
    await room.expire(time.time() + 1000 * DAY, forget=True)
    await room.close()


async def checkpoints(room: Room) -> None:
    """The WAL is written back again and again: new generations of it over old frames."""
    journal.WAL_PAGES_MAX = 30
    await _prepared(room)
    room.begin()
    for number in range(3, 9):
        await room.put(number, FILE if number % 3 == 0 else INLINE)
        await room.deliver(limit=1)
    await room.close()


async def restarts(room: Room) -> None:
    room.open()
    await room.put(1, FILE)
    room.begin()
    for number in range(2, 5):
        await room.put(number, FILE if number % 2 else INLINE)
        await room.spool.claim("oncology", 1)  # is being sent when the process ends
        await room.close()
        room.open()
    await room.put(5)


async def new_directory(room: Room) -> None:
    await _prepared(room)
    room.spool._store.number_from(999)
    await room.put(3, FILE)
    room.begin(settled=True)
    for number in range(4, 14):
        await room.put(number, FILE)


def _inherit(room: Room) -> None:
    for number, state in enumerate(VERSION_1, 1):
        room.inherit(number, S.QUEUED if state is S.SENDING else state)


async def migration(room: Room) -> None:
    write_version_1(room.directory)
    _inherit(room)
    for number, state in enumerate(VERSION_1, 1):
        room.inherit(number, S.QUEUED if state is S.SENDING else state)
    room.begin(settled=True)
    room.open()
    await room.put(50)
    await room.close()


async def upgrade(room: Room) -> None:
    """The former version has ended in order, with a little in its WAL; this one changes all of it."""
    write_version_1(room.directory)
    _inherit(room)
    room.begin(settled=True)
    db = sqlite3.connect(room.directory / "journal.db", isolation_level=None)
    configure(db)
    db.execute("UPDATE deliveries SET reason = 'waits' WHERE number = 1")
    db.close()
    room.open()
    await room.put(50)


async def one_transaction(room: Room) -> None:
    """A claim, which need not be synced, together with a put, which must be."""
    await _prepared(room)
    room.begin(settled=True)
    for number in range(3, 6):
        await asyncio.gather(room.spool.claim("oncology", 1), room.put(number))


async def killed_as_it_is_made(room: Room) -> None:
    room.begin()
    room.open(files=DyingFiles("make_directory", 1))


async def killed_before_its_names_are_durable(room: Room) -> None:
    room.begin()
    room.open(files=DyingFiles("sync_directory", 2))


async def killed_as_files_are_made(room: Room) -> None:
    room.open(files=DyingFiles("make_directory", 3))
    room.begin()
    await room.put(1, FILE)


async def killed_at_work(room: Room) -> None:
    await _prepared(room)
    room.begin()
    await room.spool.claim("oncology", 1)
    await room.put(3, FILE)
    await room.put(4)


async def start_again(room: Room) -> None:
    room.open()
    await room.put(11)
    await room.put(12, FILE)


async def killed_while_it_sends(room: Room) -> None:
    room.open()
    await asyncio.gather(*(room.put(number) for number in range(1, 121)))
    await room.spool.claim("oncology", 1000)
    room.begin(settled=True)


async def start_again_in_small_steps(room: Room) -> None:
    """What was being sent is queued again in several transactions, as tens of thousands would be."""
    recovery._SLICE = 30
    room.open()
    await room.put(900, FILE)


async def start_again_later(room: Room) -> None:
    room.open()
    await room.put(13)
    await room.put(14, FILE)
    await room.close()


async def open_and_close(room: Room) -> None:
    room.open()
    await room.close()


async def commitment(room: Room) -> None:
    await _prepared(room)
    await room.put(3, to=BOTH)
    await room.deliver("oncology")
    room.begin(settled=True)
    await room.commitment(a_request(1, 2, uid="1.2.3.1"))
    await room.commitment(a_request(3, uid="1.2.3.2", to=BOTH))
    spool, number = room.spool, 1
    await spool.ask_begun("oncology", "2.25.1", (a_reference(1), a_reference(2)), time.time() + 3600)
    for one in (1, 2):
        room.may_become(one, "oncology", S.CONFIRMED)
    answered = (a_reference(1), a_reference(2))
    await spool.ask_answered("2.25.1", answered, (), "committed", resend=frozenset())
    for one in (1, 2):
        room.state(one, "oncology", S.CONFIRMED)
    room.commitment_is("1.2.3.1", "reporting")
    room.commitment_is("1.2.3.1", "reporting", "reported")
    await spool.commitment_reported(number)
    room.commitment_is("1.2.3.1", "reported")


async def steps(room: Room) -> None:
    await _prepared(room)
    room.begin(settled=True)
    created, changed = a_step("create", 1, data=b"created" * 50), a_step("set", 1, data=b"changed" * 50)
    first = await room.step(created)
    second = await room.step(changed)
    room.step_is(first, created.data, "queued", "done")
    await room.spool.step_done(first, 0, "")
    room.step_is(first, created.data, "done")
    await room.spool.step_put_back(second, 0.0, "busy", True)
    room.step_is(second, changed.data, "queued", "held")
    await room.spool.step_held(second, "a person decides")
    room.step_is(second, changed.data, "held")


ALL = {
    history.name: history
    for history in (
        History("first-start", "the first start, the first object, the end", (first_start,)),
        History("small", "objects that live in the journal", (small,)),
        History("file", "objects with files of their own", (file,)),
        History("large-file", "an object of many sectors", (large_file,)),
        History("many-at-once", "twelve objects at the same time", (many_at_once,)),
        History("abandoned", "an object whose peer went away", (abandoned,)),
        History("same-again", "duplicates, conflicts, comparisons", (same_again,)),
        History("deliver", "claims and what became of them", (deliver,)),
        History("decide", "what persons do: hold, release, discard", (decide,)),
        History("retention", "bytes and history are dropped", (retention,)),
        History("checkpoints", "the WAL is written back and used again", (checkpoints,)),
        History("restarts", "the process ends and starts", (restarts,)),
        History("new-directory", "a thousand files are full", (new_directory,)),
        History("one-transaction", "a claim and a put at the same time", (one_transaction,)),
        History("killed-new", "killed as the spool is made", (killed_as_it_is_made, start_again)),
        History(
            "killed-names",
            "killed early at the first start",
            (killed_before_its_names_are_durable, start_again),
        ),
        History(
            "killed-files",
            "killed as the first folder of files is made",
            (killed_as_files_are_made, start_again),
        ),
        History("killed", "killed at work, twice", (killed_at_work, start_again, start_again_later)),
        History("requeue", "killed while it sends", (killed_while_it_sends, start_again_in_small_steps)),
        History("migration", "a spool of the first version is opened", (migration,)),
        History("upgrade", "a former version ends, this one starts", (upgrade,)),
        History("commitment", "storage commitment is asked for, asked about, answered", (commitment,)),
        History("steps", "procedure steps", (steps,)),
    )
}
