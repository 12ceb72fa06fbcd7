"""Histories drawn by chance: what a spool is used for, in any order, by a process that is killed at times."""

from __future__ import annotations

import asyncio
import random
import time

from gateway.model import Priority
from gateway.spool import Accepted, Hold, Job, PutBack, Settlement, journal
from tests.durability.crash_points.histories import ALL, DAY, Act, History
from tests.durability.crash_points.room import FILE, INLINE, Room
from tests.support.spooling import IMPLICIT, a_receipt

LONG = "long-"
_ACTIONS = 12
"""Of one act."""
_SIZES = (100, INLINE, 1000, FILE, 5000, 20_000)


def history(name: str) -> History:
    """Return the history of this name; `long-7` is drawn from seed 7."""
    if not name.startswith(LONG):
        return ALL[name]
    seed = int(name.removeprefix(LONG))
    acts = range(random.Random(seed).randint(1, 4))
    return History(name, "anything, in any order", tuple(_act(seed, number) for number in acts))


def _act(seed: int, number: int) -> Act:
    async def long_act(room: Room) -> None:
        dice = random.Random(f"{seed} {number}")
        if dice.random() < 0.5:
            journal.WAL_PAGES_MAX = 40
        if number == 0:
            room.begin()
        room.open()
        for place in range(_ACTIONS):
            await _something(room, dice, seed * 100_000 + number * 1000 + place * 10)

    return long_act


async def _something(room: Room, dice: random.Random, fresh: int) -> None:
    match dice.choice(("put", "put", "put", "several", "again", "deliver", "settle", "expire", "restart")):
        case "put":
            to = dice.choice((("oncology",), ("oncology", "archive")))
            await room.put(fresh, dice.choice(_SIZES), to=to, priority=dice.choice(list(Priority)))
        case "several":
            await asyncio.gather(*(room.put(fresh + one, dice.choice(_SIZES)) for one in range(5)))
        case "again":
            other = dice.random() < 0.3
            number = 1 + dice.randrange(3)
            await room.put(number, syntax=IMPLICIT, seed=number + 50) if other else await room.put(number)
        case "deliver":
            await room.deliver(limit=dice.randint(1, 4))
        case "settle":
            jobs = await room.spool.claim("oncology", 3)
            await room.settle(*((job, _outcome(dice, job)) for job in jobs))
        case "expire":
            await room.expire(time.time() + 30 * DAY)
        case "restart":
            await room.close()
            room.open()


def _outcome(dice: random.Random, job: Job) -> Settlement:
    number = job.delivery.number
    match dice.randrange(3):
        case 0:
            return Accepted(number, a_receipt(job))
        case 1:
            return PutBack(number, 0.0, "busy")
    return Hold(number, "refused", "rejected")
