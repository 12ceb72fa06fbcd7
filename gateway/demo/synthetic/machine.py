"""The treatment machine: beams, jaws and leaves, the same in plan and record."""

from __future__ import annotations

import random
from dataclasses import dataclass

from pydicom.dataset import Dataset

from gateway.demo.synthetic.encoding import decimals, item
from gateway.demo.synthetic.patient import Patient

MACHINE = "LINAC1"
BEAM_ENERGY = "6"
LEAF_PAIRS = 60
# Boundaries of 60 leaf pairs in mm: 10 of 10 mm, 40 of 5 mm, 10 of 10 mm.
LEAF_BOUNDARIES = [-200.0 + 10 * i for i in range(10)]
LEAF_BOUNDARIES += [-100.0 + 5 * i for i in range(40)]
LEAF_BOUNDARIES += [100.0 + 10 * i for i in range(11)]


@dataclass(frozen=True, slots=True)
class Beam:
    """One planned beam. `gantry` in degrees (IEC 61217), `meterset` in MU per fraction."""

    number: int
    name: str
    gantry: float
    meterset: float


def beams(patient: Patient) -> list[Beam]:
    """Return the five photon beams of the plan."""
    rng = patient.random("beams")
    return [
        Beam(number, f"F{number} G{gantry}", float(gantry), rng.uniform(60, 160))
        for number, gantry in enumerate((0, 72, 144, 216, 288), start=1)
    ]


def ion_beams(patient: Patient) -> list[Beam]:
    """Return the two scanned proton fields of the ion plan."""
    rng = patient.random("ion beams")
    return [
        Beam(number, f"P{number} G{gantry}", float(gantry), rng.uniform(40, 90))
        for number, gantry in enumerate((90, 270), start=1)
    ]


def leaf_positions(rng: random.Random) -> list[str]:
    """Return 120 leaf positions in mm: bank X1, then X2, around a field some 100 mm long (PS3.3 C.8.8.14)."""
    left: list[float] = []
    right: list[float] = []
    for lower in LEAF_BOUNDARIES[:-1]:
        if -55 <= lower < 50:
            centre, half = rng.uniform(-8, 8), rng.uniform(12, 45)
            left.append(centre - half)
            right.append(centre + half)
        else:
            left.append(-0.25)
            right.append(0.25)
    return decimals(left + right, 2)


def jaws() -> list[Dataset]:
    """Return the positions of both pairs of jaws, mm."""
    return [
        item(RTBeamLimitingDeviceType="ASYMX", LeafJawPositions=["-60.0", "60.0"]),
        item(RTBeamLimitingDeviceType="ASYMY", LeafJawPositions=["-55.0", "55.0"]),
    ]


def treatment_machine() -> Dataset:
    """Return one item of the Treatment Machine Sequence (PS3.3 C.8.8.22)."""
    return item(
        Manufacturer="Synthetic Devices",
        InstitutionName="Synthetic Clinic",
        ManufacturerModelName="SynLinac 6",
        DeviceSerialNumber="SYN0001",
        TreatmentMachineName=MACHINE,
    )
