"""Killed first, and only then the power fails: what the next start found may not have been durable.

After kill -9 the filesystem still has everything that was written, synced or not. The next start works with
it; a power cut later takes away what nobody has synced. Each point at which a process may end between a
change of the journal and its sync is one test: killed there, started again, then power cuts are tried. (Names
that were left behind so are among the histories of crash_points/.)
"""

from __future__ import annotations

import asyncio
import errno
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.notices import Notices
from gateway.spool import Spool
from tests.durability.campaign import ACKNOWLEDGED, LOST, Tallies, Tally
from tests.durability.crash_points.observe import Found, Site
from tests.durability.crash_points.room import FILE, INLINE, LIMITS
from tests.durability.crash_points.small import fillings
from tests.durability.disk.crash import choices
from tests.durability.disk.materialize import fingerprint
from tests.durability.fuse.mount import Mounted
from tests.support.spooling import an_instance, content, store

pytestmark = pytest.mark.fuse

STATES = 6
"""States at each point, the corners first: nothing and everything of what was not synced."""
_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with Mounted(tmp_path) as mounted, fillings():
        yield mounted


@pytest.fixture
def tally(tallies: Tallies) -> Iterator[Tally]:
    tally = Tally.of({"kills": 0, "states explored": 0, ACKNOWLEDGED: 0, LOST: 0})
    yield tally
    tallies.add("killed, then cut", tally)


def kill_at(
    disk: Mounted, point: str, tally: Tally, before_the_end: Callable[[], None] | None = None
) -> None:
    """Let a process use the spool until it is killed at `point`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.durability.killed_writer", str(disk.path / "spool"), point],
        cwd=_REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        tally.add(ACKNOWLEDGED, int(line == "acknowledged\n"))
        if line == "ready\n" and before_the_end is not None:
            before_the_end()
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
    assert process.wait(30) == -9
    process.stdout.close()
    if process.stdin is not None:
        process.stdin.close()
    tally.add("kills")


def start_again(disk: Mounted, tally: Tally, *new: int) -> None:
    """Start, have objects acknowledged, and end."""

    async def use() -> None:
        spool = Spool.open(disk.path / "spool", LIMITS, notices=Notices())
        for number in new:
            await store(spool, content(number, FILE if number % 2 else INLINE), number)
            disk.mark(f"acknowledged {number}")
            tally.add(ACKNOWLEDGED)
        await spool.close()

    asyncio.run(use())


def after_power_cuts(disk: Mounted, tally: Tally) -> Iterator[tuple[list[str], Found]]:
    """What the spool finds after a cut at each point since the kill: (marks so far, found)."""
    began, log = disk.recorded()
    dice = random.Random(1)
    seen: dict[bytes, Found] = {}
    with Site() as site:
        killed = False
        for op in log:
            began.apply(op)
            killed = killed or "killed" in began.marks
            if not killed:
                continue
            noise = {inode for path, inode in began.walk() if path.endswith("-shm")}
            for choice in choices(began, dice, limit=STATES, noise=noise)[1]:
                tally.add("states explored")
                after = began.crash(choice)
                print_of = fingerprint(after, "spool")
                if print_of not in seen:
                    seen[print_of] = site.observe(after, "spool")
                yield list(began.marks), seen[print_of]


def uids(found: Found) -> set[str]:
    return {row.uid for row in found.rows}


def acknowledged(marks: list[str]) -> set[str]:
    numbers = [int(mark.split()[1]) for mark in marks if mark.startswith("acknowledged")]
    return {an_instance(number).sop_instance_uid for number in numbers}


def test_what_a_start_removes_is_gone_for_sure(disk: Mounted, tally: Tally) -> None:
    """The row that says `deleted` was read, but never synced: the file must outlive it."""
    disk.record()
    kill_at(disk, "discard", tally)
    disk.mark("acknowledged 1")
    disk.mark("killed")
    start_again(disk, tally)
    for marks, found in after_power_cuts(disk, tally):  # Site: each object is whole, or given up
        assert acknowledged(marks) <= uids(found)


@pytest.mark.parametrize("free", [120 << 20])
def test_nothing_is_built_on_a_sync_that_failed(disk: Mounted, tally: Tally, free: int | None) -> None:
    """After the failed sync of a commit the WAL looks whole, and is not: on a small disk, too."""
    disk.space(free=free)
    disk.record()

    def let_the_sync_fail() -> None:
        disk.fail("fsync", path="*-wal", error=errno.EIO)

    kill_at(disk, "failed-sync", tally, let_the_sync_fail)
    assert list(disk.struck().values()) == [1]
    disk.mark("acknowledged 1")
    disk.mark("killed")
    start_again(disk, tally, 3, 4)
    for marks, found in after_power_cuts(disk, tally):
        assert acknowledged(marks) <= uids(found)
