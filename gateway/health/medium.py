"""What a file system is stored on, and how worn that is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.health.machine import Machine
from gateway.health.words import N_, Finding, Value, attention, ok, unknown

MediumKind = Literal["emmc", "sd", "nvme", "ssd", "disk", "virtual", "unknown"]

_WORN = 0.8  # of the life the maker expects
_PRE_EOL = {1: "normal", 2: "warning", 3: "urgent"}  # JEDEC eMMC 5.0, PRE_EOL_INFO


@dataclass(frozen=True, slots=True)
class Medium:
    """A drive."""

    finding: Finding
    device: str  # mmcblk0; empty when there is none
    kind: MediumKind
    model: str
    made: str  # date the card names: month/year
    size: int | None  # bytes
    wear: float | None  # 0 new ... 1 used up, the worse of two memory types; None: it does not tell
    spare: str  # what is left of spare blocks, as eMMC tells it: normal, warning, urgent


def of_device(machine: Machine, number: str) -> Medium:
    """Return the drive behind a device number `major:minor`."""
    folder = _disk(machine, machine.path(f"/sys/dev/block/{number}"))
    if folder is None:
        return Medium(
            unknown(N_("It is not stored on a drive of its own, so there is no wear to read.")),
            "", "unknown", "", "", None, None, "",
        )  # fmt: skip
    kind = _kind(machine, folder)
    device = folder / "device"
    model = machine.text(device / "name") or machine.text(device / "model") or ""
    sectors = machine.number(folder / "size")
    wear, spare = _life(machine, device)
    return Medium(
        _finding(kind, wear, spare),
        folder.name,
        kind,
        model[:60],
        (machine.text(device / "date") or "")[:20],
        None if sectors is None else sectors * 512,
        wear,
        spare,
    )


def _disk(machine: Machine, link: Path, depth: int = 0) -> Path | None:
    """Return the folder of the whole drive: partitions and mappings lead to it."""
    try:
        folder = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    if (folder / "partition").exists():
        folder = folder.parent
    below = machine.glob(f"{(folder / 'slaves').relative_to(machine.root.resolve())}/*")
    if below and depth < 4:
        return _disk(machine, below[0], depth + 1)
    return folder


def _kind(machine: Machine, folder: Path) -> MediumKind:
    kind = machine.text(folder / "device" / "type")
    if folder.name.startswith("mmcblk"):
        return "emmc" if kind == "MMC" else "sd"
    if folder.name.startswith("nvme"):
        return "nvme"
    if folder.name.startswith(("vd", "xvd", "loop", "ram", "zram")):
        return "virtual"
    rotational = machine.number(folder / "queue" / "rotational")
    return "unknown" if rotational is None else "disk" if rotational else "ssd"


def _life(machine: Machine, device: Path) -> tuple[float | None, str]:
    """Return wear and spare blocks of eMMC. Life time counts tenths: 0x01 up to 10 %, 0x0b beyond 100 %."""
    parts = (machine.text(device / "life_time") or "").split()
    try:
        steps = [int(part, 16) for part in parts]
    except ValueError:
        steps = []
    known = [step for step in steps if 1 <= step <= 11]
    spare = machine.number(device / "pre_eol_info", 16)
    return (min(max(known) / 10, 1.0) if known else None), _PRE_EOL.get(spare or 0, "")


def _finding(kind: MediumKind, wear: float | None, spare: str) -> Finding:
    if spare in ("warning", "urgent") or (wear is not None and wear >= _WORN):
        return attention(
            N_("The flash memory is nearly worn out (%(wear)s of its life is used)."),
            Value("wear", 1.0 if wear is None else wear, "percent"),
            next_step=N_(
                "Plan the replacement of the drive or the board soon; everything undelivered is on it."
            ),
        )
    if wear is not None:
        return ok(
            N_("At most %(wear)s of the life of the flash memory is used."), Value("wear", wear, "percent")
        )
    if kind == "sd":
        return unknown(
            N_("SD cards do not tell how worn they are."),
            next_step=N_("Use an industrial card, and replace it every three years."),
        )
    if kind in ("nvme", "ssd", "disk"):
        return unknown(
            N_("The wear of this drive can only be read by the administrator of the machine."),
            next_step=N_("Run: sudo smartctl -a /dev/DEVICE (package smartmontools)."),
        )
    return unknown(N_("This kind of drive does not tell how worn it is."))
