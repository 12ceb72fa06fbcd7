"""Which removable drives are mounted, and what is free on them. Reads /proc and /sys; mounts nothing."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

PLACES = ("/media/", "/run/media/", "/mnt/usb")
"""Where systems mount what people plug in. The page's systemd unit lets it write there."""

MAX_DRIVES = 16
_MAX_MOUNTINFO = 1 << 20  # bytes
_SYSTEM = re.compile(r"/($|(boot|usr|var|home|etc|opt|srv|root|proc|sys|dev|run|tmp|snap|nix)(/|$))")
_NOT_DRIVES = frozenset(
    {"autofs", "proc", "sysfs", "cgroup2", "devtmpfs", "overlay", "squashfs", "nfs", "nfs4"}
)
_LARGEST_FILE = {"vfat": 2**32 - 1, "msdos": 2**32 - 1}  # bytes; FAT32 has no larger files
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive that somebody may carry away."""

    id: str  # stable while it is mounted there; fit for a form
    name: str  # the last part of its path: often the name people gave it
    path: Path
    filesystem: str
    total: int  # bytes
    free: int  # bytes that may be used
    writable: bool
    largest_file: int | None  # bytes; None: no bound worth speaking of


class Drives:
    """Looks at the machine anew each time. `root` is where /proc, /sys and the mount points are looked up."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def list(self) -> list[Drive]:
        """Return the drives there are, by path. Blocking."""
        try:
            with (self._root / "proc/self/mountinfo").open("rb") as file:
                text = file.read(_MAX_MOUNTINFO).decode(errors="surrogateescape")
        except OSError:
            return []
        found: dict[str, Drive] = {}
        for line in text.splitlines():
            drive = self._drive(line)
            if drive is not None:
                found[drive.id] = drive
        return sorted(found.values(), key=lambda one: str(one.path))[:MAX_DRIVES]

    def find(self, wanted: str) -> Drive | None:
        """Return the drive with this id, if it is still there. Blocking."""
        return next((drive for drive in self.list() if drive.id == wanted), None)

    def _drive(self, line: str) -> Drive | None:
        # proc(5): id, parent, device, root, mount point, options, optional fields, "-", type, source, options
        before, _, after = line.partition(" - ")
        parts, rest = before.split(" "), after.split(" ")
        if len(parts) < 6 or len(rest) < 3:
            return None
        device, mount, options, filesystem = parts[2], _unescape(parts[4]), parts[5], rest[0]
        if filesystem in _NOT_DRIVES or not (mount.startswith(PLACES) or self._carried(device, mount)):
            return None
        path = self._root / mount.lstrip("/")
        try:
            space = os.statvfs(path)
        except OSError:
            return None
        read_write = "ro" not in options.split(",") and "ro" not in rest[2].split(",")
        return Drive(
            id=hashlib.sha256(f"{device} {mount}".encode(errors="surrogateescape")).hexdigest()[:16],
            name=mount.rstrip("/").rpartition("/")[2],
            path=path,
            filesystem=filesystem,
            total=space.f_blocks * space.f_frsize,
            free=space.f_bavail * space.f_frsize,
            writable=read_write and os.access(path, os.W_OK),
            largest_file=_LARGEST_FILE.get(filesystem),
        )

    def _carried(self, device: str, mount: str) -> bool:
        """Whether the block device says that it can be carried away, and is not part of this system."""
        if _SYSTEM.match(mount) or not re.fullmatch(r"\d+:\d+", device):
            return False
        block = self._root / "sys/dev/block" / device
        for place in (block, block / ".."):  # a partition's disk is the directory above it
            try:
                with (place / "removable").open("rb") as file:
                    return file.read(8).strip() == b"1" or b"/usb" in os.fsencode(os.path.realpath(block))
            except OSError:
                continue
        return False


def _unescape(text: str) -> str:
    """Undo how the kernel writes spaces and the like."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
