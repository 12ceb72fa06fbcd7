"""The kernel's side of the laboratory: network namespaces without names, and TUN devices in them.

A namespace that nobody has named lives as long as a process is in it or holds a descriptor of it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MTU = 1500
DEVICE = "long"

_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFADDR, _SIOCSIFDSTADDR, _SIOCSIFNETMASK = 0x8916, 0x8918, 0x891C
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_SIOCSIFTXQLEN = 0x8943
_ALLOWED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
# Packets between the kernel and the wire. The modem's queue is the wire's; this one must never be the one
# that drops, not even when a whole window is sent at once.
_DEVICE_QUEUE = 8192


def enter(descriptor: int) -> None:
    """Be in that network namespace: this thread, and what it starts and opens from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"network namespace: {os.strerror(number)}")


@contextmanager
def allowed(congestion: str | None) -> Iterator[None]:
    """Let a namespace have this congestion control as its own, whatever this machine allows meanwhile.

    A namespace may only have what the machine allows to everybody (tcp_allowed_congestion_control), and Linux
    allows just Reno and the machine's own default. The list is as it was afterwards. FileNotFoundError: this
    kernel does not know it.
    """
    if congestion is None:
        yield
        return
    with Path("/dev/net/tun").open("rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # one laboratory at a time changes the list
        # Opened here: in a namespace of its own, the path is another file.
        list_ = os.open(_ALLOWED, os.O_RDWR)
        try:
            before = os.pread(list_, 4096, 0)
            known = congestion.encode() in before.split()
            if not known:
                os.pwrite(list_, before.strip() + b" " + congestion.encode(), 0)
            try:
                yield
            finally:
                if not known:
                    os.pwrite(list_, before, 0)
        finally:
            os.close(list_)


def new_end(address: str, other: str, congestion: str | None) -> tuple[int, int]:
    """Go into a new namespace with a TUN device in it; return descriptors of the two.

    `address` is this end's, `other` what is behind the device. `congestion` becomes the congestion control of
    the namespace's TCP.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no new network namespace: {os.strerror(number)}")
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, _request(DEVICE, struct.pack("H", _IFF_TUN | _IFF_NO_PI)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFTXQLEN, _request(DEVICE, struct.pack("i", _DEVICE_QUEUE)))
        fcntl.ioctl(control, _SIOCSIFADDR, _request(DEVICE, _address(address)))
        fcntl.ioctl(control, _SIOCSIFDSTADDR, _request(DEVICE, _address(other)))
        fcntl.ioctl(control, _SIOCSIFNETMASK, _request(DEVICE, _address("255.255.255.255")))
        _bring_up(control, DEVICE)
        _bring_up(control, "lo")
    if congestion is not None:
        Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text(congestion)  # of this namespace
    return namespace, tun


def _request(name: str, payload: bytes) -> bytes:
    return struct.pack("16s24s", name.encode(), payload)


def _address(text: str) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))


def _bring_up(control: socket.socket, name: str) -> None:
    flags = struct.unpack("16sH", fcntl.ioctl(control, _SIOCGIFFLAGS, _request(name, b""))[:18])[1]
    fcntl.ioctl(control, _SIOCSIFFLAGS, _request(name, struct.pack("H", flags | _IFF_UP)))
