"""What histories do to a disk, operation by operation: recorded on a mounted filesystem, or made up."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.durability.crash_points.facts import say
from tests.durability.crash_points.histories import ALL
from tests.durability.disk import ops
from tests.durability.disk.disk import Disk
from tests.durability.disk.materialize import materialize
from tests.durability.fuse.mount import Mounted

_REPOSITORY = Path(__file__).parents[3]
SECONDS = 120
"""How long all histories together may take."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The operations of one history; `under` is where the spool is (a path on the disk).

    `begun` is the disk before them, for sure as it is; None: an empty one.
    """

    name: str
    under: str
    log: tuple[ops.Op, ...]
    begun: Disk | None = None

    def disk(self) -> Disk:
        """Return the disk as it was before, to be changed."""
        return Disk() if self.begun is None else self.begun.copy()

    def without(self, doomed: Callable[[ops.Op], bool]) -> Recording:
        """Return it without some operations: what a program that had forgotten them would have left."""
        return replace(self, log=tuple(op for op in self.log if not doomed(op)))

    def paths(self) -> dict[int, str]:
        """Return every path that each inode had, the last one."""
        disk = self.disk()
        found = {inode: path for path, inode in disk.walk()}
        for op in self.log:
            disk.apply(op)
            if isinstance(op, ops.Make | ops.Rename):
                found.update({inode: path for path, inode in disk.walk()})
        return found


@dataclass(frozen=True, slots=True)
class State:
    """What a power cut has left, with what had been said before it (`disk.marks`)."""

    name: str
    under: str
    disk: Disk


def record(names: Iterable[str] = ALL, folder: Path | None = None) -> dict[str, Recording]:
    """Run these histories, in processes of their own on a filesystem of its own, and return what they did."""
    with (
        tempfile.TemporaryDirectory(prefix="crash-points-", dir=folder) as place,
        Mounted(Path(place)) as mounted,
    ):
        mounted.record()
        _run(mounted, names)
        _, log = mounted.recorded()
    return {recording.name: recording for recording in split(log)}


def record_recoveries(states: Iterable[State], folder: Path | None = None) -> list[Recording]:
    """Have the spool opened and closed on each of these disks, and return what that did."""
    states = list(states)
    with (
        tempfile.TemporaryDirectory(prefix="crash-points-", dir=folder) as place,
        Mounted(Path(place)) as mounted,
    ):
        for number, state in enumerate(states):
            (mounted.path / str(number)).mkdir()
            materialize(state.disk, mounted.path / str(number), state.under.rpartition("/")[0])
        begun = mounted.disk()
        begun.settle()
        mounted.record()
        _run(mounted, [str(number) for number in range(len(states))])
        _, log = mounted.recorded()
    recordings = []
    for recording, state in zip(split(log), states, strict=True):
        # What had been said counts from the beginning; nothing is tried before all of it is.
        said = [text for text in state.disk.marks if json.loads(text)["say"] not in ("begin", "end")]
        marks = (*map(ops.Mark, said), ops.Mark(say("begin")))
        own = begun.copy()
        own.keep_only({recording.name})
        name = f"recovery of {state.name}"
        recordings.append(replace(recording, name=name, begun=own, log=marks + recording.log))
    return recordings


def _run(mounted: Mounted, names: Iterable[str]) -> None:
    command = [sys.executable, "-m", "tests.durability.crash_points.writer", mounted.address]
    done = subprocess.run(
        [*command, str(mounted.path), *names],
        cwd=_REPOSITORY,
        timeout=SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise AssertionError(f"the histories ended with {done.returncode}:\n{done.stdout}")


def split(log: Sequence[ops.Op]) -> list[Recording]:
    """Take a log of several histories apart: each from the mark `history` up to the mark `end`."""
    found: list[Recording] = []
    name, gathered = "", list[ops.Op]()
    for op in log:
        if not isinstance(op, ops.Mark):
            gathered.append(op)
            continue
        said = json.loads(op.text)
        if said["say"] == "history":
            name, gathered = said["name"], []
            continue
        gathered.append(op)
        if said["say"] == "end":
            found.append(Recording(name, f"{name}/spool", tuple(gathered)))
    return found


def inodes(recording: Recording, wanted: Callable[[str], bool]) -> Collection[int]:
    """Return the inodes whose path is wanted."""
    return {inode for inode, path in recording.paths().items() if wanted(path)}
