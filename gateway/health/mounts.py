"""Which file system a folder is on (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from gateway.health.machine import Machine

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system."""

    device: str  # major:minor
    point: str
    kind: str  # ext4, tmpfs ...
    source: str  # /dev/mmcblk0p2
    options: tuple[str, ...]
    read_only: bool  # the file system itself; a service may see it read-only for reasons of its own


def mounts(machine: Machine) -> list[Mount]:
    """Return all mounts, in the order in which they were made."""
    return [
        mount
        for line in (machine.text("/proc/self/mountinfo") or "").splitlines()
        if (mount := _parsed(line)) is not None
    ]


def mount_of(all_mounts: list[Mount], folder: Path) -> Mount | None:
    """Return the mount that `folder` is on: the longest mount point above it, the latest of equals."""
    path = os.path.normpath(folder)
    best: Mount | None = None
    for mount in all_mounts:
        point = mount.point.rstrip("/")
        if (path == mount.point or path.startswith(f"{point}/")) and (
            best is None or len(mount.point) >= len(best.point)
        ):
            best = mount
    return best


def _parsed(line: str) -> Mount | None:
    before, separator, after = line.partition(" - ")
    fields, rest = before.split(" "), after.split(" ")
    if not separator or len(fields) < 6 or len(rest) < 3:
        return None
    options = dict.fromkeys((*fields[5].split(","), *rest[2].split(",")))
    read_only = "ro" in rest[2].split(",")
    return Mount(fields[2], _plain(fields[4]), rest[0], _plain(rest[1]), tuple(options), read_only)


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
