"""The power fails while a damaged journal is rebuilt: the rebuild is repeated, and nothing is lost.

The rebuild runs on the filesystem that forgets; each state that a power cut may leave is put on a real disk,
where the gateway must either start, or say that the rebuild has to be run; after that every object is whole.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.configuring.durable import sync_folder
from gateway.notices import Notices
from gateway.spool import Spool
from gateway.spool.salvage.rebuild import rebuild
from gateway.spool.start_checks import JournalLost
from tests.durability.campaign import ACKNOWLEDGED, LOST, Tallies, Tally
from tests.durability.crash_points.observe import Site
from tests.durability.crash_points.room import FILE, INLINE, LIMITS
from tests.durability.crash_points.small import fillings
from tests.durability.disk import ops
from tests.durability.disk.crash import choices
from tests.durability.disk.materialize import fingerprint
from tests.durability.fuse.mount import Mounted
from tests.support.spooling import an_instance, content, store

pytestmark = pytest.mark.fuse

STATES = 8
"""States at each point, the corners first: nothing and everything of what was not synced."""
WRITES = 25
"""Of the writes one in so many is a point: the new journal is worth nothing before it is complete."""
DAMAGE = b"\xff" * 4096
FOREIGN = b"no object" * 100
OBJECTS = {1: INLINE, 2: FILE, 3: INLINE, 4: FILE}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with Mounted(tmp_path) as mounted, fillings():
        yield mounted


async def fill(directory: Path, *, with_wal: bool) -> None:
    """All objects in the database but the last one, which is in the WAL only, or also in the database."""
    *former, last = OBJECTS
    for some in (former, [last]):
        spool = Spool.open(directory, LIMITS, notices=Notices())
        for number in some:
            await store(spool, content(number, OBJECTS[number]), number)
        wal = directory / "journal.db-wal"
        kept = wal.read_bytes()
        await spool.close()
    if with_wal:
        wal.write_bytes(kept)  # as after a crash: it is the old journal's, and must never meet the new one
    (directory / "objects/000000/000000900.dcm").write_bytes(FOREIGN)


def damage(journal: Path) -> None:
    """The page with the header and the schema is unreadable: SQLite makes nothing of this file any more."""
    with journal.open("r+b") as file:
        file.write(DAMAGE)
    settle(journal.parent)


def interrupt(directory: Path) -> None:
    """A rebuild that was complete, but for the name of its journal: the old one is still there."""
    rebuild(directory, ["oncology"])
    (directory / "journal.db").rename(directory / "journal.ready")
    (directory / "journal.db").write_bytes(DAMAGE)
    for former in directory.glob("damaged-*/journal.*"):
        former.unlink()
    settle(directory)


def settle(directory: Path) -> None:
    """Everything is durable."""
    for path in directory.rglob("*"):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    sync_folder(directory)
    sync_folder(directory.parent)


def is_beside_a_foreign_wal(directory: Path) -> bool:
    """Whether SQLite would take the old WAL for that of the new journal."""
    journal, wal = directory / "journal.db", directory / "journal.db-wal"
    return journal.exists() and not journal.read_bytes().startswith(DAMAGE) and wal.exists()


def is_kept(directory: Path) -> bool:
    """Whether the old journal, and the file that is no object, are still somewhere."""
    kept = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
    return FOREIGN in kept and any(data.startswith(DAMAGE) for data in kept)


async def whole(directory: Path, *, done: bool) -> set[str]:
    """Start, after a rebuild where one is asked for; return the UIDs whose bytes are here, unchanged."""
    try:
        spool = Spool.open(directory, LIMITS, notices=Notices())
    except JournalLost:
        assert not done, "it is to be rebuilt once more"
        rebuild(directory, ["oncology"])
        spool = Spool.open(directory, LIMITS, notices=Notices())
    try:
        rows = await spool.list_deliveries(limit=100)
        found = set()
        for row in rows:
            with spool.open_data(row.object.number) as reader:
                data = reader.read(reader.size)
            number = int(row.object.instance.sop_instance_uid.rpartition(".")[2])
            assert data == content(number, OBJECTS[number])
            found.add(row.object.instance.sop_instance_uid)
        return found
    finally:
        await spool.close()


@pytest.mark.parametrize("found", ["no-wal", "a-wal", "interrupted"])
def test_a_rebuild_survives_a_power_cut_at_each_point(disk: Mounted, tallies: Tallies, found: str) -> None:
    directory, tally = (
        disk.path / "spool",
        Tally.of({"states explored": 0, ACKNOWLEDGED: len(OBJECTS), LOST: 0}),
    )
    asyncio.run(fill(directory, with_wal=found == "a-wal"))
    damage(directory / "journal.db")
    if found == "interrupted":
        interrupt(directory)
    expected = {an_instance(number).sop_instance_uid for number in OBJECTS}
    disk.record()
    assert not rebuild(directory, ["oncology"]).whole
    disk.mark("done")
    began, log = disk.recorded()
    dice, seen = random.Random(1), set()
    with Site() as site:
        for place, op in enumerate(log):
            began.apply(op)
            if isinstance(op, ops.Write) and place % WRITES:
                continue
            for choice in choices(began, dice, limit=STATES)[1]:
                tally.add("states explored")
                after = began.crash(choice)
                print_of = fingerprint(after, "spool") + bytes(len(began.marks))
                if print_of in seen:
                    continue
                seen.add(print_of)
                tally.add("recoveries")
                with site.holding(after, "spool") as there:
                    assert not is_beside_a_foreign_wal(there), f"{op}, {choice}"
                    here = asyncio.run(whole(there, done=began.marks[-1:] == ["done"]))
                    assert here == expected, f"{op}, {choice}"
                    assert is_kept(there), f"the old journal is gone: {op}, {choice}"
    tallies.add("rebuild, cut", tally)
