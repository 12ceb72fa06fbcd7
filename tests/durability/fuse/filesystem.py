"""A disk that forgets (tests/durability/disk) as a filesystem: what libfuse asks, answered from it.

Every write comes here when the program makes it (FUSE without the writeback cache), and is in memory only
until an fsync comes. One thread answers; `steering.py` works on the same disk from others, under `guard`.
Locks (flock, POSIX) and mapped files are the kernel's business, so that SQLite works as on any disk.

Power goes in two steps, because the processes that use it must have no time to see that it went: `frozen`,
from when on nobody is answered, and `off`, when they are dead, from when on every call fails.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import mfusepy

from tests.durability.disk import ops
from tests.durability.disk.disk import ROOT, Disk
from tests.durability.fuse.rules import (
    CHANGING,
    FAIL,
    FAIL_AFTER,
    FREEZE,
    FREEZE_AFTER,
    SHORT,
    Rule,
    Rules,
)

BLOCK = 4096
FROZEN_MAX = 120.0
"""Seconds until whoever hangs is sent away, should nobody ever cut the power."""
_FORGET_EVERY = 256  # names that were removed, until what nothing leads to is dropped


def operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method that libfuse calls: under the lock, counted, and subject to the rules."""
    name = function.__name__

    @functools.wraps(function)
    def called(self: ForgettingFilesystem, path: str | None, *arguments: Any) -> Any:
        with self.guard:
            # Of an open file that has no name any more libfuse tells the handle only, the last argument.
            where = path if path is not None else self.paths.get(arguments[-1], "")
            rule = self.enter(name, where)
            if rule is None:
                return function(self, path, *arguments)
            if rule.action == FREEZE:
                self.freeze()
                self.wait_thawed()
            if rule.action == FAIL:
                self.failed(name, arguments, rule.error)
                raise OSError(rule.error, os.strerror(rule.error))
            if rule.action == SHORT:
                return function(self, path, arguments[0][: max(1, len(arguments[0]) // 2)], *arguments[1:])
            result = function(self, path, *arguments)
            if rule.action == FREEZE_AFTER:
                self.freeze()
                self.wait_thawed()
            if rule.action == FAIL_AFTER:
                raise OSError(rule.error, os.strerror(rule.error))
            return result

    return called


class ForgettingFilesystem(mfusepy.Operations):
    """The disk, its state of power, its rules, and the counts of what was asked of it."""

    use_ns = True

    def __init__(self, disk: Disk, rules: Rules, capacity: int, inodes: int) -> None:
        self.disk = disk
        self.rules = rules
        self.capacity = capacity
        self.inodes = inodes
        self.guard = threading.RLock()
        self.state = threading.Condition(self.guard)
        self.mounted = False
        self.frozen = False
        self.off = False
        self.read_only = False
        self.calls: Counter[str] = Counter()
        self.log: list[ops.Op] | None = None
        self.paths: dict[int, str] = {}  # of open files, by handle: the inode
        self.sizes = 0  # of all files together, whether they hold anything or not: what counts as taken
        self._opened: Counter[int] = Counter()
        self._modes: dict[int, int] = {}
        self._times: dict[int, int] = {}
        self._nameless: set[int] = set()  # open files that have no name any more
        self._unread: tuple[int, int, int] | None = None  # handle, offset, error of a read that was failed
        self._removed = 0
        self._next = disk.highest() + 1

    # power

    def enter(self, name: str, path: str) -> Rule | None:
        """One call comes. OSError when there is no power, or nothing may be changed any more."""
        if self.frozen:
            self.wait_thawed()
        if self.off:
            raise OSError(errno.EIO, "no power")
        self.calls[name] += 1
        if self.read_only and name in CHANGING:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return self.rules.ask(name, path) if self.rules.rules else None

    def freeze(self) -> None:
        """From now on nobody is answered."""
        self.frozen = True
        self.state.notify_all()

    def wait_thawed(self) -> None:
        """Hang until the power is off, and then fail. It is free meanwhile."""
        self.state.wait_for(lambda: not self.frozen, FROZEN_MAX)
        raise OSError(errno.EIO, "no power")

    def turn_off(self) -> None:
        """Whoever hangs fails now, and every call that still comes."""
        self.off, self.frozen = True, False
        self.state.notify_all()

    def replace(self, disk: Disk) -> None:
        """Go on with another disk, with the power on. Nobody has anything open."""
        self.disk = disk
        self.off = self.frozen = self.read_only = False
        self.paths.clear()
        self._opened.clear()
        self._nameless.clear()
        self._modes.clear()
        self.sizes = sum(disk.size(inode) for inode in disk.nodes)
        self._next = max(self._next, disk.highest() + 1)

    def do(self, op: ops.Op) -> None:
        """Have the disk do it, and note it down where that is wanted."""
        self.disk.apply(op)
        if self.log is not None:
            self.log.append(op)

    def failed(self, name: str, arguments: tuple[Any, ...], error: int) -> None:
        """What a call that failed leaves behind: after a failed fsync, pages that count as clean."""
        if name == "fsync":
            self.do(ops.FailedSync(arguments[-1], self._at()))
        if name == "read":
            self._unread = (arguments[-1], arguments[1], error)

    def _at(self) -> int:
        return len(self.log) if self.log is not None else 0

    # names

    def find(self, path: str) -> int:
        """The inode of a path. FileNotFoundError, NotADirectoryError."""
        inode = ROOT
        for name in path.split("/"):
            if name:
                if not self.disk.is_directory(inode):
                    raise NotADirectoryError(errno.ENOTDIR, path)
                found = self.disk.find(inode, name)
                if found is None:
                    raise FileNotFoundError(errno.ENOENT, path)
                inode = found
        return inode

    def _place(self, path: str) -> tuple[int, str]:
        above, _, name = path.rpartition("/")
        return self.find(above), name

    def _make(self, path: str, mode: int, *, directory: bool) -> int:
        if len(self.disk.nodes) >= self.inodes:
            raise OSError(errno.ENOSPC, "no inodes left")
        parent, name = self._place(path)
        inode, self._next = self._next, self._next + 1
        self.do(ops.Make(parent, name, inode, directory, stat.S_IMODE(mode), self._at()))
        self._times[inode] = time.time_ns()
        return inode

    def _gone(self, inode: int | None) -> None:
        """A file has no name any more: its room is free when nobody has it open."""
        if inode is not None:
            if inode in self._opened:
                self._nameless.add(inode)
            else:
                self.sizes -= self.disk.size(inode)
        self._removed += 1
        if self._removed >= _FORGET_EVERY:
            self._removed = 0
            self.disk.forget(self._opened)
            self._times = {inode: at for inode, at in self._times.items() if inode in self.disk.nodes}
            self._modes = {inode: mode for inode, mode in self._modes.items() if inode in self.disk.nodes}

    def _grow(self, inode: int, end: int) -> None:
        more = end - self.disk.size(inode)
        if more > 0:
            if self.sizes + more > self.capacity:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.sizes += more

    def _open(self, path: str, inode: int) -> int:
        self._opened[inode] += 1
        self.paths[inode] = path
        return inode

    # what libfuse asks

    def init_with_config(self, connection: Any, _config: Any) -> None:
        """The kernel has greeted: it is mounted."""
        # What is read ahead and fails is read again without a word, and a fault would not be seen.
        connection.max_readahead = 0
        with self.guard:
            self.mounted = True
            self.state.notify_all()

    def destroy(self, _path: str) -> None:
        """It is not any more."""
        with self.guard:
            self.mounted = False
            self.state.notify_all()

    @operation
    def getattr(self, path: str | None, handle: int | None = None) -> dict[str, int]:
        """Of a path or an open file."""
        inode = handle if path is None and handle is not None else self.find(path or "/")
        disk = self.disk
        size = disk.size(inode)
        at = self._times.get(inode, 0)
        mode = self._modes.get(inode, disk.mode(inode))
        return {
            "st_mode": mode | self._kind(inode),
            "st_ino": inode,
            "st_nlink": 2 if disk.is_directory(inode) else 1,
            "st_size": size,
            "st_blocks": -(-size // 512),
            "st_blksize": BLOCK,
            "st_uid": os.getuid(),
            "st_gid": os.getgid(),
            "st_atime": at,
            "st_mtime": at,
            "st_ctime": at,
        }

    @operation
    def readdir(self, path: str | None, handle: int) -> list[tuple[str, dict[str, int], int]]:
        """Every name in a directory, with its inode and what it is."""
        inodes = {".": handle, "..": ROOT, **self.disk.names(handle)}
        return [(name, {"st_ino": inode, "st_mode": self._kind(inode)}, 0) for name, inode in inodes.items()]

    def _kind(self, inode: int) -> int:
        return stat.S_IFDIR if self.disk.is_directory(inode) else stat.S_IFREG

    def opendir(self, path: str) -> int:
        """A handle of a directory: its inode."""
        with self.guard:
            return self._open(path, self.find(path))

    def releasedir(self, path: str | None, handle: int) -> int:
        """No longer wanted."""
        return self.release(path, handle)

    @operation
    def open(self, path: str, flags: int) -> int:
        """A handle of a file: its inode."""
        inode = self.find(path)
        if self.read_only and flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if flags & os.O_TRUNC:
            self._truncate(inode, 0)
        return self._open(path, inode)

    @operation
    def create(self, path: str, mode: int) -> int:
        """A new file, opened. The kernel has seen that it is not there."""
        return self._open(path, self._make(path, mode, directory=False))

    def release(self, path: str | None, handle: int) -> int:
        """The last descriptor of one open() is closed."""
        with self.guard:
            self._opened[handle] -= 1
            if self._opened[handle] <= 0:
                del self._opened[handle]
                self.paths.pop(handle, None)
                if handle in self._nameless:
                    self._nameless.discard(handle)
                    self.sizes -= self.disk.size(handle)
        return 0

    @operation
    def read(self, path: str | None, size: int, offset: int, handle: int) -> bytes:
        """Fewer bytes at the end of the file."""
        unread, self._unread = self._unread, None
        if unread is not None and unread[:2] == (handle, offset):
            # The kernel tries a page that it could not read once more before it tells the program.
            raise OSError(unread[2], os.strerror(unread[2]))
        return self.disk.read(handle, offset, size)

    @operation
    def write(self, path: str | None, data: bytes, offset: int, handle: int) -> int:
        """All of it."""
        self._grow(handle, offset + len(data))
        self.do(ops.Write(handle, offset, data, self._at()))
        self._times[handle] = time.time_ns()
        return len(data)

    def _truncate(self, inode: int, length: int) -> None:
        self._grow(inode, length)
        self.sizes -= max(0, self.disk.size(inode) - length)
        self.do(ops.Truncate(inode, length, self._at()))
        self._times[inode] = time.time_ns()

    @operation
    def truncate(self, path: str | None, length: int, handle: int | None = None) -> int:
        """Longer or shorter."""
        if path is None:  # removed meanwhile, and the library does not say the handle here
            raise OSError(errno.ENOENT, "truncate")
        self._truncate(self.find(path), length)
        return 0

    @operation
    def fallocate(self, path: str | None, mode: int, offset: int, size: int, handle: int) -> int:
        """Room, and a size that covers it. Holes cannot be punched."""
        if mode != 0:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        self._grow(handle, offset + size)
        self.do(ops.Allocate(handle, offset, size, self._at()))
        return 0

    @operation
    def fsync(self, path: str | None, datasync: int, handle: int) -> int:
        """Of a file. fdatasync is the same: it makes the size durable too."""
        self.do(ops.Sync(handle, self._at()))
        return 0

    @operation
    def fsyncdir(self, path: str | None, datasync: int, handle: int) -> int:
        """Of a directory."""
        self.do(ops.SyncDirectory(handle, self._at()))
        return 0

    @operation
    def mkdir(self, path: str, mode: int) -> int:
        """The kernel has seen that it is not there."""
        self._make(path, mode, directory=True)
        return 0

    @operation
    def unlink(self, path: str) -> int:
        """Remove a name; who has the file open keeps it."""
        parent, name = self._place(path)
        inode = self.find(path)
        self.do(ops.Unlink(parent, name, self._at()))
        self._gone(inode)
        return 0

    @operation
    def rmdir(self, path: str) -> int:
        """Remove an empty directory."""
        if self.disk.names(self.find(path)):
            raise OSError(errno.ENOTEMPTY, path)
        parent, name = self._place(path)
        self.do(ops.RemoveDirectory(parent, name, self._at()))
        self._gone(None)
        return 0

    @operation
    def rename(self, old: str, new: str) -> int:
        """Atomic; what had the new name loses it."""
        (parent, name), (new_parent, new_name) = self._place(old), self._place(new)
        replaced = self.disk.find(new_parent, new_name)
        self.do(ops.Rename(parent, name, new_parent, new_name, self._at()))
        self._gone(replaced)
        return 0

    @operation
    def statfs(self, path: str) -> dict[str, int]:
        """What is taken is the sizes of all files."""
        free = max(0, self.capacity - self.sizes) // BLOCK
        inodes = max(0, self.inodes - len(self.disk.nodes))
        return {
            "f_bsize": BLOCK,
            "f_frsize": BLOCK,
            "f_blocks": self.capacity // BLOCK,
            "f_bfree": free,
            "f_bavail": free,
            "f_files": self.inodes,
            "f_ffree": inodes,
            "f_favail": inodes,
            "f_namemax": 255,
        }

    def chmod(self, path: str | None, mode: int) -> int:
        """Kept while the power is on."""
        with self.guard:
            self._modes[self.find(path or "/")] = stat.S_IMODE(mode)
        return 0

    def chown(self, path: str | None, uid: int, gid: int) -> int:
        """Everything belongs to whoever runs the tests."""
        return 0

    def utimens(self, path: str | None, times: tuple[int, int] | None = None) -> int:
        """Taken, and not kept."""
        return 0
