"""What is set on the socket of a link, and why.

TCP_NODELAY: a treatment record is smaller than a segment and must not wait for an acknowledgement.

TCP_NOTSENT_LOWAT: the kernel asks for more only when little is left that it has not yet sent. Without it
the send buffer grows to megabytes, 33 s of a line of 1 Mbit/s, and a record would stand behind all of that.
What was sent and waits for its acknowledgement does not count, so the window still grows to bandwidth times
delay.

SO_MAX_PACING_RATE: a quarter above the measured rate of the line. A congestion control that starts anew
after a pause sends three times as fast as the line for some round trips, to find out; what does not fit
into the modem's queue is lost and sent again, on a line where each byte is paid for. Now it need not find
out.

TCP_USER_TIMEOUT: bytes that nobody acknowledges for this long end the connection. The kernel alone would try
for a quarter of an hour, in ever longer intervals, while a new connection would be through at once.

No SO_KEEPALIVE: the session has its own heartbeat, which also measures and keeps a NAT's entry alive; two of
them would cost twice.

Congestion control: steering.py. The buffers keep to the kernel's own
tuning, which follows bandwidth times delay; setting them by hand would switch that off.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
from typing import Final

UNACKNOWLEDGED: Final = 30.0
"""Seconds: longer than any handover or fade that TCP outlives better than a reconnect."""

_MAX_PACING_RATE: Final = 47
"""SO_MAX_PACING_RATE of asm-generic/socket.h: Python has no name for it."""

_UNLIMITED: Final = b"\xff" * struct.calcsize("@L")
"""What the kernel takes for no limit: the largest unsigned long."""

LEAST_UNSENT: Final = 16 * 1024
"""Bytes left unsent at which the kernel asks for more, while the rate of the line is not known."""


def prepare(sock: socket.socket) -> None:
    """Set what does not depend on the line."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNACKNOWLEDGED * 1000))
    keep_unsent(sock, LEAST_UNSENT)


def send_no_faster(sock: socket.socket, rate: int | None) -> None:
    """Have the kernel send at most `rate` bytes a second; None: as fast as it likes."""
    if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.fileno() >= 0:
        with contextlib.suppress(OSError):
            value = _UNLIMITED if rate is None else struct.pack("@L", rate)
            sock.setsockopt(socket.SOL_SOCKET, _MAX_PACING_RATE, value)


def unacknowledged(sock: socket.socket) -> int:
    """Return the bytes that the kernel has and nobody has acknowledged (SIOCOUTQ, tcp(7))."""
    return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])


def congestion_control(sock: socket.socket) -> str:
    """Return the congestion control in use, by name; empty where the kernel does not say."""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode("ascii")
    except (AttributeError, OSError):
        return ""


def keep_unsent(sock: socket.socket, size: int) -> None:
    """Have the kernel ask for more when it has `size` bytes left to send."""
    if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.fileno() >= 0:
        with contextlib.suppress(OSError):  # the connection has just ended
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)
