"""What a program does to a disk, as recorded: one frozen value for each operation.

Files and directories are numbers (inodes); the root is disk.ROOT. `at` is the place of the operation in the
log it was recorded in, for whoever reads a report; nothing is decided by it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Make:
    """A new file or directory with a name."""

    parent: int
    name: str
    inode: int
    directory: bool
    mode: int
    at: int = 0


@dataclass(frozen=True, slots=True)
class Write:
    """`data` at `offset`; the file grows to hold it, with zeros between its former end and `offset`."""

    inode: int
    offset: int
    data: bytes
    at: int = 0


@dataclass(frozen=True, slots=True)
class Truncate:
    """The file has `size` bytes now: fewer, or zeros are added."""

    inode: int
    size: int
    at: int = 0


@dataclass(frozen=True, slots=True)
class Allocate:
    """fallocate without FALLOC_FL_KEEP_SIZE: the file has at least `offset + length` bytes now."""

    inode: int
    offset: int
    length: int
    at: int = 0


@dataclass(frozen=True, slots=True)
class Rename:
    """Atomic; what had the new name loses it."""

    parent: int
    name: str
    new_parent: int
    new_name: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Unlink:
    """The name of a file is removed."""

    parent: int
    name: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class RemoveDirectory:
    """The name of an empty directory is removed."""

    parent: int
    name: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Sync:
    """fsync or fdatasync of a file returned success: contents and size are durable. Its name is not."""

    inode: int
    at: int = 0


@dataclass(frozen=True, slots=True)
class FailedSync:
    """fsync of a file returned an error: what was waiting is counted as written, and may be anything.

    A later Sync of the file does not make it durable, only what was written to those pages since.
    """

    inode: int
    at: int = 0


@dataclass(frozen=True, slots=True)
class SyncDirectory:
    """fsync of a directory returned success: the names in it are durable."""

    inode: int
    at: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """What the program said to the world at this moment: an acknowledgement, for instance."""

    text: str
    at: int = 0


Op = (
    Make
    | Write
    | Truncate
    | Allocate
    | Rename
    | Unlink
    | RemoveDirectory
    | Sync
    | FailedSync
    | SyncDirectory
    | Mark
)
