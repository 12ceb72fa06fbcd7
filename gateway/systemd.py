"""What systemd offers a service: readiness, the watchdog, and sockets it has opened already.

Both protocols are a few bytes (sd_notify(3), sd_listen_fds(3)), so no library is needed. Away from systemd
everything here does nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

_FIRST_FD = 3  # SD_LISTEN_FDS_START
_MAX_SOCKETS = 256
_ACTIVATION = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Notifier:
    """Tells systemd how the service is doing (sd_notify(3)). Never raises: nobody may be listening."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the NUL of an abstract socket address.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._enabled = address.startswith(("/", "@")) and len(address) > 1

    @property
    def enabled(self) -> bool:
        """True when systemd asked to be told."""
        return self._enabled

    def ready(self, status: str = "") -> None:
        """The service is up: listeners are bound, the spool is recovered."""
        self._send("READY=1", status)

    def stopping(self, status: str = "") -> None:
        """The service is on its way out."""
        self._send("STOPPING=1", status)

    def reloading(self, status: str = "") -> None:
        """The service starts again within this process; `ready` tells the end of it."""
        # CLOCK_MONOTONIC in microseconds goes with it since systemd 253.
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}", status)

    def watchdog(self) -> None:
        """The service is alive; due at least every `watchdog_interval`."""
        self._send("WATCHDOG=1")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send("", status)

    def extend_timeout(self, seconds: float) -> None:
        """Ask for `seconds` more to start or to stop, as recovery of a large spool may need."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def _send(self, state: str, status: str = "") -> None:
        if not self._enabled:
            return
        lines = [state] if state else []
        if status:
            lines.append("STATUS=" + " ".join(status.split()))
        # Losing a message is harmless: systemd restarts what it does not hear from.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
        ):
            sock.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)


def watchdog_interval(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """Return how often `Notifier.watchdog` is to be called (seconds), or None when nobody watches.

    It is half of what systemd allows, as sd_watchdog_enabled(3) recommends.
    """
    if environment.get("WATCHDOG_PID", str(_pid(pid))) != str(_pid(pid)):
        return None
    try:
        allowed = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return allowed / 2_000_000 if allowed > 0 else None


@dataclass(frozen=True, slots=True)
class ActivatedSocket:
    """A listening socket that systemd opened. `name` is FileDescriptorName= of its socket unit."""

    name: str
    sock: socket.socket


def activated_sockets(
    environment: MutableMapping[str, str] = os.environ, *, pid: int | None = None, first_fd: int = _FIRST_FD
) -> list[ActivatedSocket]:
    """Take the listening stream sockets that systemd passed to this process (sd_listen_fds(3)).

    A listener takes the one with its own name; what has no listener is for the caller to close. The
    variables are removed, so that no child process takes the sockets for its own and a second call returns
    nothing. Descriptors that are not listening stream sockets are closed.
    """
    told = {name: environment.pop(name, "") for name in _ACTIVATION}
    if told["LISTEN_PID"] != str(_pid(pid)) or not told["LISTEN_FDS"].isdecimal():
        return []
    count = min(int(told["LISTEN_FDS"]), _MAX_SOCKETS)
    names = told["LISTEN_FDNAMES"].split(":") if told["LISTEN_FDNAMES"] else []
    found = []
    for position in range(count):
        sock = _listening(first_fd + position)
        if sock is not None:
            found.append(ActivatedSocket(names[position] if position < len(names) else "unknown", sock))
    return found


def _listening(descriptor: int) -> socket.socket | None:
    try:
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        return None
    is_stream = sock.type == socket.SOCK_STREAM
    if not (is_stream and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
        sock.close()
        return None
    sock.setblocking(False)
    return sock


def _pid(pid: int | None) -> int:
    return os.getpid() if pid is None else pid
