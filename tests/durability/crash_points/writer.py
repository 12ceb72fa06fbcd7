"""A process that runs histories on a disk whose operations are recorded.

    python -m tests.durability.crash_points.writer CONTROL DIRECTORY HISTORY...

Each history has a folder of its own in DIRECTORY; one that is there already is only opened, whatever it is
called. Each act of a history is a process of its own, forked from this one, which is killed at its end: the
spool stays as it is unless the act has closed it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.durability.crash_points import small
from tests.durability.crash_points.facts import say
from tests.durability.crash_points.histories import Act, open_and_close
from tests.durability.crash_points.long_history import history
from tests.durability.crash_points.room import Room
from tests.durability.fuse.mount import Control


def folder(base: Path, name: str) -> Path:
    """Where a history happens: the spool is in it, so that its own name is part of what can be lost."""
    return base / name / "spool"


def sync_names(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def act(one: Act, directory: Path, address: str, left: Path) -> None:
    """Run an act in a process of its own, up to its end or to where it has itself killed."""
    child = os.fork()
    if not child:
        try:
            with small.fillings():
                asyncio.run(_carry_out(one, directory, Control(address), left))
        except BaseException:  # noqa: BLE001 - this is the end of the process, whatever it was
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
        raise RuntimeError(f"{one.__name__} ended with {os.waitstatus_to_exitcode(status)}")


async def _carry_out(one: Act, directory: Path, control: Control, left: Path) -> None:
    room = Room(directory, control.mark)
    room.remember(left)
    await one(room)
    room.leave(left)
    os.kill(os.getpid(), signal.SIGKILL)


def run(base: Path, name: str, address: str) -> None:
    """Run one history: its acts, one after the other."""
    directory = folder(base, name)
    mark: Callable[[str], None] = Control(address).mark
    mark(say("history", name=name))
    acts: tuple[Act, ...]
    if directory.parent.exists():
        acts = (open_and_close,)
    else:
        acts = history(name).acts
        directory.parent.mkdir()
        sync_names(base)
        sync_names(directory.parent)
    with tempfile.TemporaryDirectory() as place:
        for one in acts:
            act(one, directory, address, Path(place) / "states")
    mark(say("end"))


def main(control: str, base: str, *names: str) -> None:
    """Run histories one after the other."""
    for name in names:
        run(Path(base), name, control)


if __name__ == "__main__":
    main(*sys.argv[1:])
