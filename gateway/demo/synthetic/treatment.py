"""A course of treatment: every object a planning system, console or imager makes for one patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from gateway.demo.synthetic import plans, records, volumes
from gateway.demo.synthetic.encoding import SyntheticObject, encode, pixel_element_header
from gateway.demo.synthetic.patient import SOP_CLASSES, Patient
from gateway.demo.synthetic.records import AS_PLANNED, Manner

RECORD_KINDS = ("beams-record", "brachy-record", "ion-record", "summary-record")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the objects are. The defaults give what clinics send, with a short CBCT."""

    segments: int = 7  # control points per beam, energy layers per ion field, dwells per channel; 7: ~33 kB
    ct_slices: int = 40
    cbct_slices: int = 40
    matrix: int = 512  # rows and columns of a CT or CBCT slice; 512: 0.5 MB
    image_rows: int = 512
    image_columns: int = 512  # 0.5 MB with the rows above
    dose_frames: int = 32
    dose_matrix: int = 64


class Treatment:
    """One synthetic patient under treatment. The same seed and sizes give the same bytes, always.

    `seed` is also the number in the patient's name, "TEST^Synthetic 01".
    """

    def __init__(self, seed: int = 1, *, sizes: Sizes | None = None) -> None:
        self.patient = Patient(seed)
        self.sizes = sizes or Sizes()

    def make(
        self,
        kind: str,
        fraction: int = 1,
        index: int = 0,
        *,
        manner: Manner = AS_PLANNED,
        transfer_syntax_uid: str = ExplicitVRLittleEndian,
    ) -> SyntheticObject:
        """Return object `index` of `kind` (see `rt_kinds`) of a fraction; ValueError for an unknown kind.

        `fraction` is ignored for the planning objects; `index` counts slices, portal images and the records
        of one fraction; `manner` is how the fraction went, for records.
        """
        if kind not in SOP_CLASSES:
            raise ValueError(f"unknown kind {kind!r}; one of {', '.join(rt_kinds())}")
        data_set = self._data_set(kind, fraction, index, manner)
        data = encode(data_set, transfer_syntax_uid)
        native = self._pixels(kind, fraction, index)
        if native:
            data += pixel_element_header(len(native), transfer_syntax_uid) + native
        return SyntheticObject(
            kind, data_set.SOPClassUID, data_set.SOPInstanceUID, data, str(transfer_syntax_uid)
        )

    def planning(self) -> Iterator[SyntheticObject]:
        """Yield the planning study: CT series, structure set, plan, dose."""
        for index in range(self.sizes.ct_slices):
            yield self.make("ct", 0, index)
        for kind in ("structure-set", "plan", "dose"):
            yield self.make(kind)

    def fraction(self, number: int) -> Iterator[SyntheticObject]:
        """Yield what the console sends for fraction `number` (from 1), in the order it arises.

        The CBCT and its registration before beam-on, five portal images, the treatment record last.
        """
        for index in range(self.sizes.cbct_slices):
            yield self.make("cbct", number, index)
        if self.sizes.cbct_slices:
            yield self.make("registration", number)
        for index in range(5):
            yield self.make("rt-image", number, index)
        yield self.make("beams-record", number)

    def _data_set(self, kind: str, fraction: int, index: int, manner: Manner) -> Dataset:
        patient, sizes = self.patient, self.sizes
        match kind:
            case "beams-record":
                return records.beams_record(patient, fraction, sizes.segments, manner, index)
            case "brachy-record":
                return records.brachy_record(patient, fraction, sizes.segments, manner, index)
            case "ion-record":
                return records.ion_record(patient, fraction, sizes.segments, manner, index)
            case "summary-record":
                return records.summary_record(patient, fraction, manner, index)
            case "plan":
                return plans.plan(patient, sizes.segments)
            case "ion-plan":
                return plans.ion_plan(patient, sizes.segments)
            case "brachy-plan":
                return plans.brachy_plan(patient, sizes.segments)
            case "structure-set":
                return volumes.structure_set(patient, sizes.ct_slices)
            case "dose":
                return volumes.dose(patient, sizes.dose_frames, sizes.dose_matrix)
            case "rt-image":
                return volumes.rt_image(patient, fraction, index, sizes.image_rows, sizes.image_columns)
            case "ct":
                return volumes.ct_slice(patient, kind, 0, index, sizes.ct_slices, sizes.matrix)
            case "cbct":
                return volumes.ct_slice(patient, kind, fraction, index, sizes.cbct_slices, sizes.matrix)
            case "registration":
                return volumes.registration(patient, fraction, sizes.ct_slices, sizes.cbct_slices)
            case _:
                return _private(patient, fraction)

    def _pixels(self, kind: str, fraction: int, index: int) -> bytes:
        sizes = self.sizes
        match kind:
            case "ct" | "cbct":
                number = 0 if kind == "ct" else fraction
                return volumes.pixels(self.patient, kind, number, index, sizes.matrix, sizes.matrix)
            case "rt-image":
                return volumes.pixels(
                    self.patient, kind, fraction, index, sizes.image_rows, sizes.image_columns
                )
            case "dose":
                rows = sizes.dose_frames * sizes.dose_matrix
                return volumes.pixels(self.patient, kind, 0, 0, rows, sizes.dose_matrix)
            case _:
                return b""


def _private(patient: Patient, fraction: int) -> Dataset:
    """Return an object of a private SOP class: standard identity, private content (PS3.5 7.8.1)."""
    data_set = patient.common("private", "OT", fraction=fraction)
    data_set.InstanceNumber = "1"
    block = data_set.private_block(0x0099, "SYNTHETIC DEVICES 1.0", create=True)
    block.add_new(0x01, "LO", "Delivery log")
    block.add_new(0x02, "OB", patient.random("log", fraction).randbytes(12_000))
    return data_set


def rt_kinds() -> tuple[str, ...]:
    """Return the names of all kinds of object that can be made."""
    return tuple(SOP_CLASSES)


def make_record(
    kind: str = "beams-record",
    *,
    seed: int = 1,
    fraction: int = 1,
    index: int = 0,
    sizes: Sizes | None = None,
    manner: Manner = AS_PLANNED,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
) -> SyntheticObject:
    """Return one treatment record (`RECORD_KINDS`); a beams record has some 4.7 kB per `Sizes.segments`.

    `index` tells the records of one fraction apart, `manner` is how it went.
    """
    if kind not in RECORD_KINDS:
        raise ValueError(f"{kind!r} is no treatment record; one of {', '.join(RECORD_KINDS)}")
    treatment = Treatment(seed, sizes=sizes)
    return treatment.make(kind, fraction, index, manner=manner, transfer_syntax_uid=transfer_syntax_uid)


def write_set(
    directory: Path,
    *,
    patients: int = 1,
    fractions: int = 1,
    planning: bool = True,
    kinds: Sequence[str] | None = None,
    sizes: Sizes | None = None,
    first_seed: int = 1,
) -> list[Path]:
    """Write Part 10 files and return their paths, in the order in which a console would send them.

    Without `kinds`: the planning study (if `planning`) and every fraction of each patient. With `kinds`:
    one object of each of these per patient and fraction.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for seed in range(first_seed, first_seed + patients):
        treatment = Treatment(seed, sizes=sizes)
        if kinds is None and planning:
            paths += [thing.write(directory) for thing in treatment.planning()]
        for number in range(1, fractions + 1):
            made = treatment.fraction(number) if kinds is None else (treatment.make(k, number) for k in kinds)
            paths += [thing.write(directory) for thing in made]
    return paths
