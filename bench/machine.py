"""What this machine is: numbers mean nothing without it."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any


def facts(directory: Path) -> dict[str, Any]:
    """Processor, memory, versions, and how long the disk under `directory` needs to make things durable."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "dcmtk": _first_line("/usr/bin/storescp", "--version"),
        "orthanc": _first_line("/usr/sbin/Orthanc", "--version"),
        "commit_20kB_ms": round(commit_milliseconds(directory), 3),
        "file_500kB_ms": round(file_milliseconds(directory), 3),
        "commit": _first_line("git", "rev-parse", "--short", "HEAD"),
    }


def commit_milliseconds(directory: Path, count: int = 100) -> float:
    """Median time of one durable SQLite commit of 20 kB (WAL, FULL): the floor for a small object."""
    path = directory / "probe.db"
    block = os.urandom(20_000)
    times = []
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (b BLOB)")
    for _ in range(count):
        started = time.perf_counter()
        db.execute("INSERT INTO t VALUES (?)", (block,))
        times.append(time.perf_counter() - started)
    db.close()
    path.unlink()
    return statistics.median(times) * 1000


def file_milliseconds(directory: Path, count: int = 50) -> float:
    """Median time of a new 0.5 MB file, synced, and its directory, synced: the floor for a large object."""
    place = directory / "probe"
    place.mkdir()
    block = os.urandom(525_000)
    times = []
    folder = os.open(place, os.O_RDONLY)
    for number in range(count):
        started = time.perf_counter()
        file = os.open(place / str(number), os.O_CREAT | os.O_WRONLY)
        os.write(file, block)
        os.fsync(file)
        os.close(file)
        os.fsync(folder)
        times.append(time.perf_counter() - started)
    os.close(folder)
    shutil.rmtree(place)
    return statistics.median(times) * 1000


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _first_line(*command: str) -> str:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except OSError:
        return "not installed"
    return (ended.stdout or ended.stderr).splitlines()[0].strip("$ \n")
