"""A site's gateway at the near end of a link, the hub's at the far end, and an OIS behind the hub."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from bench.throughput import NotMeasured
from gateway.demo.lab import Laboratory
from gateway.operator.client import DaemonUnreachable, OperatorClient
from tests.support import hub_scene, machine
from tests.support.certs import Authority
from tests.support.gateway_process import GatewayProcess
from tests.support.hub_scene import CENTRE, SITE, Place
from tests.support.ports import free_port
from tests.support.processes import Program

TITLE = "CENTRE"
PORT = 443
_POLL = 0.05  # seconds between looks at a gateway's status


def storescp(
    directory: Path, port: int, *, fork: bool, exact: bool = False, env: dict[str, str] | None = None
) -> Program:
    """DCMTK storescp at the end where this thread is.

    With `fork` it serves several associations at once; with `exact` it takes every transfer syntax and writes
    what it reads.
    """
    directory.mkdir(parents=True, exist_ok=True)
    command = [str(machine.program("storescp")), "-q", "-aet", TITLE, "-od", str(directory), "+uf"]
    command += (["--fork"] if fork else []) + (["+B", "+xa"] if exact else [])
    program = Program([*command, str(port)], env=env)
    program.wait_listening(port)
    return program


def storescu(address: str, port: int, files: Sequence[Path], env: dict[str, str] | None = None) -> float:
    """DCMTK storescu at the end where this thread is; return its processor time. NotMeasured: it failed."""
    command = [str(machine.program("storescu")), "-q", "-aet", "LINAC1", "-aec", TITLE, address, str(port)]
    console = subprocess.Popen(
        [*command, *map(str, files)],
        env={**os.environ, **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(console.pid, 0)
    console.returncode = os.waitstatus_to_exitcode(status)
    if console.returncode != 0:
        raise NotMeasured(f"storescu ended with {console.returncode}")
    return usage.ru_utime + usage.ru_stime


class Gateway:
    """One gateway process, and what the benchmark asks it."""

    def __init__(self, process: GatewayProcess) -> None:
        self.process = process
        self._client: OperatorClient | None = None

    def start(self) -> Self:
        """Start it where this thread is."""
        self.process.launch()
        return self

    @property
    def client(self) -> OperatorClient:
        """One connection to its operator API, made when it is needed."""
        if self._client is None:
            self._client = self.process.client()
        return self._client

    def destination(self, name: str) -> Any:
        """Its view of one destination."""
        return next(each for each in self.status()["destinations"] if each["name"] == name)

    def status(self) -> Any:
        """Its status page. A connection that was silent for long has been closed: then on a new one."""
        try:
            return self.client.status()
        except DaemonUnreachable:
            self.close()
            return self.client.status()

    def steer(self, name: str, action: str) -> None:
        """Pause or resume deliveries to a destination."""
        self.status()
        self.client.steer(name, action)

    def delivered(self, name: str) -> int:
        """How many objects that destination has accepted."""
        return int(self.destination(name)["delivered"]["count"])

    def wait_delivered(self, name: str, count: int, timeout: float) -> None:
        """Return once so many objects were accepted there. NotMeasured when they were not."""
        deadline = time.monotonic() + timeout
        while (got := self.delivered(name)) < count:
            if time.monotonic() > deadline:
                facts = json.dumps(self.destination(name))[:600]
                raise NotMeasured(f"{got} of {count} delivered in {timeout:.0f} s: {facts}")
            threading.Event().wait(_POLL)  # the status is asked as a person would; events cost it more

    def close(self) -> None:
        """Let go of the connection to its API."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def kill(self) -> None:
        """As a power cut would."""
        self.close()
        self.process.kill()

    def stop(self) -> None:
        """In order."""
        self.close()
        if self.process.program is not None:
            self.process.stop()


def hub_gateway(
    lab: Laboratory, place: Path, authority: Authority, sites: Sequence[str], ois_port: int
) -> Gateway:
    """A hub for these sites at the far end; what they send goes to an OIS on its own machine."""
    rules: dict[str, Mapping[str, Any]] = {name: {"calls": [TITLE]} for name in sites}
    where = Place(lab.far.address, PORT)
    return Gateway(hub_scene.hub(place, authority, where, centre_port=ois_port, sites=rules, log=_log(place)))


def site_gateway(
    lab: Laboratory, place: Path, authority: Authority, name: str, *, link: Mapping[str, Any] | None = None
) -> Gateway:
    """A site at the near end; what is called to CENTRE goes to the hub. `link`: more keys of its [link]."""
    where = Place(lab.far.address, PORT)
    return Gateway(hub_scene.site(place, authority, where, name=name, link=link, log=_log(place)))


def _log(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    return place / "gateway.log"


class Pair:
    """Site, hub and OIS. The destination is called `peer`, at the site and at the hub."""

    peer = CENTRE

    def __init__(self, lab: Laboratory, place: Path, *, site: Mapping[str, Any] | None = None) -> None:
        """`site`: more keys of the site's [link] section."""
        place.mkdir(parents=True, exist_ok=True)
        self._lab = lab
        self.inbox = place / "ois"
        self._ois_port = free_port()
        authority = Authority.create(place)
        self.hub = hub_gateway(lab, place / "hub", authority, [SITE], self._ois_port)
        self.site = site_gateway(lab, place / "site", authority, SITE, link=site)
        self._ois: Program | None = None

    def __enter__(self) -> Self:
        """Start all three and wait until the link is up."""
        try:
            with self._lab.far.entered():
                self._ois = storescp(
                    self.inbox, self._ois_port, fork=True, exact=True, env={"TCP_NODELAY": "1"}
                )
                self.hub.start()
            self.start_site()
            self.wait_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start_site(self) -> None:
        """Start the site's gateway."""
        with self._lab.near.entered():
            self.site.start()

    def start_hub(self) -> None:
        """Start the hub again."""
        with self._lab.far.entered():
            self.hub.start()

    def wait_up(self, timeout: float = 60.0) -> None:
        """Return once the site says that the hub is online."""
        deadline = time.monotonic() + timeout
        while self.site.destination(self.peer)["link"] != "online":
            if time.monotonic() > deadline:
                raise NotMeasured(f"the link is not up: {self.site.destination(self.peer)}")
            threading.Event().wait(_POLL)  # as a person would look

    def send(self, files: Sequence[Path]) -> float:
        """Have a console at the site send files; return once the site's gateway has answered all of them."""
        with self._lab.near.entered():
            return storescu("127.0.0.1", self.site.process.port, files)

    def stored(self) -> int:
        """How many objects the OIS has."""
        return len(list(self.inbox.iterdir()))

    def __exit__(self, *_: object) -> None:
        for gateway in (self.site, self.hub):
            if gateway.process.program is not None:
                gateway.kill()
        if self._ois is not None:
            self._ois.kill()


def tree_cpu(pid: int) -> float:
    """Processor time, in seconds, of a process, its children, and those of them that have ended."""
    ticks = 0
    parents: dict[int, list[int]] = {}
    fields: dict[int, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            row = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended meanwhile
        fields[int(entry.name)] = row
        parents.setdefault(int(row[1]), []).append(int(entry.name))
    open_ends = [pid]
    while open_ends:
        one = open_ends.pop()
        if one in fields:
            ticks += sum(int(fields[one][index]) for index in (11, 12, 13, 14))  # with those waited for
        open_ends += parents.get(one, [])
    return ticks / int(subprocess.check_output(["getconf", "CLK_TCK"]))
