"""What the machine says to the wizard: its addresses, who sets them, which port is free, who answers."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from pathlib import Path

import pytest

from gateway.admin.installing import machine
from gateway.health.machine import Machine
from gateway.health.network import Interface, Network
from gateway.health.words import ok


def network(*interfaces: tuple[str, tuple[str, ...]]) -> Network:
    made = tuple(Interface(name, "up", "", found, None, None, None, 0, 0, 0) for name, found in interfaces)
    return Network(ok("fine"), made, "", ())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("run/NetworkManager", "NetworkManager"),
        ("run/systemd/netif/links", "systemd-networkd"),
        ("run/dhcpcd", "dhcpcd"),
        ("etc/network/interfaces", "ifupdown"),
        ("nothing", ""),
    ],
)
def test_who_sets_the_addresses(tmp_path: Path, path: str, name: str) -> None:
    (tmp_path / path).mkdir(parents=True)
    assert machine.manager(Machine(tmp_path)) == name


def test_private_addresses_come_first_with_their_network() -> None:
    found = [ipaddress.ip_address(one) for one in ("127.0.0.1", "::1", "8.8.4.4", "192.168.7.9")]
    shown = machine.choices(network(("eth0", ("192.168.7.0/24",)), ("eth1", ("8.8.4.4/29",))), found)
    assert [(one.address, one.interface, one.network, one.kind) for one in shown] == [
        ("192.168.7.9", "eth0", "192.168.7.0/24", "private"),
        ("8.8.4.4", "eth1", "8.8.4.0/29", "public"),
        ("127.0.0.1", "", "127.0.0.1/32", "loopback"),
    ]


def test_a_port_is_free_ours_taken_or_on_no_address_of_this_machine() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert machine.port_state("127.0.0.1", port, []) == "taken"
        assert machine.port_state("127.0.0.1", port, [("127.0.0.1", port)]) == "ours"
        assert machine.port_state("127.0.0.1", port, [("0.0.0.0", port)]) == "ours"
        assert machine.port_state("127.0.0.1", port, [("127.0.0.1", port + 1)]) == "taken"
    assert machine.port_state("127.0.0.1", port, []) == "free"
    assert machine.port_state("203.0.113.77", port, []) == "not-here"


async def test_a_host_that_answers_and_those_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = await machine.reach("localhost", port)
    assert (found.open, found.error) == (True, "")
    server.close()
    await server.wait_closed()
    refused = await machine.reach("127.0.0.1", port)
    assert (refused.open, refused.error, refused.found) == (False, "refused", "127.0.0.1")
    unknown = await machine.reach("no-such-host.invalid", port)
    assert (unknown.open, unknown.error) == (False, "name")


async def test_a_host_that_says_nothing_is_waited_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "REACH_LIMIT", 0.05)

    async def never(*_: object) -> tuple[object, object]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(asyncio, "open_connection", never)
    silent = await machine.reach("127.0.0.1", 104)
    assert (silent.open, silent.error) == (False, "time")
