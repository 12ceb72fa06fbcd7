"""Which congestion control a connection uses: by the loss that was measured on the way to its peer.

A connection under CUBIC (or Reno) takes each lost packet for a full queue and slows down. On a satellite link
of 600 ms that loses one packet in a hundred, it ends below a tenth of the rate; BBR, which looks at what
arrives, keeps most of it. On a clean way CUBIC is a little better. So whatever the machine uses by default
stays until the loss says otherwise, and it is said to the connections that are open as well: the kernel
exchanges it in the middle.

BBR needs the kernel's module (tcp_bbr), and leave for whoever is not root: its name in
net.ipv4.tcp_allowed_congestion_control. Where it is not to be had, nothing is lost but speed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from gateway.association.tcp_info import TcpInfo

LOSSY = 0.001
"""Share of the bytes that were sent again, from which BBR is better."""

EVIDENCE = 4 * 1460
"""Bytes sent again before that means anything: a few full packets."""

LONG = 0.03
"""Round trip, in seconds, below which every congestion control recovers at once."""

MEMORY = 16 * 1024 * 1024
"""Bytes sent after which what was seen before counts half: the weather changes."""

CROWDED = 1.3
"""Round trip, in terms of the shortest one, from which a queue is what makes it longer."""

ROBUST = "bbr"

_PACE = 1.0
"""Seconds between two looks at one connection."""


class Connection(Protocol):
    """What is needed of a connection."""

    def tcp_info(self) -> TcpInfo | None: ...
    def use_congestion_control(self, name: str) -> bool: ...


class WayThere:
    """What the connections to one destination have told of the way there. Pure but for whom it speaks to."""

    def __init__(self) -> None:
        self.round_trip: float | None = None  # seconds, the shortest the kernel saw on the latest connection
        self.retransmitted = 0  # bytes, since the start
        self._sent = 0.0
        self._again = 0.0

    @property
    def loss(self) -> float | None:
        """Share of the bytes that had to be sent again, lately; None while too little was sent to tell."""
        return self._again / self._sent if self._sent >= 64 * 1024 else None

    @property
    def lossy(self) -> bool:
        """Whether a connection there needs a congestion control that bears loss."""
        if self.round_trip is None or self.round_trip < LONG or self._again < EVIDENCE:
            return False
        return self._again >= LOSSY * self._sent

    def seen(self, sent: int, again: int, round_trip: float | None, *, crowded: bool = False) -> None:
        """Since the last look at one connection `sent` bytes have left it, `again` of them once more.

        `crowded`: they waited in a queue on the way. What is lost then was lost for want of room there, and
        that is what every congestion control is for; it says nothing of the way.
        """
        self.round_trip = round_trip or self.round_trip
        self.retransmitted += again
        if crowded:
            return
        self._sent += sent
        self._again += again
        if self._sent > MEMORY:
            self._sent /= 2
            self._again /= 2


class Watch:
    """Looks after one connection on that way, as often as its owner finds occasion."""

    def __init__(self, way: WayThere, connection: Connection, clock: Callable[[], float]) -> None:
        self._way = way
        self._connection = connection
        self._clock = clock
        self._next = clock() + _PACE
        self._sent = 0
        self._again = 0
        self._crowded = False
        self._told = False
        self._tell()

    def look(self, *, last: bool = False) -> None:
        """Learn from the connection, and tell it what to use. Cheap; once a second it costs a system call."""
        if self._clock() < self._next and not last:
            return
        self._next = self._clock() + _PACE
        info = self._connection.tcp_info()
        if info is None or info.bytes_sent is None or info.bytes_retransmitted is None:
            return
        sent, again = info.bytes_sent - self._sent, info.bytes_retransmitted - self._again
        self._sent, self._again = info.bytes_sent, info.bytes_retransmitted
        shortest = info.shortest_round_trip or info.round_trip
        before, self._crowded = self._crowded, info.round_trip > CROWDED * shortest
        # What a queue dropped is sent again when the queue is on its way to being empty.
        self._way.seen(sent, again, shortest, crowded=before or self._crowded)
        self._tell()

    def _tell(self) -> None:
        if self._way.lossy and not self._told:
            self._told = True  # asked once: what the kernel denies, it denies again
            self._connection.use_congestion_control(ROBUST)


def use_congestion_control(sock: socket.socket, name: str) -> bool:
    """Have the kernel use `name` from now on; False when it does not know it, or does not let us."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode("ascii"))
    except OSError:
        return False
    return True
