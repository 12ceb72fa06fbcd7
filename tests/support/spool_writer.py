"""A process that stores objects until it is killed, and says on stdout what was acknowledged.

    python -m tests.support.spool_writer DIRECTORY FIRST_NUMBER

Each line: number, digest in hex. A line is written only after commit() returned, as a C-STORE-RSP would be.
Between puts it claims, settles, expires and discards, so that the kill finds it in the middle of anything.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from gateway.model import Priority
from gateway.notices import Notices
from gateway.spool import Accepted, PutBack, Spool
from tests.support.spooling import a_receipt, content, store

SIZES = (500, 20_000, 66_000, 300_000, 1_200_000)


async def put(spool: Spool, number: int) -> None:
    dice = random.Random(number)
    data = content(number, dice.choice(SIZES))
    stored = await store(spool, data, number, priority=dice.choice(list(Priority)))
    sys.stdout.write(f"{number} {stored.digest.hex()}\n")
    sys.stdout.flush()


async def deliver(spool: Spool) -> None:
    while True:
        for job in await spool.claim("oncology", 4):
            number = job.delivery.number
            accepted = number % 3 != 0
            await spool.settle(
                [Accepted(number, a_receipt(job)) if accepted else PutBack(number, 0.0, "busy")]
            )
        await asyncio.sleep(0.01)


async def main(directory: Path, number: int) -> None:
    spool = Spool.open(directory, notices=Notices())
    courier = asyncio.create_task(deliver(spool))
    while not courier.done():
        await asyncio.gather(*(put(spool, number + lane) for lane in range(3)))
        number += 3
    await courier


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
