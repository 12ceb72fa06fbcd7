"""DCMTK dcmqrscp with a given content: the far end of queries and retrieves under measurement."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.demo.synthetic import SyntheticObject
from tests.support import machine
from tests.support.ports import free_port
from tests.support.processes import Program

AE_TITLE = "ARCHIVE"


@dataclass(frozen=True, slots=True)
class Host:
    """A C-MOVE destination that the archive knows."""

    ae_title: str
    address: str
    port: int


class Archive:
    """One dcmqrscp with its own directory. Objects are indexed as files, without C-STORE."""

    def __init__(self, directory: Path, *, env: Mapping[str, str] | None = None) -> None:
        """`hosts` may be added to until it is started."""
        self.port = free_port()
        self.hosts: list[Host] = []
        self._directory = directory
        self._store = directory / "store"
        self._store.mkdir(parents=True)
        self._env = env
        self._program: Program | None = None

    def hold(self, things: Iterable[SyntheticObject]) -> None:
        """Put objects into the archive; it must not run."""
        files = [thing.write(self._store) for thing in things]
        subprocess.run([machine.program("dcmqridx"), self._store, *files], check=True, capture_output=True)

    def start(self) -> Archive:
        """Start it and return once it listens. Where this thread is (LongLink), there it listens."""
        config = self._directory / "dcmqrscp.cfg"
        table = "\n".join(
            f"h{number} = ({host.ae_title}, {host.address}, {host.port})"
            for number, host in enumerate(self.hosts)
        )
        config.write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 131072\nMaxAssociations = 32\n"
            f"HostTable BEGIN\n{table}\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\n{AE_TITLE} {self._store} RW (1000, 1000000mb) ANY\nAETable END\n"
        )
        command: list[str | Path] = [machine.program("dcmqrscp"), "-c", config, str(self.port)]
        self._program = Program(command, env=self._env, log=self._directory / "dcmqrscp.log")
        self._program.wait_listening(self.port)
        return self

    def stop(self) -> None:
        """End it. It has no children then but those of associations that are still open."""
        if self._program is not None:
            self._program.stop()
            self._program = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
