"""Where readings come from: files below a root folder, and a few commands. Bounded; failures are None."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_TEXT = 65536  # bytes of one file or one command's answer
MAX_FOUND = 256  # files of one pattern
_SIOCGIFADDR, _SIOCGIFNETMASK = 0x8915, 0x891B
_PATIENCE = 3.0  # seconds for a command

Run = Callable[[Sequence[str]], str | None]


def run_command(arguments: Sequence[str]) -> str | None:
    """Return what a command prints; None when it is not there, fails or takes too long."""
    program = shutil.which(arguments[0], path="/usr/bin:/usr/sbin:/bin:/sbin")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands of this room, without a shell
            [program, *arguments[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/usr/sbin:/bin:/sbin"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout[:MAX_TEXT].decode(errors="replace") if done.returncode == 0 else None


def ipv4_of(interface: str) -> str | None:
    """Return address/prefix of an interface of this machine (netdevice(7)); None when it has none.

    Not through netlink: the service may not use it.
    """
    request = struct.pack("256s", interface.encode()[:15])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            address = fcntl.ioctl(probe, _SIOCGIFADDR, request)[20:24]
            mask = fcntl.ioctl(probe, _SIOCGIFNETMASK, request)[20:24]
    except OSError:
        return None
    return f"{socket.inet_ntoa(address)}/{int.from_bytes(mask).bit_count()}"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine to read."""

    root: Path = Path("/")
    run: Run = run_command
    now: Callable[[], float] = time.time
    ipv4: Callable[[str], str | None] = ipv4_of

    def path(self, name: str) -> Path:
        """Return the place of an absolute path of the machine."""
        return self.root / name.lstrip("/")

    def text(self, name: str | Path) -> str | None:
        """Return the beginning of a file without blanks around it; None when it cannot be read."""
        path = self.path(name) if isinstance(name, str) else name
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_TEXT)
        except OSError:
            return None
        return raw.decode(errors="replace").strip().strip("\0")

    def number(self, name: str | Path, base: int = 10) -> int | None:
        """Return the number that a file consists of; None when there is none."""
        text = self.text(name)
        try:
            return None if text is None else int(text, base)
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[Path]:
        """Return files by a pattern, in order; a bounded number of them."""
        found: list[Path] = []
        try:
            for path in self.root.glob(pattern.lstrip("/")):
                found.append(path)
                if len(found) >= MAX_FOUND:
                    break
        except OSError:
            pass
        return sorted(found)

    def statvfs(self, path: Path) -> os.statvfs_result | None:
        """Return the room where `path` is, or would be; None when that cannot be told."""
        for place in (path, *path.parents):
            try:
                return os.statvfs(place)
            except FileNotFoundError:
                continue
            except OSError:
                return None
        return None
