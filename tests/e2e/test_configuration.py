"""A configuration applied to a gateway at work: nothing is lost, and what does not work goes back."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.synthetic import SyntheticObject, Template, make_record
from gateway.operator.client import ApiProblem, DaemonUnreachable
from tests.e2e.conftest import Pki
from tests.support.console import Console, ConsoleError
from tests.support.gateway_process import GatewayProcess, peer, tls_table, toml
from tests.support.ledger import assert_each_once, uids_and_digests
from tests.support.ports import free_port
from tests.support.processes import Program, descriptors
from tests.support.receiver import Receiver

_REPOSITORY = Path(__file__).parents[2]
PATIENCE = 60.0
Json = Any


def apply(gateway: GatewayProcess, text: str, **more: Any) -> Json:
    """Apply `text` as the main file, and return what is in force once the gateway answers again."""
    with gateway.client() as client:
        shown = client.configuration()
        body = {
            "files": [{"name": gateway.config.name, "text": text}],
            "based_on": shown["digest"],
            "why": "a test",
            **more,
        }
        assert client.apply_configuration(body)["restarting"]
    return settled(gateway)


def settled(gateway: GatewayProcess, *, returned: bool = False) -> Json:
    """Return what is in force, once the gateway does not restart (and something was put back)."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with gateway.client() as client:
                state = client.configuration_state()
            if not state["restarting"] and (state["returned"] or not returned):
                return state
        except DaemonUnreachable:
            pass
        assert gateway.program is not None
        assert gateway.program.running, gateway.program.output
        threading.Event().wait(0.05)  # the socket is gone meanwhile: nothing to wait on
    raise AssertionError("it did not settle\n" + gateway.describe())


def confirm(gateway: GatewayProcess, state: Json) -> None:
    with gateway.client() as client:
        client.confirm_configuration(state["trial"]["number"])


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path / "gateway", peers=[peer("centre", "CENTRE", free_port())]) as running:
        yield running


class BusyConsole(threading.Thread):
    """Sends record after record, and dials again whenever its association ends."""

    def __init__(self, port: int, things: list[SyntheticObject]) -> None:
        super().__init__()
        self._port = port
        self._things = things
        self.acknowledged: list[SyntheticObject] = []
        self.associations = 0
        self.refused = 0  # connections that nobody took
        self.enough = threading.Event()
        self.progress = threading.Condition()

    def run(self) -> None:
        left = iter(self._things)
        thing = next(left)
        while not self.enough.is_set():
            try:
                with Console(self._port, "CENTRE") as console:
                    self.associations += 1
                    while not self.enough.is_set():
                        if console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0:
                            with self.progress:
                                self.acknowledged.append(thing)
                                self.progress.notify_all()
                            thing = next(left)
            except ConnectionRefusedError:
                self.refused += 1
            except (ConsoleError, OSError):
                pass  # an end in the middle: the same object goes again on the next association

    def wait_for(self, count: int) -> None:
        """Return once `count` more objects are acknowledged."""
        with self.progress:
            wanted = len(self.acknowledged) + count
            assert self.progress.wait_for(lambda: len(self.acknowledged) >= wanted, PATIENCE)


def test_consoles_that_send_meanwhile_lose_nothing_and_are_never_refused(tmp_path: Path, pki: Pki) -> None:
    things = list(Template(make_record()).copies(30_000, 0))
    centre = Receiver(tls=pki.centre)
    with (
        centre,
        GatewayProcess(tmp_path, peers=[peer("centre", "CENTRE", centre.port, pki.gateway)]) as gateway,
    ):
        pid, files = gateway.pid, descriptors(gateway.pid)
        consoles = [BusyConsole(gateway.port, things[start::3]) for start in range(3)]
        for console in consoles:
            console.start()
        try:
            for console in consoles:
                console.wait_for(5)
            state = apply(gateway, gateway.config.read_text() + "\n[limits]\nmax_operations = 7\n")
            assert state["trial"]["number"] == 2
            for console in consoles:
                console.wait_for(5)
            confirm(gateway, state)
            with gateway.client() as client:  # and back, while they go on
                client.rollback_configuration({"to": 1})
            confirm(gateway, settled(gateway))
            for console in consoles:
                console.wait_for(5)
        finally:
            for console in consoles:
                console.enough.set()
                console.join()
        assert gateway.pid == pid
        assert [console.refused for console in consoles] == [0, 0, 0]
        assert all(console.associations >= 3 for console in consoles)  # each restart ended one
        ledger = uids_and_digests([one for console in consoles for one in console.acknowledged])
        gateway.wait(
            "everything delivered",
            lambda: sum(each["count"] for each in gateway.destination()["waiting"].values()) == 0,
            PATIENCE,
        )
        stored = {one["uid"]: one for one in centre.stored()}
        assert set(ledger) <= set(stored)
        assert_each_once(centre.stored(), {uid: stored[uid]["digest"] for uid in stored})
        assert {uid: stored[uid]["digest"] for uid in ledger} == ledger
        assert descriptors(gateway.pid) <= files + 12  # nothing of the former programs is left open


def test_a_port_that_is_taken_brings_the_former_configuration_back_at_once(gateway: GatewayProcess) -> None:
    before = gateway.config.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        state = apply(gateway, before.replace(str(gateway.port), str(port)))
    assert gateway.config.read_text() == before
    assert state["trial"] is None
    assert "the gateway does not run with it" in state["returned"]["why"]
    assert f"cannot listen on 127.0.0.1 port {port}" in state["returned"]["why"]
    assert gateway.program is not None
    gateway.program.wait_line("alarm code=configuration-returned")
    with Console(gateway.port, "GATEWAY"):
        pass  # and it serves


def test_what_nobody_confirms_goes_back(gateway: GatewayProcess) -> None:
    before = gateway.config.read_text()
    state = apply(gateway, before + "\n# a remark\n", confirm_within=5.0)
    assert 0 < state["trial"]["seconds_left"] <= 5
    state = settled(gateway, returned=True)
    assert state["returned"]["why"] == "nobody confirmed it within 5 s"
    assert gateway.config.read_text() == before


def test_a_power_cut_within_the_trial_does_not_lengthen_it(gateway: GatewayProcess) -> None:
    before = gateway.config.read_text()
    state = apply(gateway, before + "\n# a remark\n", confirm_within=6.0)
    left = state["trial"]["seconds_left"]
    gateway.kill()
    gateway.start()
    state = settled(gateway)
    assert state["trial"]["seconds_left"] < left
    state = settled(gateway, returned=True)
    assert gateway.config.read_text() == before


def test_a_configuration_that_stops_being_valid_on_trial_goes_back_at_the_next_start(
    gateway: GatewayProcess, pki: Pki, tmp_path: Path
) -> None:
    before = gateway.config.read_text()
    key = tmp_path / "own.key"
    key.write_bytes(pki.gateway.key.read_bytes())
    key.chmod(0o600)
    table = {**(tls_table(pki.gateway, of_peer=False) or {}), "key": key}
    wan = toml({"listener": [{"name": "wan", "address": "127.0.0.1", "port": 0, "tls": table}]})
    assert apply(gateway, before + wan)["trial"]
    gateway.kill()
    key.unlink()
    gateway.start()  # ready at once, within one start of the service
    state = settled(gateway)
    assert "own.key cannot be read" in state["returned"]["why"]
    assert gateway.config.read_text() == before


def test_a_peer_with_undelivered_objects_is_not_removed_in_silence(gateway: GatewayProcess) -> None:
    things = list(Template(make_record()).copies(2, 0))
    with Console(gateway.port, "CENTRE") as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0
    text = gateway.config.read_text()
    without = text[: text.index("[[peer]]")]
    with pytest.raises(ApiProblem, match="2 objects or messages still wait for it"):
        apply(gateway, without)
    assert gateway.config.read_text() == text
    assert apply(gateway, without, acknowledged=["peer:centre"])["trial"]
    with gateway.client() as client:
        client.rollback_configuration({})
    assert settled(gateway, returned=True)["trial"] is None
    waiting = gateway.destination()["waiting"]
    assert sum(each["count"] for each in waiting.values()) == 2


def notices_of(sock: socket.socket, wanted: bytes) -> list[tuple[int, bytes]]:
    """Return (pid, state) of what a service tells its manager, until it tells `wanted`."""
    told = []
    while True:
        message, ancillary, _, _ = sock.recvmsg(4096, socket.CMSG_SPACE(12))
        pid = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
        told.append((pid, message.split(b"\n")[0]))
        if told[-1][1] == wanted:
            return told


def test_systemd_sees_one_service_that_reloads_and_its_socket_stays(tmp_path: Path) -> None:
    """With a socket of systemd's, over two restarts, the first of which takes the listener away."""
    gateway = GatewayProcess(tmp_path, peers=[peer("centre", "CENTRE", free_port())])
    text = gateway.config.read_text()
    # As systemd does it: the socket is descriptor 3, and the program takes the place of who opened it.
    launcher = (
        "import os, socket, sys\n"
        f"sock = socket.create_server(('127.0.0.1', {gateway.port}))\n"
        "os.dup2(sock.fileno(), 3, inheritable=True)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='console')\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'gateway.cli', 'run', '--config', sys.argv[1]])\n"
    )
    path = tmp_path / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        manager.bind(str(path))
        manager.settimeout(PATIENCE)
        gateway.program = Program(
            [sys.executable, "-c", launcher, gateway.config],
            env={"PYTHONUNBUFFERED": "1", "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"},
            cwd=_REPOSITORY,
        )
        with gateway.program:
            notices_of(manager, b"READY=1")
            moved = text.replace(str(gateway.port), "0").replace("'console'", "'other'")
            state = apply(gateway, moved, confirm_within=5.0)
            told = notices_of(manager, b"READY=1")
            assert {pid for pid, _ in told} == {gateway.pid}
            states = [state for _, state in told]
            assert "RELOADING=1" in [state.decode() for state in states]
            assert b"STOPPING=1" not in states
            assert b"WATCHDOG=1" in states[states.index(b"RELOADING=1") :]  # fed until the very end
            assert state["trial"]
            notices_of(manager, b"READY=1")  # nobody confirmed: the listener is back
            with Console(gateway.port, "GATEWAY"):
                pass
            gateway.program.stop()
