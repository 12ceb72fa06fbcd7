"""Free TCP ports for servers whose port has to be known before they start."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_handed_out: set[int] = set()


def _below_ephemeral() -> range:
    """Ports that the kernel never picks by itself for an outgoing connection."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return range(max(1024, first - 12000), first)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on `host` that nobody listens on and that this process has not handed out before."""
    candidates = _below_ephemeral()
    for _ in range(200):
        port = random.choice(candidates)
        if port in _handed_out:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise RuntimeError(f"no free port found on {host}")
