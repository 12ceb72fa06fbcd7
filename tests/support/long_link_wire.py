"""The process between the two ends of a LongLink: python -m tests.support.long_link_wire OPTIONS (as JSON).

It owns both network namespaces (nobody else names them, so the kernel clears them away with the last
process in them), holds one TUN device in each, and carries IPv4 packets between the two: late, no faster than
the rate, and with what is to be lost lost. It obeys lines on its standard input and ends with it, or after
`lifetime` seconds.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFADDR, _SIOCSIFDSTADDR, _SIOCSIFNETMASK = 0x8916, 0x8918, 0x891C
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_MTU = 1500


@dataclass(slots=True)
class Direction:
    """One way of the link. Packets leave in the order in which they came: the delay is the same for all."""

    source: int
    target: int
    delay: float  # seconds
    rate: float | None  # bytes a second
    queue: int  # bytes that may wait for their turn; what comes on top is dropped, as by a modem
    loss: float
    chance: random.Random
    free_at: float = 0.0
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque)
    carried: int = 0  # bytes
    lost: int = 0  # packets, by chance
    dropped: int = 0  # packets, for want of room

    def take(self, packet: bytes, now: float) -> None:
        """Put a packet on its way, or lose it."""
        if packet[0] >> 4 != 4:
            return  # IPv6 neighbours call, and nobody wants to hear that here
        if self.loss and self.chance.random() < self.loss:
            self.lost += 1
            return
        begins = max(now, self.free_at)
        if self.rate:
            if (begins - now) * self.rate > self.queue:
                self.dropped += 1
                return
            self.free_at = begins + len(packet) / self.rate
            begins = self.free_at
        self.under_way.append((begins + self.delay, packet))

    def deliver(self, now: float) -> float | None:
        """Hand over what has arrived; return when the next packet will."""
        while self.under_way and self.under_way[0][0] <= now:
            packet = self.under_way.popleft()[1]
            os.write(self.target, packet)
            self.carried += len(packet)
        return self.under_way[0][0] if self.under_way else None


def _request(name: str, payload: bytes) -> bytes:
    return struct.pack("16s24s", name.encode(), payload)


def _address(text: str) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))


def _bring_up(control: socket.socket, name: str) -> None:
    flags = struct.unpack("16sH", fcntl.ioctl(control, _SIOCGIFFLAGS, _request(name, b""))[:18])[1]
    fcntl.ioctl(control, _SIOCSIFFLAGS, _request(name, struct.pack("H", flags | _IFF_UP)))


def _new_end(address: str, other: str, congestion: str | None) -> tuple[int, int]:
    """Make a namespace with a TUN device in it; return descriptors of both."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no new network namespace")
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, _request("long", struct.pack("H", _IFF_TUN | _IFF_NO_PI)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFADDR, _request("long", _address(address)))
        fcntl.ioctl(control, _SIOCSIFDSTADDR, _request("long", _address(other)))
        fcntl.ioctl(control, _SIOCSIFNETMASK, _request("long", _address("255.255.255.255")))
        _bring_up(control, "long")
        _bring_up(control, "lo")
    if congestion is not None:
        Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text(congestion)  # of this namespace
    return namespace, tun


def _obey(line: str, ways: tuple[Direction, Direction], cut: bool) -> bool:
    """Do what was asked, say so, and return whether the link is cut from now on."""
    if line == "counts":
        up, down = ways
        print(
            f"counts {up.carried} {down.carried} {up.lost + down.lost} {up.dropped + down.dropped}",
            flush=True,
        )
        return cut
    if line == "cut":
        for way in ways:
            way.under_way.clear()  # what was under way is gone
            way.free_at = 0.0
    print(f"done {line}", flush=True)
    return line == "cut"


def _carry(ways: tuple[Direction, Direction]) -> None:
    cut, next_due = False, None
    asked = b""
    while True:
        wait = None if next_due is None else max(0.0, next_due - time.monotonic())
        readable = select.select([ways[0].source, ways[1].source, 0], [], [], wait)[0]
        if 0 in readable:
            piece = os.read(0, 4096)
            if not piece:
                return
            *lines, asked = (asked + piece).split(b"\n")
            for line in lines:
                cut = _obey(line.decode(), ways, cut)
        now = time.monotonic()
        for way in ways:
            if way.source in readable:
                _read_all(way, now, cut)
        due = [at for at in (way.deliver(now) for way in ways) if at is not None]
        next_due = min(due, default=None)


def _read_all(way: Direction, now: float, cut: bool) -> None:
    for _ in range(64):  # then the other way has its turn
        try:
            packet = os.read(way.source, _MTU)
        except BlockingIOError:
            return
        if not cut:
            way.take(packet, now)


def main() -> None:
    """Make the link, say where its ends are, and carry."""
    options = json.loads(sys.argv[1])
    signal.alarm(options["lifetime"])  # whatever happens, the default action ends this process then
    near, far = options["addresses"]
    near_namespace, near_tun = _new_end(near, far, options["congestion"])
    far_namespace, far_tun = _new_end(far, near, options["congestion"])
    shape = {name: options[name] for name in ("delay", "rate", "queue", "loss")}
    up = Direction(near_tun, far_tun, **shape, chance=random.Random(options["seed"]))
    down = Direction(far_tun, near_tun, **shape, chance=random.Random(options["seed"] + 1))
    print(f"ready {near_namespace} {far_namespace}", flush=True)
    _carry((up, down))


if __name__ == "__main__":
    main()
