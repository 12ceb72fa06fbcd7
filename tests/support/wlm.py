"""DCMTK wlmscpfs: a modality worklist out of files that dump2dcm writes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import machine
from tests.support.forking import kill_with_children
from tests.support.ports import free_port
from tests.support.processes import Program

_ENTRY = """\
(0008,0005) CS [ISO_IR 100]
(0008,0050) SH [ACC{number:04d}]
(0010,0010) PN [TEST^Worklist {number:02d}]
(0010,0020) LO [WL{number:04d}]
(0010,0030) DA [19700101]
(0010,0040) CS [O]
(0020,000d) UI [2.25.4711{number:04d}]
(0032,1032) PN [TEST^Physician]
(0032,1060) LO [Fraction {number}]
(0040,1001) SH [RP{number:04d}]
(0040,0100) SQ
(fffe,e000) na
(0008,0060) CS [RTIMAGE]
(0040,0001) AE [LINAC1]
(0040,0002) DA [20260302]
(0040,0003) TM [08{number:02d}]
(0040,0006) PN [TEST^Performer]
(0040,0007) LO [Treatment]
(0040,0009) SH [SPS{number:04d}]
(0040,0010) SH [ROOM1]
(fffe,e00d) na
(fffe,e0dd) na
"""


class WlmScpFs:
    """One worklist of `entries` treatments, found under its own AE title."""

    def __init__(self, directory: Path, *, ae_title: str = "WORKLIST", entries: int = 12) -> None:
        self.port = free_port()
        self.ae_title = ae_title
        self.program: Program | None = None
        self._directory = directory
        place = directory / ae_title
        place.mkdir(parents=True, exist_ok=True)
        (place / "lockfile").touch()
        for number in range(1, entries + 1):
            dump = directory / f"{number}.dump"
            dump.write_text(_ENTRY.format(number=number))
            subprocess.run(
                [str(machine.program("dump2dcm")), str(dump), str(place / f"{number}.wl")],
                check=True,
                capture_output=True,
                timeout=60,
            )

    def start(self) -> WlmScpFs:
        """Start it and return once it listens."""
        command = [machine.program("wlmscpfs"), "-v", "-dhl", "-dfp", self._directory, self.port]
        self.program = Program([str(part) for part in command], env={"TCP_NODELAY": "1"})
        self.program.wait_listening(self.port)
        return self

    def stop(self) -> None:
        """Kill it, and its children, one for each association."""
        if self.program is not None:
            kill_with_children(self.program)
            self.program = None

    def __enter__(self) -> WlmScpFs:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
