"""Model, uptime and load of the machine."""

from __future__ import annotations

import os
from dataclasses import dataclass

from gateway.health.machine import Machine
from gateway.health.words import N_, Finding, Value, attention, ok, unknown

_BUSY = 2.0  # processes waiting per processor, over a quarter of an hour
_FRESH = 600.0  # seconds after a start in which a high load says nothing


@dataclass(frozen=True, slots=True)
class Board:
    """The machine as such."""

    finding: Finding
    model: str
    serial: str
    host_name: str
    uptime: float | None
    load: tuple[float, ...]  # over 1, 5 and 15 minutes
    processors: int


def read(machine: Machine) -> Board:
    """Return model, uptime and load."""
    # The device tree names a board; ordinary computers have DMI.
    model = machine.text("/proc/device-tree/model") or _dmi(machine) or ""
    load = _numbers(machine.text("/proc/loadavg"), 3)
    uptime = _numbers(machine.text("/proc/uptime"), 1)
    processors = len([p for p in machine.glob("/sys/devices/system/cpu/cpu[0-9]*") if p.name[3:].isdigit()])
    processors = processors or os.cpu_count() or 1
    return Board(
        _finding(load, uptime, processors),
        model[:100],
        (machine.text("/proc/device-tree/serial-number") or "")[:64],
        (machine.text("/proc/sys/kernel/hostname") or "")[:64],
        uptime[0] if uptime else None,
        load,
        processors,
    )


def _finding(load: tuple[float, ...], uptime: tuple[float, ...], processors: int) -> Finding:
    if not load or not uptime:
        return unknown(N_("The load of the processor cannot be read on this system."))
    share = Value("load", round(load[-1], 2), "number")
    if load[-1] > _BUSY * processors and uptime[0] > _FRESH:
        return attention(
            N_("The processor has been overloaded for some time (load %(load)s)."),
            share,
            next_step=N_("Look for other programs on this machine; the gateway alone needs little."),
        )
    return ok(
        N_("Running for %(uptime)s, load %(load)s."),
        Value("uptime", uptime[0], "span"),
        Value("load", round(load[0], 2), "number"),
    )


def _dmi(machine: Machine) -> str:
    parts = [machine.text(f"/sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")]
    return " ".join(part for part in parts if part)


def _numbers(text: str | None, count: int) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in (text or "").split()[:count])
    except ValueError:
        return ()
