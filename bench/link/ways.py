"""The subjects: how files get from the near end of a link to the far end.

    storescu               DCMTK storescu -> storescp, as they come (Nagle's algorithm on), cold
    storescu, nodelay      the same with TCP_NODELAY=1 at both ends
    Orthanc, C-STORE       one Orthanc sends to another: POST /modalities/far/store, all instances in one go
    Orthanc, HTTP          the same to a peer: POST /peers/far/store, Orthanc's own interface over HTTP
    gateway -> storescp    the gateway at the near end, no gateway at the far end: plain DICOM, cold;
                           `storescp --fork`, because a PACS serves several associations at once
    gateway -> storescp, one   the same to a storescp that serves one association at a time
    gateway -> window      the same to an SCP (pynetdicom) that grants asynchronous operations
    gateway -> hub         the gateway at both ends, TLS 1.3, link up but fresh: TCP knows nothing of the way
    gateway -> hub, used   the same on a link that has carried images before, and was silent for some seconds

For those with a gateway, time begins when a console at the near end begins to send, and ends when the near
gateway has the last receipt. For the others it is that of the program that sends.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from bench.link.loads import NOISE
from bench.link.pair import TITLE, Gateway, Pair, storescp, storescu, tree_cpu
from bench.throughput import DEFAULT, NODELAY, NotMeasured
from gateway.demo.lab import Laboratory
from tests.support.gateway_process import GatewayProcess
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port
from tests.support.processes import Program

WINDOW = 64
_IMAGES_BEFORE = 16
_SILENCE = 5.0  # seconds
_PATIENCE = 3600.0


class Way(ABC):
    """One subject at both ends of one link."""

    name: ClassVar[str]  # for keys and the command line
    label: ClassVar[str]  # for people
    ours: ClassVar[bool] = False

    def __init__(self, lab: Laboratory, place: Path) -> None:
        self.lab = lab
        self.place = place
        self.console_seconds = 0.0  # until the console had its last answer, where there is a gateway between
        place.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    def prepare(self, files: Sequence[Path]) -> None:  # noqa: B027 - most have nothing to prepare
        """Do what is not measured: whatever happens before the objects go over the link."""

    @abstractmethod
    def send(self, files: Sequence[Path]) -> None:
        """Get the files to the far end; return when the near end knows that they are there."""

    @abstractmethod
    def arrived(self) -> int:
        """How many objects are at the far end."""

    @abstractmethod
    def cpu(self) -> tuple[float, float]:
        """Processor seconds so far, near and far."""

    def finally_stored(self, count: int) -> None:  # noqa: B027 - most have no other
        """Return once the last of the systems has them all, where that is another than the far end."""


class _Storescu(Way):
    name = "storescu"
    label = "storescu → storescp, default"
    env: ClassVar[Mapping[str, str]] = DEFAULT

    def __enter__(self) -> Self:
        self._port = free_port()
        self._near = 0.0
        with self.lab.far.entered():
            self._scp = storescp(self.place / "in", self._port, fork=False, env=dict(self.env))
        return self

    def __exit__(self, *_: object) -> None:
        self._scp.kill()

    def send(self, files: Sequence[Path]) -> None:
        with self.lab.near.entered():
            self._near += storescu(self.lab.far.address, self._port, files, dict(self.env))

    def arrived(self) -> int:
        return len(list((self.place / "in").iterdir()))

    def cpu(self) -> tuple[float, float]:
        return self._near, tree_cpu(self._scp.pid)


class _StorescuNodelay(_Storescu):
    name = "storescu-nodelay"
    label = "storescu → storescp, TCP_NODELAY=1"
    env = NODELAY


class _Orthanc(Way):
    name = "orthanc"
    label = "Orthanc → Orthanc, C-STORE"

    def __enter__(self) -> Self:
        far = {"RemoteAccessAllowed": True, "StableAge": 3600, "SyncStorageArea": False}
        self._far = Orthanc(self.place / "far", ae_title=TITLE, more=far)
        near: dict[str, Any] = {
            "StableAge": 3600,
            "DicomScuTimeout": 120,
            "HttpTimeout": 600,
            "DicomModalities": {"far": [TITLE, self.lab.far.address, self._far.port]},
            "OrthancPeers": {"far": [f"http://{self.lab.far.address}:{self._far.http_port}/"]},
        }
        self._near = Orthanc(self.place / "near", ae_title="LINAC1", more=near)
        with self.lab.far.entered():
            self._far.start()
        with self.lab.near.entered():
            self._near.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._near, self._far):
            if each.program is not None:
                each.program.kill()

    def prepare(self, files: Sequence[Path]) -> None:
        """Have the objects in the near Orthanc."""
        with self.lab.near.entered():
            self._ids = [self._near.post("/instances", path.read_bytes())["ID"] for path in files]

    def send(self, files: Sequence[Path]) -> None:
        del files
        with self.lab.near.entered():
            self._store({"Resources": self._ids, "Synchronous": True})

    def _store(self, body: dict[str, Any]) -> None:
        answer = self._near.post("/modalities/far/store", {**body, "Timeout": 120}, timeout=_PATIENCE)
        if answer.get("FailedInstancesCount", 0):
            raise NotMeasured(f"Orthanc could not send {answer['FailedInstancesCount']}")

    def arrived(self) -> int:
        with self.lab.far.entered():
            return self._far.count()

    def cpu(self) -> tuple[float, float]:
        return _cpu_of(self._near.program), _cpu_of(self._far.program)


class _OrthancPeers(_Orthanc):
    name = "orthanc-http"
    label = "Orthanc → Orthanc, peers over HTTP"

    def _store(self, body: dict[str, Any]) -> None:
        self._near.post("/peers/far/store", body, timeout=_PATIENCE)


def _cpu_of(program: Program | None) -> float:
    return 0.0 if program is None else tree_cpu(program.pid)


class _Direct(Way):
    name = "direct"
    label = "gateway → storescp (--fork)"
    ours = True
    fork = True

    def centre(self, port: int) -> Program:
        """The PACS at the far end."""
        return storescp(self.place / "in", port, fork=self.fork, env=dict(NODELAY))

    def __enter__(self) -> Self:
        port = free_port()
        with self.lab.far.entered():
            self._scp = self.centre(port)
        self._gateway = Gateway(
            GatewayProcess(
                self.place / "gateway",
                peers=[{"name": "centre", "ae_title": TITLE, "host": self.lab.far.address, "port": port}],
                log=self.place / "gateway.log",
            )
        )
        with self.lab.near.entered():
            self._gateway.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gateway.kill()
        self._scp.kill()

    def send(self, files: Sequence[Path]) -> None:
        started = time.perf_counter()
        with self.lab.near.entered():
            storescu("127.0.0.1", self._gateway.process.port, files)
        self.console_seconds = time.perf_counter() - started
        self._gateway.wait_delivered("centre", len(files), _PATIENCE)

    def arrived(self) -> int:
        return len(list((self.place / "in").iterdir()))

    def cpu(self) -> tuple[float, float]:
        return tree_cpu(self._gateway.process.pid), tree_cpu(self._scp.pid)


class _DirectSingle(_Direct):
    name = "direct-one"
    label = "gateway → storescp, one association at a time"
    fork = False


class _DirectWindow(_Direct):
    name = "direct-window"
    label = f"gateway → an SCP that grants a window of {WINDOW}"

    def centre(self, port: int) -> Program:
        """The PACS at the far end."""
        inbox = self.place / "in"
        inbox.mkdir()
        command = [sys.executable, "-m", "bench.link.window_scp", str(port), str(inbox), str(WINDOW)]
        program = Program(command, cwd=Path(__file__).parents[2])
        program.wait_listening(port)
        return program


class _Hub(Way):
    name = "hub"
    label = "gateway → hub"
    ours = True

    def __enter__(self) -> Self:
        self._before = 0  # objects that went over the link before those that count
        self._pair = Pair(self.lab, self.place).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._pair.__exit__()

    def send(self, files: Sequence[Path]) -> None:
        started = time.perf_counter()
        self._pair.send(files)
        self.console_seconds = time.perf_counter() - started
        self._pair.site.wait_delivered(self._pair.peer, self._before + len(files), _PATIENCE)

    def arrived(self) -> int:
        return int(self._pair.hub.status()["spool"]["objects"]) - self._before

    def cpu(self) -> tuple[float, float]:
        return tree_cpu(self._pair.site.process.pid), tree_cpu(self._pair.hub.process.pid)

    def finally_stored(self, count: int) -> None:
        deadline = time.monotonic() + 120
        while (stored := self._pair.stored() - self._before) < count:
            if time.monotonic() > deadline:
                raise NotMeasured(f"the OIS behind the hub has {stored} of {count}")
            time.sleep(0.05)  # as a person would look: the kernel offers no event for a count of files


class _HubUsed(_Hub):
    name = "hub-used"
    label = "gateway → hub, link in use before"

    def prepare(self, files: Sequence[Path]) -> None:
        """Have the link carry some images, and then be silent for a while."""
        del files
        images = NOISE.write(self.place.parent / "loads" / NOISE.name, _IMAGES_BEFORE)
        self.send(images)
        self.finally_stored(len(images))
        self._before = len(images)
        time.sleep(_SILENCE)  # the link as it is most of the day: up, and silent


ALL: tuple[type[Way], ...] = (
    _Storescu,
    _StorescuNodelay,
    _Orthanc,
    _OrthancPeers,
    _Direct,
    _DirectSingle,
    _DirectWindow,
    _Hub,
    _HubUsed,
)
WAYS: Mapping[str, type[Way]] = {each.name: each for each in ALL}
