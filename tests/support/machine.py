"""What this machine has: independent DICOM programs, root with loop devices, FUSE."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

# The virtual environment's bin directory holds pynetdicom's own storescu and storescp: Debian's places first.
_PLACES = "/usr/bin:/usr/local/bin:/usr/sbin:/usr/local/sbin:/sbin"

# Program -> Debian package.
PEERS = {
    "storescu": "dcmtk",
    "storescp": "dcmtk",
    "dcmsend": "dcmtk",
    "echoscu": "dcmtk",
    "Orthanc": "orthanc",
    "openssl": "openssl",
}


@cache
def find(program: str) -> Path | None:
    """Return where Debian installed `program`, or None."""
    found = shutil.which(program, path=_PLACES)
    return Path(found) if found else None


def program(name: str) -> Path:
    """Return where `name` is; the caller has checked missing_peers() (marker `peers`) before."""
    found = find(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; mark the test with `peers`")
    return found


def missing_peers() -> str | None:
    """Say in words which independent peers are missing and how to install them; None: all are here."""
    absent = [name for name in PEERS if find(name) is None]
    if not absent:
        return None
    packages = dict.fromkeys(PEERS[name] for name in absent)
    return f"not installed: {', '.join(absent)} (sudo apt install {' '.join(packages)})"


@cache
def missing_root() -> str | None:
    """Say in words why a small file system of our own cannot be mounted here; None: it can."""
    if os.geteuid() != 0:
        return "needs root, for a loop device (sudo make test)"
    absent = [name for name in ("losetup", "mkfs.ext4", "mount", "umount") if find(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (apt install mount e2fsprogs)"
    free = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    if free.returncode != 0:
        return f"no loop device to be had: {free.stderr.strip()}"
    return None


@cache
def missing_fuse() -> str | None:
    """Say in words why a filesystem of the tests' own cannot be mounted here; None: it can."""
    if find("fusermount3") is None:
        return "not installed: libfuse3 (sudo apt install fuse3)"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"no filesystem of our own can be mounted here: /dev/fuse: {error.strerror}"
    return None


@cache
def missing_trace() -> str | None:
    """Say in words why the system calls of a process cannot be made to fail here; None: they can."""
    strace = find("strace")
    if strace is None:
        return "not installed: strace (sudo apt install strace)"
    tried = subprocess.run(
        [strace, "-qq", "-o", "/dev/null", "-e", "trace=none", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else None
