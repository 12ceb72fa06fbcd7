"""A process that runs histories on a disk whose operations are recorded.

    python -m tests.durability.crash_points.writer CONTROL DIRECTORY HISTORY...

Each history has a folder of its own in DIRECTORY. What is recorded of it ends with the mark `end`, with the
spool still open unless the history has closed it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gateway.spool import journal, recovery
from tests.durability.crash_points.facts import say
from tests.durability.crash_points.histories import ALL
from tests.durability.crash_points.room import Room
from tests.durability.fuse.mount import Control

WAL_READY = 64 * 1024
"""The WAL is filled with so many zeros: enough for a few transactions before it grows."""
WAL_PAGES_MAX = journal.WAL_PAGES_MAX


def folder(base: Path, name: str) -> Path:
    """Where a history happens: the spool is in it, so that its own name is part of what can be lost."""
    return base / name / "spool"


async def run(base: Path, name: str, control: Control) -> None:
    """Run one history."""
    recovery.WAL_READY = WAL_READY
    journal.WAL_PAGES_MAX = WAL_PAGES_MAX
    directory = folder(base, name)
    control.mark(say("history", name=name))
    directory.parent.mkdir()
    descriptor = os.open(base, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    room = Room(directory, control.mark)
    await ALL[name].run(room)
    control.mark(say("end"))
    await room.close()  # nobody looks any more; its threads must not get into the next one


def main(control: str, base: str, *names: str) -> None:
    """Run histories one after the other, and die as a process that is killed does."""
    steering = Control(control)
    for name in names:
        asyncio.run(run(Path(base), name, steering))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
