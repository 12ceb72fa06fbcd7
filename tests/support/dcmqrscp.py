"""DCMTK dcmqrscp, the archive: C-FIND, C-MOVE and C-GET over synthetic studies, and C-STORE into itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.synthetic import Patient, Sizes, SyntheticObject, Treatment
from tests.support import machine
from tests.support.forking import kill_with_children
from tests.support.ports import free_port
from tests.support.processes import Program

_SMALL = Sizes(ct_slices=1, cbct_slices=1, matrix=16, image_rows=64, image_columns=64, dose_frames=2)


@dataclass(frozen=True, slots=True)
class Holding:
    """One object that an archive was filled with, and the UIDs it is found by."""

    made: SyntheticObject
    path: Path
    patient_id: str
    study: str
    series: str


def holdings(directory: Path, *, patients: int) -> list[Holding]:
    """Make objects for an archive: a plan for each of `patients`, and one fraction's objects for the first.

    The plans come first: `patients` different studies. The images are small, the plans some 30 kB.
    """
    directory.mkdir(parents=True, exist_ok=True)
    made = [(seed, Treatment(seed, sizes=_SMALL).make("plan")) for seed in range(1, patients + 1)]
    made += [(1, thing) for thing in Treatment(1, sizes=_SMALL).fraction(1)]
    return [_holding(seed, thing, directory) for seed, thing in made]


def _holding(seed: int, thing: SyntheticObject, directory: Path) -> Holding:
    import pydicom

    path = thing.write(directory)
    inside = pydicom.dcmread(path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"])
    return Holding(
        thing, path, Patient(seed).patient_id, str(inside.StudyInstanceUID), str(inside.SeriesInstanceUID)
    )


class DcmQrScp:
    """One archive with its own directory. `destinations`: the AE titles it may move to, and their ports."""

    def __init__(
        self,
        directory: Path,
        *,
        ae_title: str = "ARCHIVE",
        destinations: Mapping[str, int] | None = None,
        port: int | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.port = port or free_port()
        self.ae_title = ae_title
        self.options = options
        self.program: Program | None = None
        self._area = directory / "area"
        self._area.mkdir(parents=True, exist_ok=True)
        hosts = [f"{title} = ({title}, localhost, {to})" for title, to in (destinations or {}).items()]
        self._config = directory / "dcmqrscp.cfg"
        self._config.write_text(
            "\n".join(
                [
                    "MaxPDUSize = 16384",
                    "MaxAssociations = 32",
                    "HostTable BEGIN",
                    *hosts,
                    "HostTable END",
                    "VendorTable BEGIN",
                    "VendorTable END",
                    "AETable BEGIN",
                    f"{ae_title} {self._area} RW (1000, 1024mb) ANY",
                    "AETable END",
                    "",
                ]
            )
        )

    def fill(self, held: Sequence[Holding]) -> None:
        """Register objects; their files stay where they are."""
        command = [machine.program("dcmqridx"), "-n", self._area, *(each.path for each in held)]
        subprocess.run(
            [str(part) for part in command], check=True, capture_output=True, timeout=60, env=_without_nagle()
        )

    def start(self) -> DcmQrScp:
        """Start it and return once it listens."""
        command = [machine.program("dcmqrscp"), "-v", "-dhl", "-c", self._config, *self.options, self.port]
        self.program = Program([str(part) for part in command], env=_without_nagle())
        self.program.wait_listening(self.port)
        return self

    def stop(self) -> None:
        """Kill it, and its children, one for each association."""
        if self.program is not None:
            kill_with_children(self.program)
            self.program = None

    def __enter__(self) -> DcmQrScp:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _without_nagle() -> dict[str, str]:
    """DCMTK leaves Nagle's algorithm on unless told otherwise: 40 ms and more for each message."""
    return {**os.environ, "TCP_NODELAY": "1"}
