"""Memory of the machine, and what the gateway's own processes take of it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from gateway.health.machine import Machine
from gateway.health.words import N_, Finding, Value, attention, ok, unknown

_LOW = 0.10  # of all memory: less than this available is worth a look
_MAX_PROCESSES = 20_000
_COMMANDS = ("run", "admin")


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the gateway."""

    name: str  # "run" or "admin"
    pid: int
    resident: int  # bytes


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory in bytes."""

    finding: Finding
    total: int | None
    available: int | None
    swap_total: int
    swap_free: int
    processes: tuple[Process, ...]


def read(machine: Machine) -> Memory:
    """Return how much memory there is, and who has it."""
    lines = (machine.text("/proc/meminfo") or "").splitlines()
    values = {name: _bytes(rest) for name, _, rest in (line.partition(":") for line in lines)}
    total, available = values.get("MemTotal"), values.get("MemAvailable")
    return Memory(
        _finding(total, available),
        total,
        available,
        values.get("SwapTotal") or 0,
        values.get("SwapFree") or 0,
        _processes(machine),
    )


def _finding(total: int | None, available: int | None) -> Finding:
    if not total or available is None:
        return unknown(N_("The memory cannot be read on this system."))
    room = (Value("available", available, "bytes"), Value("total", total, "bytes"))
    if available < total * _LOW:
        return attention(
            N_("Only %(available)s of %(total)s of memory are available."),
            *room,
            next_step=N_("Stop other programs on this machine, or restart it in a quiet moment."),
        )
    return ok(N_("%(available)s of %(total)s of memory are available."), *room)


def _bytes(text: str) -> int | None:
    parts = text.split()
    return int(parts[0]) * 1024 if parts and parts[0].isdigit() else None


def _processes(machine: Machine) -> tuple[Process, ...]:
    found: list[Process] = []
    try:
        names = [entry.name for entry in os.scandir(machine.path("/proc")) if entry.name.isdigit()]
    except OSError:
        return ()
    for name in sorted(names, key=int)[:_MAX_PROCESSES]:
        what = command_of((machine.text(f"/proc/{name}/cmdline") or "").split("\0"))
        resident = (machine.text(f"/proc/{name}/statm") or "").split()[1:2]
        if what and resident and resident[0].isdigit():
            found.append(Process(what, int(name), int(resident[0]) * os.sysconf("SC_PAGE_SIZE")))
    return tuple(found)


def command_of(arguments: list[str]) -> str:
    """Return "run" or "admin" when these are the arguments of one of our processes; else ""."""
    for index, argument in enumerate(arguments[:6]):
        script = argument.rpartition("/")[2] == "dicom-gateway"
        module = argument in ("gateway.cli", "gateway.cli.__main__") and arguments[index - 1] == "-m"
        if (script or module) and index + 1 < len(arguments) and arguments[index + 1] in _COMMANDS:
            return arguments[index + 1]
    return ""
