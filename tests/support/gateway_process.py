"""The product as its users run it: `dicom-gateway run` in its own process, asked over the operator API."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.errors import GatewayError
from gateway.model import TlsMaterial
from gateway.operator.client import OperatorClient
from tests.support.ports import free_port
from tests.support.processes import Program, ProgramFailed

_REPOSITORY = Path(__file__).parents[2]

Toml = Mapping[str, Any]

# Retries within a test's patience; everything else as shipped.
QUICK: dict[str, Any] = {
    "object_backoff": {"base": 0.2, "ceiling": 0.5},
    "link_backoff": {"base": 0.2, "ceiling": 0.5},
    "pause_backoff": {"base": 0.2, "ceiling": 0.5},
    "rejected_interval": 1,
}


def _value(value: object) -> str:
    """One TOML value. Strings are paths, names and addresses: nothing that needs an escape."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{key}" = {_value(inner)}' for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    return f"'{value}'"


def toml(sections: Mapping[str, Toml | Sequence[Toml]]) -> str:
    """Write sections as TOML; a section that is a sequence becomes an array of tables."""
    lines = []
    for name, section in sections.items():
        tables, head = ([section], f"[{name}]") if isinstance(section, Mapping) else (section, f"[[{name}]]")
        for table in tables:
            lines.append(head)
            lines += [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]
    return "\n".join(lines) + "\n"


def tls_table(material: TlsMaterial | None, *, of_peer: bool = True) -> dict[str, Any] | None:
    """The `tls` value of a peer or a listener."""
    if material is None:
        return None
    table: dict[str, Any] = {
        "certificate": material.certificate,
        "key": material.key,
        "ca": material.ca,
    }
    if of_peer:
        table["check_name"] = material.check_name
        if material.server_name is not None:
            table["server_name"] = material.server_name
    return table


def peer(
    name: str, ae_title: str, port: int, tls: TlsMaterial | None = None, **more: object
) -> dict[str, Any]:
    """One peer on this machine."""
    host = "localhost" if tls else "127.0.0.1"
    return {"name": name, "ae_title": ae_title, "host": host, "port": port, "tls": tls_table(tls), **more}


class GatewayProcess:
    """One gateway with its own directory. Objects called to `CENTRE` go to the peer named "centre"."""

    def __init__(
        self,
        directory: Path,
        *,
        peers: Sequence[Toml],
        routes: Sequence[Toml] | None = None,
        listeners: Sequence[Toml] | None = None,
        sections: Mapping[str, Toml] | None = None,
        state_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self.state_dir = state_dir or directory / "state"
        self.config = directory / "gateway.toml"
        self.socket = directory / "operator.sock"
        self._env = dict(env or {})
        self._log = log
        self.program: Program | None = None
        self.events: list[tuple[str, Any]] = []
        self._news = threading.Condition()
        given = dict(sections or {})
        given["delivery"] = {**QUICK, **given.get("delivery", {})}
        written: dict[str, Any] = {
            "gateway": {"name": "test", "ae_title": "GATEWAY", "state_dir": self.state_dir},
            "operator": {"socket": self.socket},
            "log": {"format": "logfmt"},
            **given,
            "listener": listeners or [{"name": "console", "address": "127.0.0.1", "port": self.port}],
            "peer": peers,
            "route": routes or [{"called": "CENTRE", "to": [each["name"] for each in peers]}],
        }
        self.config.write_text(toml(written))

    @property
    def pid(self) -> int:
        """Process id of the running gateway."""
        assert self.program is not None
        return self.program.pid

    def launch(self) -> GatewayProcess:
        """Start it and return once it has told the service manager that it is ready (sd_notify)."""
        path = self.directory / "notify.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(0.2)  # only to see a process that died before it was ready
            self.program = Program(
                [sys.executable, "-m", "gateway.cli", "run", "--config", self.config],
                env={"PYTHONUNBUFFERED": "1", **self._env, "NOTIFY_SOCKET": str(path)},
                cwd=_REPOSITORY,
                log=self._log,
            )
            deadline = time.monotonic() + 60
            while True:
                try:
                    if b"READY=1" in notify.recv(4096).split(b"\n"):
                        return self
                except TimeoutError:
                    if not self.program.running or time.monotonic() > deadline:
                        self.program.kill()
                        raise ProgramFailed(f"the gateway did not get ready\n{self.program.output}") from None

    def start(self) -> GatewayProcess:
        """Launch it, and follow its events."""
        self.launch()
        assert self.program is not None
        threading.Thread(
            target=self._follow, args=(self.program,), name="gateway events", daemon=True
        ).start()
        return self

    def _follow(self, program: Program) -> None:
        try:
            with self.client() as client:
                for event in client.events():
                    with self._news:
                        self.events.append(event)
                        self._news.notify_all()
        except GatewayError:
            pass  # it was stopped or killed; the test knows
        with self._news:
            self._news.notify_all()

    def client(self, timeout: float = 30.0) -> OperatorClient:
        """A client of its operator API."""
        return OperatorClient(self.socket, timeout=timeout)

    def status(self) -> Any:
        """Its status page."""
        with self.client() as client:
            return client.status()

    def destination(self, name: str = "centre") -> Any:
        """Its view of one destination."""
        return next(each for each in self.status()["destinations"] if each["name"] == name)

    def deliveries(self, **filters: str | int | None) -> list[Any]:
        """All deliveries, oldest first."""
        rows: list[Any] = []
        after = None
        with self.client() as client:
            while True:
                page = client.deliveries(limit=1000, after=after, **filters)
                rows += page["deliveries"]
                after = page["next"]
                if after is None:
                    return rows

    def wait(self, what: str, condition: Callable[[], bool], timeout: float = 30.0) -> None:
        """Return once `condition` holds; look again at every event the gateway publishes."""
        deadline = time.monotonic() + timeout
        while True:
            with self._news:
                seen = len(self.events)
            if condition():
                return
            left = deadline - time.monotonic()
            assert self.program is not None
            if left <= 0 or not self.program.running:
                raise ProgramFailed(f"waited {timeout:g} s in vain: {what}\n{self.describe()}")
            with self._news:
                # The second covers what has no event, such as an object that was cleared away.
                self._news.wait_for(lambda: len(self.events) > seen, min(left, 1.0))  # noqa: B023 - used at once

    def wait_delivered(self, count: int, destination: str = "centre", timeout: float = 30.0) -> None:
        """Return once exactly `count` objects were accepted by `destination` and nothing waits for it."""

        def done() -> bool:
            facts = self.destination(destination)
            waiting = sum(each["count"] for each in facts["waiting"].values())
            return bool(facts["delivered"]["count"] == count and waiting == 0)

        self.wait(f"{count} objects delivered to {destination}", done, timeout)

    def wait_state(self, state: str, count: int, timeout: float = 30.0) -> list[Any]:
        """Return the deliveries in `state` once there are `count` of them."""
        self.wait(f"{count} deliveries {state}", lambda: len(self.deliveries(state=state)) == count, timeout)
        return self.deliveries(state=state)

    def describe(self) -> str:
        """What a person would want to see when a wait was in vain."""
        assert self.program is not None
        facts: list[str] = []
        try:
            status = self.status()
            facts = [status["headline"], *map(str, status["destinations"])]
            facts += [str(row) for row in self.deliveries()[:10]]
        except GatewayError as error:
            facts = [str(error)]
        return "\n".join([*facts, "--- the gateway said:", *self.program.output.splitlines()[-60:]])

    def stop(self) -> int:
        """End it as systemd would (SIGTERM) and return its exit code."""
        assert self.program is not None
        code = self.program.stop(30)
        self.program = None
        return code

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        assert self.program is not None
        self.program.kill()
        self.program = None

    def __enter__(self) -> GatewayProcess:
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        if self.program is None:
            return
        program = self.program
        code = self.stop()
        if kind is None and code != 0:
            raise ProgramFailed(f"the gateway ended with {code}\n{program.output}")
