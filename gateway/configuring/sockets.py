"""Listening sockets that outlive a restart in place: a console that calls meanwhile waits a moment, no more.

They go to the next program the way systemd hands over its own (sd_listen_fds(3)). Ours carry a mark in their
name: they are of use only where the listener still has the same address, while those of systemd always are.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Protocol

from gateway.systemd import ActivatedSocket, activated_sockets

_OURS = "kept="  # no name of a listener can have this
_FIRST = 3  # SD_LISTEN_FDS_START


class Place(Protocol):
    """Where a listener listens (gateway.config.schema.Listener)."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def port(self) -> int: ...


class Inherited:
    """What this process was given at its start."""

    def __init__(self, given: Sequence[ActivatedSocket] | None = None) -> None:
        """`given`: what to take instead of what systemd, or our former self, has left."""
        self._given = activated_sockets() if given is None else list(given)
        # A listener closes what it was given, and a later configuration may need it again.
        self._systemd = [
            ActivatedSocket(one.name, one.sock.dup()) for one in self._given if not one.name.startswith(_OURS)
        ]

    def of(self, places: Iterable[Place]) -> dict[str, list[socket.socket]]:
        """Return the sockets for each listener by name. What no listener can use any more is closed."""
        by_name = {place.name: place for place in places}
        found: dict[str, list[socket.socket]] = {}
        for one in self._given:
            name = one.name.removeprefix(_OURS)
            place = by_name.get(name)
            if place is None or (name != one.name and not _is_at(one.sock, place)):
                one.sock.close()
            else:
                found.setdefault(name, []).append(one.sock)
        self._given = []
        return found

    def keep(self, bound: Iterable[tuple[str, Sequence[socket.socket]]] = ()) -> list[ActivatedSocket]:
        """Return duplicates of what is to outlive this program: systemd's, and those in `bound`."""
        kept = list(self._systemd)
        names = {one.name for one in kept}
        for name, sockets in bound:
            if name not in names:
                kept += [ActivatedSocket(_OURS + name, sock.dup()) for sock in sockets]
        return kept


def _is_at(sock: socket.socket, place: Place) -> bool:
    address, port = sock.getsockname()[:2]
    return place.port in (0, port) and ipaddress.ip_address(address) == ipaddress.ip_address(place.address)


def hand_over(sockets: Sequence[ActivatedSocket], environment: MutableMapping[str, str] = os.environ) -> None:
    """Put `sockets` where the next program in this process looks for them. Only before execve(2): whatever
    has those descriptors now is overwritten."""
    if not sockets:
        return
    beyond = _FIRST + len(sockets)
    moved = [fcntl.fcntl(one.sock.fileno(), fcntl.F_DUPFD_CLOEXEC, beyond) for one in sockets]
    for position, descriptor in enumerate(moved):
        os.dup2(descriptor, _FIRST + position, inheritable=True)
    environment["LISTEN_PID"] = str(os.getpid())
    environment["LISTEN_FDS"] = str(len(sockets))
    environment["LISTEN_FDNAMES"] = ":".join(one.name for one in sockets)
