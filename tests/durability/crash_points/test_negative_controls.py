"""The exploration can fail: with one kind of sync left out of what was recorded, it finds what is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.durability.campaign import Failure
from tests.durability.crash_points.explore import RECOVERIES, Explorer
from tests.durability.crash_points.facts import say
from tests.durability.crash_points.observe import Site
from tests.durability.crash_points.recording import Recording, record
from tests.durability.disk import ops

pytestmark = [pytest.mark.fuse]
FIRST = "first-start"
HISTORIES = (FIRST, "file", "small", "checkpoints", "steps", "requeue", "commitment")


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


def from_the_first_acknowledgement(recording: Recording) -> Recording:
    """Return it with power cuts from there on: before it nothing can be lost."""
    log = [op for op in recording.log if not (isinstance(op, ops.Mark) and '"begin"' in op.text)]
    first = next(
        place for place, op in enumerate(log) if isinstance(op, ops.Mark) and '"acknowledge"' in op.text
    )
    return replace(recording, log=(*log[:first], ops.Mark(say("begin")), *log[first:]))


CONTROLS = [
    ("file", "the object's file is not synced", ops.Sync, files(".dcm")),
    (
        FIRST,
        "the folder of the object's file is not synced",
        ops.SyncDirectory,
        files("objects/000000"),
    ),
    (FIRST, "the folder of the folders is not synced", ops.SyncDirectory, files("spool/objects")),
    (FIRST, "the folder of the spool is not synced", ops.SyncDirectory, folder("first-start/spool")),
    (FIRST, "the folder above the spool is not synced", ops.SyncDirectory, folder("first-start")),
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
    log = recordings["requeue"].log
    cut = max(
        place
        for place, op in enumerate(log)
        if isinstance(op, ops.Truncate)
        and op.size == 0
        and isinstance(log[place + 1], ops.Sync)
        and _writes_zeros(log[place + 2])
    )
    marks = tuple(op for op in log[:cut] if isinstance(op, ops.Mark) and '"begin"' not in op.text)
    before = tuple(op for op in log[:cut] if not isinstance(op, ops.Mark))
    begin = ops.Mark(say("begin"))
    for synced in (True, False):
        middle = log[cut : cut + 3] if synced else (log[cut], log[cut + 2])
        recording = replace(recordings["requeue"], log=(*before, *marks, begin, *middle))
        explorer = Explorer(site, per_point=200)
        if synced:
            assert explorer.explore(recording).counts[RECOVERIES] > 0
        else:
            with pytest.raises(Failure, match="damaged"):
                explorer.explore(recording)


def _writes_zeros(op: ops.Op) -> bool:
    return isinstance(op, ops.Write) and not any(op.data)
