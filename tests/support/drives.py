"""A machine with drives, made of files: /proc/self/mountinfo, /sys and mount points below a folder."""

from __future__ import annotations

from pathlib import Path

SYSTEM = "21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/root rw"


def machine(root: Path, *lines: str) -> Path:
    """Write a mountinfo with the root filesystem and these lines; return `root`."""
    proc = root / "proc/self"
    proc.mkdir(parents=True, exist_ok=True)
    (proc / "mountinfo").write_text("\n".join([SYSTEM, *lines]) + "\n")
    return root


def plug_in(root: Path, mount: str = "/media/usb0", *, filesystem: str = "exfat", options: str = "rw") -> str:
    """Make a mount point; return its line of mountinfo."""
    (root / mount.lstrip("/")).mkdir(parents=True, exist_ok=True)
    escaped = mount.replace(" ", "\\040")
    return f"36 21 8:17 / {escaped} {options},nosuid - {filesystem} /dev/sdb1 {options}"


def block_device(root: Path, device: str, *, removable: bool, partition: bool = True) -> None:
    """Describe a block device in /sys."""
    disk = root / "sys/devices/pci/sd"
    disk.mkdir(parents=True, exist_ok=True)
    (disk / "removable").write_text("1\n" if removable else "0\n")
    place = disk / "sd1" if partition else disk
    place.mkdir(exist_ok=True)
    links = root / "sys/dev/block"
    links.mkdir(parents=True, exist_ok=True)
    (links / device).symlink_to(place)
