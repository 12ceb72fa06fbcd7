"""Room on the file systems that the gateway needs, whether they can be written, and their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.health.machine import Machine
from gateway.health.medium import Medium, of_device
from gateway.health.mounts import Mount, mount_of, mounts
from gateway.health.words import N_, Finding, Value, attention, ok, unknown

_LOW_SPACE = 0.10  # of the size
_LOW_INODES = 0.05


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system, with what the gateway keeps on it."""

    finding: Finding
    folders: tuple[str, ...]
    point: str
    source: str
    kind: str
    options: tuple[str, ...]
    read_only: bool
    size: int | None  # bytes
    free: int | None  # bytes that the gateway may still use
    inodes: int | None
    free_inodes: int | None
    errors: int | None  # counted by ext4 since the file system was made; None: it does not count
    medium: Medium


def read(machine: Machine, folders: Sequence[Path]) -> tuple[Disk, ...]:
    """Return the file systems that `folders` are on, each once."""
    known = mounts(machine)
    by_mount: dict[Mount, list[Path]] = {}
    for folder in dict.fromkeys(folders):
        mount = mount_of(known, folder)
        by_mount.setdefault(mount or Mount("", "", "", "", (), False), []).append(folder)
    return tuple(_disk(machine, mount, on_it) for mount, on_it in by_mount.items())


def _disk(machine: Machine, mount: Mount, folders: list[Path]) -> Disk:
    stat = machine.statvfs(machine.path(str(folders[0])))
    size = free = inodes = free_inodes = None
    if stat is not None:
        size, free = stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize
        inodes, free_inodes = stat.f_files, stat.f_favail
    device = mount.source.rpartition("/")[2]
    errors = machine.number(f"/sys/fs/ext4/{device}/errors_count") if device else None
    disk = Disk(
        unknown(N_("This file system cannot be looked at.")),
        tuple(str(folder) for folder in folders),
        mount.point,
        mount.source[:200],
        mount.kind,
        mount.options[:40],
        mount.read_only,
        size,
        free,
        inodes,
        free_inodes,
        errors,
        of_device(machine, mount.device),
    )
    return replace(disk, finding=_finding(disk))


def _finding(disk: Disk) -> Finding:
    point = Value("point", disk.point or disk.folders[0])
    if disk.read_only:
        return attention(
            N_("The file system %(point)s can only be read: nothing can be stored."),
            point,
            next_step=N_(
                "Drives are often switched to read-only after errors. Copy the log, then replace the drive."
            ),
        )
    if disk.errors:
        return attention(
            N_("The file system %(point)s has counted %(count)s errors."),
            point,
            Value("count", disk.errors, "number"),
            next_step=N_("Have the file system checked, and plan the replacement of the drive."),
        )
    if disk.size is None or disk.free is None:
        return unknown(N_("The room on %(point)s cannot be read."), point)
    room = (point, Value("free", disk.free, "bytes"), Value("size", disk.size, "bytes"))
    if disk.size and disk.free < disk.size * _LOW_SPACE:
        return attention(
            N_("%(point)s is nearly full: %(free)s of %(size)s are free."),
            *room,
            next_step=N_("See in the queue what waits and why, or make room; images are refused first."),
        )
    if disk.inodes and disk.free_inodes is not None and disk.free_inodes < disk.inodes * _LOW_INODES:
        return attention(
            N_("%(point)s has hardly any room for further files (inodes)."),
            point,
            next_step=N_("Look for a folder with very many small files on this file system."),
        )
    return ok(N_("%(free)s of %(size)s are free on %(point)s."), *room)
