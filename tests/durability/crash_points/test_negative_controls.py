"""The exploration can fail: with one kind of sync left out of what was recorded, it finds what is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.durability.campaign import Failure
from tests.durability.crash_points.explore import Explorer
from tests.durability.crash_points.observe import Site
from tests.durability.crash_points.recording import Recording, record
from tests.durability.disk import ops

pytestmark = [pytest.mark.fuse]
HISTORIES = ("first-start", "file", "small", "checkpoints", "steps", "requeue", "commitment")


@pytest.fixture(scope="module")
def recordings() -> dict[str, Recording]:
    return record(HISTORIES)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


def files(ending: str) -> Callable[[str], bool]:
    return lambda path: path.endswith(ending)


def folder(name: str) -> Callable[[str], bool]:
    return lambda path: path == name


CONTROLS = [
    ("file", "the object's file is not synced", ops.Sync, files(".dcm")),
    (
        "first-start",
        "the folder of the object's file is not synced",
        ops.SyncDirectory,
        files("objects/000000"),
    ),
    ("first-start", "the folder of the folders is not synced", ops.SyncDirectory, files("spool/objects")),
    ("first-start", "the folder of the spool is not synced", ops.SyncDirectory, folder("first-start/spool")),
    ("first-start", "the folder above the spool is not synced", ops.SyncDirectory, folder("first-start")),
    ("small", "the WAL is not synced", ops.Sync, files("-wal")),
    ("steps", "the WAL is not synced", ops.Sync, files("-wal")),
    ("commitment", "the WAL is not synced", ops.Sync, files("-wal")),
    ("checkpoints", "the database is not synced before the WAL is used again", ops.Sync, files("journal.db")),
]


@pytest.mark.parametrize(
    ("name", "what", "kind", "wanted"), CONTROLS, ids=[f"{one[0]}: {one[1]}" for one in CONTROLS]
)
def test_what_is_not_synced_is_found_lost(
    name: str,
    what: str,
    kind: type[ops.Op],
    wanted: Callable[[str], bool],
    recordings: dict[str, Recording],
    site: Site,
) -> None:
    recording = recordings[name]
    if name == FIRST:
        recording = from_the_first_acknowledgement(recording)
    doomed = {inode for inode, path in recording.paths().items() if wanted(path)}
    assert doomed
    forgetful = recording.without(lambda op: isinstance(op, kind) and op.inode in doomed)
    assert len(forgetful.log) < len(recording.log)
    with pytest.raises(Failure) as failure:
        Explorer(site, per_point=12).explore(forgetful, every=4)
    assert failure.value.history == name
    print(what, failure.value)


def test_a_wal_that_is_filled_before_its_cut_is_durable_is_found_damaged(
    recordings: dict[str, Recording], site: Site
) -> None:
    recording = recordings["requeue"]
    log = recording.log
    doomed = {
        id(op)
        for before, op, after in zip(log, log[1:], log[2:], strict=False)
        if isinstance(before, ops.Truncate) and isinstance(op, ops.Sync) and isinstance(after, ops.Write)
    }
    assert doomed
    with pytest.raises(Failure):
        Explorer(site, per_point=40).explore(recording.without(lambda op: id(op) in doomed), every=20)
