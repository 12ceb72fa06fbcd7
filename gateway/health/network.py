"""Network interfaces with their addresses and errors, the default route, and the name servers."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from gateway.health.machine import Machine
from gateway.health.words import N_, Finding, Value, attention, ok, unknown

_MAX = 32  # interfaces, addresses of one, name servers
_ERROR_SHARE = 0.001  # of the packets


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface. Counters since it came up."""

    name: str
    state: str  # up, down, unknown ...
    hardware_address: str
    addresses: tuple[str, ...]
    speed: int | None  # Mbit/s
    received: int | None  # bytes
    sent: int | None
    packets: int
    errors: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Network:
    """How the machine is connected."""

    finding: Finding
    interfaces: tuple[Interface, ...]
    gateway: str  # address of the default route; empty when there is none
    name_servers: tuple[str, ...]


def read(machine: Machine) -> Network:
    """Return the network as it is."""
    addresses = _addresses(machine)
    interfaces = tuple(
        _interface(machine, folder, addresses.get(folder.name, ()))
        for folder in machine.glob("/sys/class/net/*")[:_MAX]
        if folder.name not in ("lo", "bonding_masters")
    )
    gateway = _default_route(machine)
    return Network(_finding(interfaces, gateway), interfaces, gateway, _name_servers(machine))


def _finding(interfaces: tuple[Interface, ...], gateway: str) -> Finding:
    if not interfaces:
        return unknown(N_("No network interface can be seen from here."))
    up = [one for one in interfaces if one.state in ("up", "unknown") and _routable(one.addresses)]
    if not up:
        return attention(
            N_("No network interface is connected and has an address."),
            next_step=N_("Check cable and switch, and the network settings of the box."),
        )
    for one in up:
        if one.errors > 100 and one.errors > one.packets * _ERROR_SHARE:
            return attention(
                N_("%(name)s has received or sent %(count)s broken packets."),
                Value("name", one.name),
                Value("count", one.errors, "number"),
                next_step=N_("Replace the cable, or use another port of the switch."),
            )
    names = Value("names", ", ".join(one.name for one in up))
    if not gateway:
        return ok(
            N_("Connected: %(names)s. There is no default route: only the local network is reached."), names
        )
    return ok(N_("Connected: %(names)s."), names)


def _routable(addresses: tuple[str, ...]) -> bool:
    return any(not ipaddress.ip_interface(address).ip.is_link_local for address in addresses)


def _interface(machine: Machine, folder: Path, addresses: tuple[str, ...]) -> Interface:
    def counter(name: str) -> int:
        return machine.number(folder / "statistics" / name) or 0

    speed = machine.number(folder / "speed")
    return Interface(
        folder.name[:32],
        (machine.text(folder / "operstate") or "unknown")[:20],
        (machine.text(folder / "address") or "")[:40],
        addresses,
        speed if speed is not None and speed > 0 else None,
        machine.number(folder / "statistics" / "rx_bytes"),
        machine.number(folder / "statistics" / "tx_bytes"),
        counter("rx_packets") + counter("tx_packets"),
        counter("rx_errors") + counter("tx_errors"),
        counter("rx_dropped") + counter("tx_dropped"),
    )


def _addresses(machine: Machine) -> dict[str, tuple[str, ...]]:
    """Return the addresses by interface: as `ip` tells them, else what the kernel's tables give."""
    told = machine.run(["ip", "-j", "addr"])
    try:
        entries = json.loads(told) if told else []
        return {
            entry["ifname"]: tuple(f"{one['local']}/{one['prefixlen']}" for one in entry["addr_info"][:_MAX])
            for entry in entries[:_MAX]
        } or _from_tables(machine)
    except (ValueError, KeyError, TypeError):
        return _from_tables(machine)


def _from_tables(machine: Machine) -> dict[str, tuple[str, ...]]:
    """Return the IPv4 address of each interface, and IPv6 addresses (/proc/net/if_inet6)."""
    found: dict[str, list[str]] = {}
    for folder in machine.glob("/sys/class/net/*")[:_MAX]:
        if (ipv4 := machine.ipv4(folder.name)) is not None:
            found.setdefault(folder.name, []).append(ipv4)
    for line in (machine.text("/proc/net/if_inet6") or "").splitlines()[:_MAX]:
        parts = line.split()
        if len(parts) == 6 and len(parts[0]) == 32:
            address = ipaddress.IPv6Address(int(parts[0], 16))
            found.setdefault(parts[5], []).append(f"{address}/{int(parts[2], 16)}")
    return {name: tuple(values) for name, values in found.items()}


def _default_route(machine: Machine) -> str:
    for _, destination, gateway, mask in _routes(machine):
        if not destination and not mask and gateway:
            return str(ipaddress.IPv4Address(_swapped(gateway)))
    return ""


def _routes(machine: Machine) -> list[tuple[str, int, int, int]]:
    """Return interface, destination, gateway and mask of each IPv4 route, in the kernel's byte order."""
    found = []
    for line in (machine.text("/proc/net/route") or "").splitlines()[1:200]:
        parts = line.split()
        try:
            found.append((parts[0], int(parts[1], 16), int(parts[2], 16), int(parts[7], 16)))
        except (IndexError, ValueError):
            continue
    return found


def _swapped(number: int) -> bytes:
    return number.to_bytes(4, "little")


def _name_servers(machine: Machine) -> tuple[str, ...]:
    servers = _resolv(machine, "/etc/resolv.conf")
    if servers == ("127.0.0.53",):  # systemd-resolved stands before the real ones
        servers = _resolv(machine, "/run/systemd/resolve/resolv.conf") or servers
    return servers


def _resolv(machine: Machine, name: str) -> tuple[str, ...]:
    lines = (line.split() for line in (machine.text(name) or "").splitlines())
    return tuple(parts[1][:64] for parts in lines if len(parts) > 1 and parts[0] == "nameserver")[:_MAX]
