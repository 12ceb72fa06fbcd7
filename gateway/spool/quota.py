"""Who may still use how much room. Pure accounting: the journal thread asks the disk now and then.

Between two answers of the filesystem, what was promised and is not on the disk yet is subtracted from the
last answer. An image needs room above the reserve, a treatment record above the floor only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.errors import NoRoom
from gateway.model import Priority
from gateway.spool.files import Disk
from gateway.spool.values import KIB, MIB, SpoolLimits

STEP = 1 * MIB
"""Room is promised to a growing object in steps of this many bytes."""
OVERHEAD = 64 * KIB
"""Counted on top of every object: journal pages, the last block, the directory."""


@dataclass(eq=False, slots=True)
class Promise:
    """Room that is set aside for one object that is arriving. Bytes."""

    priority: Priority
    promised: int = 0
    written: int = 0  # on the disk by now; set by whoever writes, read when the disk is asked
    seen: int = 0  # part of `written` that the last answer of the disk contains
    has_file: bool = False


@dataclass(slots=True)
class Ledger:
    """The room there is, and what of it is promised. One thread only."""

    limits: SpoolLimits
    disk: Disk
    kept: int  # bytes of the objects that are kept
    _open: set[Promise] = field(default_factory=set)
    _promised: int = 0  # by objects that are arriving
    _unseen: int = 0  # promised and not contained in the last answer of the disk
    _files: int = 0  # files in use by objects that are arriving

    def refresh(self, disk: Disk, kept: int) -> None:
        """Take over an answer of the filesystem, and how much the journal says is kept."""
        self.disk = disk
        self.kept = kept
        for promise in self._open:
            promise.seen = promise.written
        self._unseen = sum(promise.promised - promise.seen for promise in self._open)

    def room(self, priority: Priority) -> int:
        """Bytes that an object of `priority` may still use."""
        reserve = 0 if priority is Priority.RECORD else self.limits.reserve_bytes
        room = self.disk.free - self._unseen - self.limits.floor_bytes - reserve
        quota = self.limits.quota_bytes
        if quota is not None:
            # A quota smaller than the reserve would shut images out for good: a quarter is kept then.
            room = min(room, quota - self.kept - self._promised - min(reserve, quota // 4))
        return max(0, room)

    def open(self, priority: Priority, size: int) -> Promise:
        """Promise room for the beginning of an object. Raises NoRoom."""
        promise = Promise(priority)
        self._open.add(promise)
        try:
            self.extend(promise, size)
        except NoRoom:
            self._open.discard(promise)
            raise
        return promise

    def extend(self, promise: Promise, size: int) -> None:
        """Make the promise good for an object of `size` bytes so far. Raises NoRoom."""
        need = size + OVERHEAD - promise.promised
        if need <= 0:
            return
        room = self.room(promise.priority)
        if need > room:
            raise NoRoom(f"no room for another object of priority {promise.priority.label}")
        self._add(promise, min(room, max(need, STEP if promise.promised else need)))

    def use_file(self, promise: Promise) -> None:
        """Promise an inode. Raises NoRoom."""
        free = self.disk.inodes_free
        least = self.limits.min_free_inodes
        if promise.priority is Priority.RECORD:
            least //= 10
        if free is not None and free - self._files <= least:
            raise NoRoom("no room for another file: the filesystem runs short of inodes")
        promise.has_file = True
        self._files += 1

    def close(self, promise: Promise, size: int) -> None:
        """The object is durable with `size` bytes, or gone (0): give back what it did not use."""
        if promise not in self._open:
            return
        self._open.discard(promise)
        if promise.has_file:
            self._files -= 1
        self._promised -= promise.promised
        self._unseen -= promise.promised - promise.seen
        if size:
            # Not seen before the next answer of the disk, however soon that comes.
            self._unseen += max(0, size + OVERHEAD - promise.seen)
            self.kept += size

    def _add(self, promise: Promise, count: int) -> None:
        promise.promised += count
        self._promised += count
        self._unseen += count
