"""By which names and addresses a browser may call this device: for the certificate of the page."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import re
import socket
import struct
from pathlib import Path

MAX_ADDRESSES = 16
_SIOCGIFADDR = 0x8915  # netdevice(7)
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def local_names(hostname: str | None = None) -> list[str]:
    """Return `localhost`, the host name, and the name by which mDNS announces it."""
    host = (socket.gethostname() if hostname is None else hostname).lower().rstrip(".")
    names = ["localhost"]
    if _HOST.fullmatch(host) and len(host) <= 200 and host != "localhost":
        short = host.partition(".")[0]
        names += [host, f"{short}.local"]
    return list(dict.fromkeys(names))


def local_addresses() -> list[IpAddress]:
    """Return the addresses of this device, loopback first; link-local ones are of no use in a browser."""
    loopback: list[IpAddress] = [ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1")]
    found = [*_version_4(Path("/sys/class/net")), *_version_6(Path("/proc/net/if_inet6"))]
    usable = [address for address in found if not (address.is_loopback or address.is_link_local)]
    return loopback + sorted(set(usable), key=lambda address: (address.version, int(address)))[:MAX_ADDRESSES]


def _version_4(interfaces: Path) -> list[IpAddress]:
    # Not socket.if_nameindex(): that needs netlink, one more thing a hardened service would have to allow.
    found: list[IpAddress] = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for interface in sorted(interfaces.iterdir())[:64]:
            request = struct.pack("256s", interface.name.encode()[:15])
            with contextlib.suppress(OSError):  # no IPv4 there
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
                found.append(ipaddress.IPv4Address(answer[20:24]))
    return found


def _version_6(table: Path) -> list[IpAddress]:
    try:
        lines = table.read_text().splitlines()[:256]
    except OSError:
        return []  # a kernel without IPv6
    return [ipaddress.IPv6Address(bytes.fromhex(line.split()[0])) for line in lines if line]
