from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway.configuring.sockets import Inherited
from gateway.systemd import ActivatedSocket


@dataclass
class Place:
    name: str
    address: str
    port: int


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def ours(sock: socket.socket, name: str = "console") -> ActivatedSocket:
    return ActivatedSocket(f"kept={name}", sock.dup())


def test_our_own_is_taken_where_the_listener_is_still_there(listening: socket.socket) -> None:
    for port in (port_of(listening), 0):
        given = Inherited([ours(listening)])
        (found,) = given.of([Place("console", "127.0.0.1", port)])["console"]
        assert port_of(found) == port_of(listening)
        found.close()
        assert given.keep() == []


@pytest.mark.parametrize(
    "place",
    [Place("console", "127.0.0.1", 1), Place("console", "127.0.0.2", 0), Place("other", "127.0.0.1", 0)],
)
def test_our_own_is_closed_where_it_is_not(listening: socket.socket, place: Place) -> None:
    one = ours(listening)
    assert Inherited([one]).of([place]) == {}
    assert one.sock.fileno() == -1


def test_systemds_are_taken_whatever_the_address_and_never_let_go(listening: socket.socket) -> None:
    given = Inherited([ActivatedSocket("console", listening.dup())])
    (found,) = given.of([Place("console", "192.0.2.1", 104)])["console"]
    found.close()
    (kept,) = given.keep([("console", [listening])])
    assert kept.name == "console"
    assert port_of(kept.sock) == port_of(listening)
    kept.sock.close()


def test_systemds_stay_while_no_listener_wants_them(listening: socket.socket) -> None:
    given = Inherited([ActivatedSocket("console", listening.dup())])
    assert given.of([]) == {}
    (kept,) = given.keep()
    kept.sock.close()


def test_the_next_program_in_this_process_finds_them(listening: socket.socket) -> None:
    """Real descriptors over a real execve(2), into numbers that are taken."""
    second = "from gateway.configuring.sockets import Inherited\n"
    second += "import json\n"
    second += "print(json.dumps([[one.name, one.sock.getsockname()[1]] for one in Inherited().keep([])]))"
    first = (
        "import os, socket, sys\n"
        "from gateway.configuring.sockets import hand_over\n"
        "from gateway.systemd import ActivatedSocket\n"
        "socks = [socket.create_server(('127.0.0.1', 0)) for _ in range(3)]\n"
        "print([sock.getsockname()[1] for sock in socks], flush=True)\n"
        "names = ['console', 'wan', 'third']\n"
        "hand_over([ActivatedSocket(n, s) for n, s in zip(names, reversed(socks))])\n"
        f"os.execv(sys.executable, [sys.executable, '-c', {second!r}])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", first],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert answer.returncode == 0, answer.stderr
    ports, found = map(json.loads, answer.stdout.splitlines())
    assert found == [["console", ports[2]], ["wan", ports[1]], ["third", ports[0]]]
