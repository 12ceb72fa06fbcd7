"""DCMTK on both ends: storescu, dcmsend, echoscu, findscu ... as consoles, storescp as a centre."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.model import TlsMaterial
from tests.support import machine, objects
from tests.support.ports import free_port
from tests.support.processes import Program


@dataclass(frozen=True, slots=True)
class Ran:
    """A console program that has ended."""

    code: int
    output: str


def run_console(
    program: str,
    port: int,
    called: str,
    files: Sequence[Path],
    *,
    calling: str = "LINAC1",
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 100.0,
) -> Ran:
    """Run storescu, echoscu, findscu ... against 127.0.0.1:`port` and wait for its end.

    What it receives it writes into `cwd`: movescu heeds its own option -od only in part.
    """
    command = [
        machine.program(program),
        "-v",
        "-aet",
        calling,
        "-aec",
        called,
        *options,
        "127.0.0.1",
        port,
        *files,
    ]
    ended = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=timeout,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout + ended.stderr)


def tls_options(material: TlsMaterial) -> list[str]:
    """Options of any DCMTK network program for mutual TLS."""
    return ["+tls", str(material.key), str(material.certificate), "+cf", str(material.ca)]


class StoreScp:
    """DCMTK storescp, keeping every data set exactly as read, one file per C-STORE (duplicates show)."""

    def __init__(
        self,
        directory: Path,
        *,
        tls: TlsMaterial | None = None,
        port: int | None = None,
        ae_title: str = "CENTRE",
        options: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.tls = tls
        self.port = port or free_port()
        self.ae_title = ae_title
        self.options = options
        self.env = env
        self.program: Program | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def start(self, *options: str) -> StoreScp:
        """Start it, with `options` more for this time, and return once it listens."""
        command = [machine.program("storescp"), "-aet", self.ae_title, "-od", self.directory, "-v"]
        command += ["+B", "+uf", "+xa", "-pm", *self.options, *options]
        if self.tls is not None:
            command += tls_options(self.tls)
        self.program = Program([str(part) for part in (*command, self.port)], env=self.env)
        self.program.wait_listening(self.port)
        return self

    def stop(self) -> None:
        """Kill it: storescp takes no notice of SIGTERM while an association is open."""
        if self.program is not None:
            self.program.kill()
            self.program = None

    def received(self) -> list[objects.Stored]:
        """Describe every complete object received, in no order."""
        return [objects.read(path) for path in self.directory.iterdir()]

    def __enter__(self) -> StoreScp:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
