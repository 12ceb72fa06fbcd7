"""Packages of npm that tests use: installed exactly as locked, without running any of their scripts."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

_SECONDS = 300.0


def install(home: Path) -> str | None:
    """Install what `home`/package-lock.json names, once for each state of that file.

    Returns in words why it cannot be had here; None: it is there. `home`/node_modules is git-ignored.
    """
    if shutil.which("npm") is None:
        return "not installed: npm (sudo apt install nodejs npm)"
    lock_file, stamp = home / "package-lock.json", home / "node_modules" / ".installed-for"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    with lock_file.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs of one work tree
        if stamp.is_file() and stamp.read_text() == wanted:
            return None
        try:
            ended = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=home,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"npm ci in {home} did not end in {_SECONDS:g} s"
        if ended.returncode != 0:
            return f"npm ci in {home} failed: {ended.stderr.strip()[-500:]}"
        stamp.write_text(wanted)
        return None
