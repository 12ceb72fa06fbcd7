"""What the kernel, chrony and systemd-timesyncd say about the time."""

from __future__ import annotations

import contextlib
import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass

from gateway.health.machine import Machine

SYNCHRONIZED = "/run/systemd/timesync/synchronized"
_STA_UNSYNC = 0x0040  # adjtimex(2)
_STA_NANO = 0x2000


@dataclass(frozen=True, slots=True)
class KernelClock:
    """The kernel's own view (adjtimex). Times in seconds."""

    synchronized: bool
    max_error: float  # the clock is wrong by no more than this, if it is synchronized
    offset: float


@dataclass(frozen=True, slots=True)
class Source:
    """A program that sets the clock."""

    program: str
    server: str
    synchronized: bool
    offset: float | None  # seconds the clock is ahead (+) or behind (-); None: it does not tell
    last_at: float | None  # when it last set the clock


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_clock() -> KernelClock | None:
    """Ask the kernel of this machine; None when it does not answer (a sandbox may forbid the question)."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        told = _Timex()  # modes 0: nothing is changed, no privilege is needed
        if libc.adjtimex(ctypes.byref(told)) < 0:
            return None
    except (OSError, AttributeError):
        return None
    unit = 1e-9 if told.status & _STA_NANO else 1e-6
    return KernelClock(not told.status & _STA_UNSYNC, told.maxerror * 1e-6, told.offset * unit)


AskKernel = Callable[[], KernelClock | None]


def chrony(machine: Machine) -> Source | None:
    """Return what chrony says; None when it does not run here."""
    fields = (machine.run(["chronyc", "-c", "tracking"]) or "").strip().split(",")
    if len(fields) < 14:
        return None
    at, offset = _number(fields[3]), _number(fields[4])
    synchronized = fields[13] in ("Normal", "Insert second", "Delete second") and fields[2] != "0"
    server = fields[1] if fields[1] else fields[0]
    return Source("chrony", server[:100] if synchronized else "", synchronized, offset, at or None)


def timesyncd(machine: Machine) -> Source | None:
    """Return what systemd-timesyncd says; None when it does not run here."""
    last: float | None = None
    with contextlib.suppress(OSError):
        # The file is touched at each synchronization (systemd-timesyncd.service(8)).
        last = machine.path(SYNCHRONIZED).stat().st_mtime
    if last is None and not machine.path("/run/systemd/timesync").is_dir():
        return None
    told = machine.run(["timedatectl", "show-timesync", "-p", "ServerName", "-p", "ServerAddress"]) or ""
    values = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    server = values.get("ServerName") or values.get("ServerAddress") or ""
    return Source("systemd-timesyncd", server[:100], last is not None, None, last)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
