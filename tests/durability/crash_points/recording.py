"""What histories do to a disk, operation by operation: recorded on a mounted filesystem, or made up."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.durability.crash_points.histories import ALL
from tests.durability.disk import ops
from tests.durability.disk.disk import Disk
from tests.durability.fuse.mount import Mounted

_REPOSITORY = Path(__file__).parents[3]
SECONDS = 120
"""How long all histories together may take."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The operations of one history on an empty disk; `under` is where the spool is (a path on it)."""

    name: str
    under: str
    log: tuple[ops.Op, ...]

    def without(self, doomed: Callable[[ops.Op], bool]) -> Recording:
        """Return it without some operations: what a program that had forgotten them would have left."""
        return replace(self, log=tuple(op for op in self.log if not doomed(op)))

    def paths(self) -> dict[int, str]:
        """Return every path that each inode had, the last one."""
        disk, found = Disk(), dict[int, str]()
        for op in self.log:
            disk.apply(op)
            if isinstance(op, ops.Make | ops.Rename):
                found.update({inode: path for path, inode in disk.walk()})
        return found


def record(names: Iterable[str] = ALL, folder: Path | None = None) -> dict[str, Recording]:
    """Run these histories, in a process of their own on a filesystem of its own, and return what they did."""
    names = tuple(names)
    with (
        tempfile.TemporaryDirectory(prefix="crash-points-", dir=folder) as place,
        Mounted(Path(place)) as mounted,
    ):
        mounted.record()
        command = [sys.executable, "-m", "tests.durability.crash_points.writer", mounted.address]
        done = subprocess.run(
            [*command, str(mounted.path), *names],
            cwd=_REPOSITORY,
            timeout=SECONDS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        _, log = mounted.recorded()
    if done.returncode:
        raise AssertionError(f"the histories ended with {done.returncode}:\n{done.stdout}")
    return {recording.name: recording for recording in split(log)}


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
