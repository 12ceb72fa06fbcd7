"""Tells when the machine's network changes: a cable, an address, a route (rtnetlink(7)).

Whoever waits before it dials again need not wait for its timer then. On a system without netlink nothing is
told, and the timer does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

# RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400

_SETTLING: Final = 0.5
"""Seconds: one change comes as several messages."""


class NetworkWatch:
    """Calls back, on the event loop, soon after a change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._socket: socket.socket | None = None
        self._soon: asyncio.TimerHandle | None = None

    def start(self) -> bool:
        """Begin to listen; False when this system tells nothing."""
        try:
            sock = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
            )
        except (AttributeError, OSError):
            return False
        sock.setblocking(False)
        try:
            sock.bind((0, _GROUPS))
        except OSError:
            sock.close()
            return False
        self._socket = sock
        asyncio.get_running_loop().add_reader(sock, self._read, sock)
        return True

    def close(self) -> None:
        """Listen no more."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    def _read(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # ENOBUFS: there was more than fits, which is a change as well
            sock.recv(65536)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(_SETTLING, self._tell)

    def _tell(self) -> None:
        self._soon = None
        self._changed()
