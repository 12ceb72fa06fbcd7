"""What is measured: storage SCPs, each started fresh, with an empty directory of its own, for every run."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.support import machine
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port
from tests.support.processes import Program

AE_TITLE = "CENTRE"


class Subject(ABC):
    """A storage SCP under measurement. `label` is its row in the table."""

    label: str
    port: int

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        self.directory = directory
        self.env = dict(env)
        directory.mkdir(parents=True)

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def count(self) -> int:
        """How many objects it holds: a fast answer for objects that are not there would be no achievement."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """Its process id."""


class _Storescp(Subject):
    """DCMTK storescp as it comes: no sync call at all before the answer."""

    label = "DCMTK storescp"

    def __enter__(self) -> Self:
        self.port = free_port()
        command = [machine.program("storescp"), "-q", "-aet", AE_TITLE, "-od", self.directory, str(self.port)]
        self._program = Program([str(part) for part in command], env=self.env)
        self._program.wait_listening(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._program.kill()

    def count(self) -> int:
        return len(list(self.directory.iterdir()))

    @property
    def pid(self) -> int:
        return self._program.pid


class _Orthanc(Subject):
    """Orthanc with SyncStorageArea: syncs each object, not its index."""

    label = "Orthanc"

    def __enter__(self) -> Self:
        self._orthanc = Orthanc(self.directory, ae_title=AE_TITLE, env=self.env).start()
        self.port = self._orthanc.port
        return self

    def __exit__(self, *_: object) -> None:
        self._orthanc.stop()

    def count(self) -> int:
        return self._orthanc.count()

    @property
    def pid(self) -> int:
        assert self._orthanc.program is not None
        return self._orthanc.program.pid


class _PynetdicomApp(Subject):
    """pynetdicom's own storescp application: decodes and writes, unsynced."""

    label = "pynetdicom storescp"

    def __enter__(self) -> Self:
        self.port = free_port()
        self._program = Program(self.command(), env=self.env, cwd=Path(__file__).parents[1])
        self._program.wait_listening(self.port)
        return self

    def command(self) -> list[str]:
        """The program to run."""
        app = [sys.executable, "-m", "pynetdicom", "storescp", str(self.port)]
        return [*app, "-q", "-od", str(self.directory)]

    def __exit__(self, *_: object) -> None:
        self._program.kill()

    def count(self) -> int:
        return len(list(self.directory.iterdir()))

    @property
    def pid(self) -> int:
        return self._program.pid


class _PynetdicomMinimal(_PynetdicomApp):
    """A minimal SCP made of pynetdicom: writes what it receives undecoded and unsynced, its best case."""

    label = "pynetdicom, minimal"

    def command(self) -> list[str]:
        """The program to run."""
        return [sys.executable, "-m", "bench.pynetdicom_scp", str(self.port), str(self.directory)]


class _Gateway(Subject):
    """The gateway: every object and its journal row synced before the answer. Deliveries are paused."""

    label = "gateway"
    delivering = False

    def __enter__(self) -> Self:
        self._centre: _Storescp | None = None
        port = free_port()
        if self.delivering:
            self._centre = _Storescp(self.directory / "centre", self.env).__enter__()
            port = self._centre.port
        # Test settings shorten retries only; with a centre that is up, or paused, they play no part.
        self._gateway = GatewayProcess(
            self.directory / "gateway",
            peers=[peer("centre", AE_TITLE, port)],
            env=self.env,
            log=self.directory / "gateway.log",
        ).launch()
        self.port = self._gateway.port
        if not self.delivering:
            with self._gateway.client() as client:
                client.steer("centre", "pause")
        return self

    def __exit__(self, *_: object) -> None:
        self._gateway.stop()
        if self._centre is not None:
            self._centre.__exit__()

    def count(self) -> int:
        return int(self._gateway.status()["spool"]["objects"])

    @property
    def pid(self) -> int:
        return self._gateway.pid


class _GatewayDelivering(_Gateway):
    """The same while it delivers to a DCMTK storescp on the same two cores."""

    label = "gateway, delivering"
    delivering = True


GATEWAY: type[Subject] = _Gateway
STORESCP: type[Subject] = _Storescp
PYNETDICOM: type[Subject] = _PynetdicomApp
PYNETDICOM_MINIMAL: type[Subject] = _PynetdicomMinimal
ALL: tuple[type[Subject], ...] = (
    _Gateway,
    _GatewayDelivering,
    _Storescp,
    _Orthanc,
    _PynetdicomApp,
    _PynetdicomMinimal,
)
