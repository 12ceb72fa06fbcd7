"""What is set on the socket of a link, and why.

TCP_NODELAY: a treatment record is smaller than a segment and must not wait for an acknowledgement.

TCP_NOTSENT_LOWAT: the kernel asks for more only when little is left that it has not yet sent. Without it
the send buffer grows to megabytes, 33 s of a line of 1 Mbit/s, and a record would stand behind all of that.
What was sent and waits for its acknowledgement does not count, so the window still grows to bandwidth times
delay.

TCP_USER_TIMEOUT: bytes that nobody acknowledges for this long end the connection. The kernel alone would try
for a quarter of an hour, in ever longer intervals, while a new connection would be through at once.

No SO_KEEPALIVE: the session has its own heartbeat, which also measures and keeps a NAT's entry alive; two of
them would cost twice.

Congestion control by measured loss: gateway/association/tuning.py. The buffers keep to the kernel's own
tuning, which follows bandwidth times delay; setting them by hand would switch that off.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Final

UNACKNOWLEDGED: Final = 30.0
"""Seconds: longer than any handover or fade that TCP outlives better than a reconnect."""

LEAST_UNSENT: Final = 16 * 1024
"""Bytes left unsent at which the kernel asks for more, while the rate of the line is not known."""


def prepare(sock: socket.socket) -> None:
    """Set what does not depend on the line."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNACKNOWLEDGED * 1000))
    keep_unsent(sock, LEAST_UNSENT)


def keep_unsent(sock: socket.socket, size: int) -> None:
    """Have the kernel ask for more when it has `size` bytes left to send."""
    if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.fileno() >= 0:
        with contextlib.suppress(OSError):  # the connection has just ended
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)
