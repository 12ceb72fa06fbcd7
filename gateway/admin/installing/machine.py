"""What this machine says that the wizard has to know. Readings only: nothing is changed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.admin.access.addresses import IpAddress, local_addresses
from gateway.health.machine import Machine
from gateway.health.network import Network

Manager = Literal["NetworkManager", "systemd-networkd", "ifupdown", "dhcpcd", ""]
PortState = Literal["free", "ours", "taken", "not-here", "unknown"]

_MANAGERS: tuple[tuple[str, Manager], ...] = (
    ("/run/NetworkManager", "NetworkManager"),
    ("/run/systemd/netif/links", "systemd-networkd"),
    ("/run/dhcpcd", "dhcpcd"),
    ("/etc/network/interfaces", "ifupdown"),
)
REACH_LIMIT = 6.0  # seconds for name and connection together


@dataclass(frozen=True, slots=True)
class Choice:
    """An address of this machine that a listener could have."""

    address: str
    interface: str  # empty: not known
    network: str  # the network around it; empty: not known
    kind: Literal["private", "public", "loopback"]


@dataclass(frozen=True, slots=True)
class Reach:
    """What came of looking for a host: its name, and whether it takes TCP connections."""

    host: str
    port: int
    found: str  # the address; empty: the name is not known
    open: bool
    seconds: float
    error: Literal["", "name", "refused", "time", "no-way"] = ""


def manager(machine: Machine | None = None) -> Manager:
    """Return what sets the addresses of this machine; empty when it cannot be told."""
    here = machine or Machine()
    return next((name for path, name in _MANAGERS if here.path(path).exists()), "")


def choices(network: Network, found: Iterable[IpAddress] | None = None) -> list[Choice]:
    """Return the addresses of this machine, those of private networks first, loopback last."""
    # The kernel's tables tell networks rather than addresses of IPv4; the sockets tell the addresses.
    known = {
        ipaddress.ip_interface(address): interface.name
        for interface in network.interfaces
        for address in interface.addresses
    }
    addresses = list(local_addresses() if found is None else found)
    made = [_choice(address, known) for address in addresses if str(address) != "::1"]
    order = {"private": 0, "public": 1, "loopback": 2}
    return sorted(made, key=lambda one: order[one.kind])


def _choice(
    address: IpAddress, known: dict[ipaddress.IPv4Interface | ipaddress.IPv6Interface, str]
) -> Choice:
    around = [one for one in known if address in one.network]
    nearest = max(around, key=lambda one: one.network.prefixlen, default=None)
    kind: Literal["private", "public", "loopback"] = (
        "loopback" if address.is_loopback else "private" if address.is_private else "public"
    )
    network = "127.0.0.1/32" if kind == "loopback" else str(nearest.network) if nearest else ""
    return Choice(str(address), known[nearest] if nearest else "", network, kind)


def port_state(address: str, port: int, ours: Iterable[tuple[str, int]]) -> PortState:
    """Say whether a listener could have this address and port. `ours`: what the gateway has already."""
    if any(port == taken and (address == where or where in ("0.0.0.0", "::")) for where, taken in ours):  # noqa: S104
        return "ours"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "taken"
            return "not-here" if error.errno == errno.EADDRNOTAVAIL else "unknown"
    return "free"


async def reach(host: str, port: int) -> Reach:
    """Look for a host by its name, and open a TCP connection to it, which is closed at once."""
    start = time.monotonic()
    loop = asyncio.get_running_loop()
    found = ""
    try:
        async with asyncio.timeout(REACH_LIMIT):
            answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = str(answers[0][4][0])
            _, writer = await asyncio.open_connection(found, port)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    except TimeoutError:
        return Reach(host, port, found, False, time.monotonic() - start, "time" if found else "name")
    except socket.gaierror:
        return Reach(host, port, "", False, time.monotonic() - start, "name")
    except OSError as error:
        words: Literal["refused", "no-way"] = (
            "refused" if isinstance(error, ConnectionRefusedError) else "no-way"
        )
        return Reach(host, port, found, False, time.monotonic() - start, words)
    return Reach(host, port, found, True, time.monotonic() - start)
