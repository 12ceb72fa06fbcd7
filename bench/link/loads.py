"""What is sent over the link, as files a console could send."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.demo.synthetic import Sizes, SyntheticObject, Treatment

PATIENTS = 20
_ONE_WRITER = threading.Lock()
_SLICE = 512 * 512 * 2  # bytes of pixels


@dataclass(frozen=True, slots=True)
class Load:
    """Objects of one kind. `size` is roughly that of one, in bytes, for estimates."""

    name: str
    words: str
    count: int
    size: int
    make: Callable[[int], Iterator[SyntheticObject]]

    def write(self, folder: Path, count: int) -> list[Path]:
        """Write the first `count` objects, or find them there; return the files in the order of sending."""
        folder.mkdir(parents=True, exist_ok=True)
        marker = folder / f"{count}.txt"
        with _ONE_WRITER:
            if not marker.exists():
                names = []
                for number, thing in enumerate(self.make(count)):
                    path = thing.write(folder)
                    names.append(path.rename(folder / f"{number:05}.dcm").name)
                marker.write_text("\n".join(names))
        return [folder / name for name in marker.read_text().splitlines()]


def _records(count: int) -> Iterator[SyntheticObject]:
    """Day after day, the records of all patients: no two alike, as a machine writes them."""
    treatments = [Treatment(seed=patient, sizes=Sizes(segments=4)) for patient in range(1, PATIENTS + 1)]
    for number in range(count):
        yield treatments[number % PATIENTS].make("beams-record", 1 + number // PATIENTS)


def _cbct(count: int) -> Iterator[SyntheticObject]:
    from tests.support.ct_noise import scan_object  # numpy: nobody else's business

    for index in range(count):
        yield scan_object("cbct", 1, index)


def _noise(count: int) -> Iterator[SyntheticObject]:
    """The same slices with pixels that nobody can compress."""
    for index, thing in enumerate(_cbct(count)):
        pixels = random.Random(index).randbytes(_SLICE)
        yield replace(thing, data=thing.data[: -len(pixels)] + pixels)


RECORDS = Load("records", "300 × 21 kB treatment records", 300, 20_900, _records)
CBCT = Load("cbct", "100 × 0.5 MB CBCT slices, noise as of a scanner", 100, 525_500, _cbct)
NOISE = Load("noise", "100 × 0.5 MB slices of pure noise: incompressible", 100, 525_500, _noise)
LOADS = {each.name: each for each in (RECORDS, CBCT, NOISE)}
