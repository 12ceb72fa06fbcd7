"""What a test may ask of the filesystem's process, over its control socket (mount.py is the other end)."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.durability.disk import ops
from tests.durability.disk.crash import Policy, choose
from tests.durability.disk.disk import Choice, Disk
from tests.durability.disk.nodes import File
from tests.durability.fuse.filesystem import ForgettingFilesystem
from tests.durability.fuse.mounts import unmount


@dataclass(frozen=True, slots=True)
class Stats:
    """What was asked of the filesystem, and how large its process is."""

    calls: dict[str, int]  # operation -> how often, since it was mounted first
    names_pending: int
    files_pending: int
    used: int  # bytes of blocks that hold something
    resident_kib: int


@dataclass(frozen=True, slots=True)
class Cut:
    """What a power cut did: how much was not durable, and how much of that survived nevertheless."""

    names_pending: int
    sectors_pending: int
    names_survived: int
    sectors_survived: int


class Steering:
    """Requests by method name; arguments and answers are pickled."""

    def __init__(self, filesystem: ForgettingFilesystem, mountpoint: Path, seed: int) -> None:
        self._fs = filesystem
        self._mountpoint = mountpoint
        self._dice = random.Random(seed)
        self._begun: Disk | None = None
        self.power = threading.Event()  # set: the main thread is to mount
        self.ending = False

    # power

    def wait_mounted(self, timeout: float) -> bool:
        """Whether it is mounted now, or in `timeout` seconds."""
        with self._fs.guard:
            return self._fs.state.wait_for(lambda: self._fs.mounted, timeout)

    def freeze(self) -> None:
        """From now on nobody is answered: the moment of the cut."""
        with self._fs.guard:
            self._fs.freeze()

    def wait_frozen(self, timeout: float) -> bool:
        """Whether a rule froze it, now or in `timeout` seconds."""
        with self._fs.guard:
            return self._fs.state.wait_for(lambda: self._fs.frozen, timeout)

    def cut(self, policy: str | None) -> Cut:
        """Those who used it are dead: unmount, and keep only what a power cut leaves.

        What that is of the things that were not synced is drawn by chance, within `policy`; None: nothing.
        """
        fs = self._fs
        with fs.guard:
            fs.turn_off()
            changes, files = fs.disk.pending
            choice = choose(fs.disk, self._dice, Policy(policy)) if policy else Choice()
            done = Cut(
                names_pending=len(changes),
                sectors_pending=sum(len(file.versions) for file in files.values()),
                names_survived=len(choice.names),
                sectors_survived=sum(len(some) for some in choice.sectors.values()),
            )
            after = fs.disk.crash(choice)
        self._unmount()
        with fs.guard:
            fs.replace(after)
            fs.off = True  # until the power comes back
            fs.rules.clear()
        return done

    def _unmount(self) -> None:
        unmount(self._mountpoint)
        with self._fs.guard:
            if not self._fs.state.wait_for(lambda: not self._fs.mounted, 30):
                raise TimeoutError("the filesystem is still in use 30 seconds after it was unmounted")

    def power_on(self) -> None:
        """Mount what the cut has left."""
        with self._fs.guard:
            self._fs.off = self._fs.frozen = False
        self.power.set()
        if not self.wait_mounted(30):
            raise TimeoutError("the filesystem was not mounted in 30 seconds")

    def end(self) -> None:
        """Unmount and end the process."""
        self.ending = True
        with self._fs.guard:
            self._fs.turn_off()
        unmount(self._mountpoint)
        self.power.set()

    # what goes wrong

    def fail(self, operation: str, more: dict[str, Any]) -> int:
        """Add a rule (rules.py); return its number."""
        with self._fs.guard:
            return self._fs.rules.add(operation, **more)

    def mend(self) -> None:
        """Drop all rules, and let things be written again."""
        with self._fs.guard:
            self._fs.rules.clear()
            self._fs.read_only = False

    def struck(self) -> dict[int, int]:
        """Rule number -> how often it struck, of the rules there are."""
        with self._fs.guard:
            return self._fs.rules.struck()

    def read_only(self) -> None:
        """From now on nothing can be changed, through open files neither."""
        with self._fs.guard:
            self._fs.read_only = True

    def space(self, free: int | None, inodes: int | None) -> None:
        """Let there be so many bytes and inodes free from now on; None: as before."""
        with self._fs.guard:
            if free is not None:
                self._fs.capacity = self._fs.sizes + free
            if inodes is not None:
                self._fs.inodes = len(self._fs.disk.nodes) + inodes

    def flip(self, path: str, offset: int, bit: int) -> None:
        """Turn one bit of a file over, as a bad medium does: on the disk, seen by whoever opens it next."""
        with self._fs.guard:
            node = self._fs.disk.nodes[self._fs.find(path)]
            if not isinstance(node, File) or not 0 <= offset < node.live.size:
                raise ValueError(f"{path} has no byte {offset}")
            for content in (node.live, node.durable):
                [byte] = content.read(offset, 1) or b"\0"
                content.write(offset, bytes([byte ^ (1 << bit)]))

    # what is known

    def record(self) -> None:
        """Write down every operation from now on."""
        with self._fs.guard:
            self._begun = self._fs.disk.copy()
            self._fs.log = []

    def recorded(self) -> tuple[Disk, list[ops.Op]]:
        """Return the disk as it was when recording began, and what has been done to it since; goes on."""
        with self._fs.guard:
            if self._begun is None or self._fs.log is None:
                raise ValueError("nothing is being recorded")
            return self._begun, list(self._fs.log)

    def mark(self, text: str) -> None:
        """Note what the program has said to the world, between the operations."""
        with self._fs.guard:
            self._fs.do(ops.Mark(text, len(self._fs.log or ())))

    def disk(self) -> Disk:
        """A copy of the disk, with everything that is pending."""
        with self._fs.guard:
            return self._fs.disk.copy()

    def stats(self) -> Stats:
        """What was asked so far."""
        with self._fs.guard:
            changes, files = self._fs.disk.pending
            return Stats(
                calls=dict(self._fs.calls),
                names_pending=len(changes),
                files_pending=len(files),
                used=self._fs.disk.used(),
                resident_kib=_resident_kib(),
            )


def _resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
