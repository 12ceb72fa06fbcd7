"""Temperatures, and whether the processor is slowed down because of heat or a weak power supply."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.health.machine import Machine
from gateway.health.words import N_, Finding, Value, attention, ok, unknown

HOT = 80.0  # °C: boards slow down from here on
THROTTLED = "/sys/devices/platform/soc/soc:firmware/get_throttled"

# Bits of the firmware's word (Raspberry Pi documentation, vcgencmd get_throttled).
_UNDER_VOLTAGE, _CAPPED, _SLOWED, _SOFT_LIMIT = 0x1, 0x2, 0x4, 0x8
_SINCE_START = 16  # the same bits, shifted: it has happened since the start


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor."""

    name: str
    celsius: float


@dataclass(frozen=True, slots=True)
class Temperature:
    """How warm it is."""

    finding: Finding
    sensors: tuple[Sensor, ...]
    hottest: float | None
    limit: float
    under_voltage: bool | None  # now or since the start; None: this board does not tell
    slowed: bool | None


def read(machine: Machine) -> Temperature:
    """Return the temperatures."""
    sensors = [*_zones(machine), *_hwmon(machine)]
    hottest = max((sensor.celsius for sensor in sensors), default=None)
    word = _throttled(machine)
    return Temperature(
        _finding(hottest, word),
        tuple(sensors[:16]),
        hottest,
        HOT,
        None if word is None else _has(word, _UNDER_VOLTAGE),
        None if word is None else _has(word, _CAPPED | _SLOWED | _SOFT_LIMIT),
    )


def _finding(hottest: float | None, word: int | None) -> Finding:
    degrees = Value("degrees", round(hottest, 1) if hottest is not None else 0, "number")
    if word is not None and word & _UNDER_VOLTAGE:
        return attention(
            N_("The power supply is too weak at this moment."),
            next_step=N_("Use the power supply made for this board, and a short cable."),
        )
    if hottest is not None and hottest >= HOT:
        return attention(
            N_("The processor is hot: %(degrees)s °C."),
            degrees,
            next_step=N_("Free the air slots, or move the box to a cooler place."),
        )
    if word is not None and _has(word, _UNDER_VOLTAGE):
        return attention(
            N_("The power supply has been too weak since the last start."),
            next_step=N_("Use the power supply made for this board, and a short cable."),
        )
    if word is not None and _has(word, _SLOWED | _CAPPED):
        return attention(
            N_("The processor has been slowed down since the last start, because of heat or weak power."),
            next_step=N_("Free the air slots, and use the power supply made for this board."),
        )
    if hottest is None:
        return unknown(N_("This machine has no temperature sensor that can be read."))
    return ok(N_("The hottest sensor shows %(degrees)s °C."), degrees)


def _has(word: int, bits: int) -> bool:
    return bool(word & (bits | bits << _SINCE_START))


def _throttled(machine: Machine) -> int | None:
    text = machine.text(THROTTLED)
    try:
        return None if not text else int(text, 16)
    except ValueError:
        return None


def _zones(machine: Machine) -> list[Sensor]:
    found = []
    for folder in machine.glob("/sys/class/thermal/thermal_zone*"):
        value = machine.number(folder / "temp")
        if value is not None and _sensible(value):
            found.append(Sensor((machine.text(folder / "type") or folder.name)[:40], value / 1000))
    return found


def _hwmon(machine: Machine) -> list[Sensor]:
    """Return what drives report; processors are among the zones already."""
    found = []
    for folder in machine.glob("/sys/class/hwmon/hwmon*"):
        name = machine.text(folder / "name") or folder.name
        value = machine.number(folder / "temp1_input")
        if name in ("nvme", "drivetemp") and value is not None and _sensible(value):
            found.append(Sensor(name[:40], value / 1000))
    return found


def _sensible(value: int) -> bool:
    return -50_000 < value < 150_000  # an unconnected sensor shows nonsense
