"""A process that uses a spool and is killed at a given point, while the disk goes on (no power cut).

    python -m tests.durability.killed_writer DIRECTORY POINT

discard       after a transaction that discards was written to the WAL, before it was synced
failed-sync   when the sync of the WAL failed and the database is to be opened anew
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from gateway.notices import Notices
from gateway.spool import Spool, journal
from tests.durability.crash_points.room import FILE, LIMITS
from tests.durability.crash_points.small import fillings
from tests.support.spooling import content, store


def die(*_: object) -> NoReturn:
    """End without a word, as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it is still alive")


async def main(directory: Path, point: str) -> None:
    spool = Spool.open(directory, LIMITS, notices=Notices())
    await store(spool, content(1, FILE), 1)
    print("acknowledged", flush=True)
    if point == "failed-sync":
        journal.Journal._fail = die  # type: ignore[method-assign]
        print("ready", flush=True)
        sys.stdin.readline()
        await store(spool, content(2, FILE), 2)
        raise AssertionError("the sync did not fail")
    # A commit that is not synced, and the end before its file is removed.
    spool.remove_files = die  # type: ignore[method-assign]
    spool._journal._set_synchronous = lambda _full: spool._journal._db.execute(  # type: ignore[method-assign]
        "PRAGMA synchronous = OFF"
    )
    await spool.discard(1, "not wanted")
    async with asyncio.timeout(20):  # the answer may be here before the journal's thread comes to the files
        await asyncio.Event().wait()


if __name__ == "__main__":
    with fillings():
        asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
