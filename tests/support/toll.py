"""A toll on the way of a TCP connection: counts what passes, holds it to a rate, cuts and closes at will.

For tests that need to know what went over a line, and to end a process at a chosen byte. It holds next to
nothing itself, so that what was counted has nearly arrived.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self

_PIECE = 8192
_BUFFER = 32 * 1024


class Toll:
    """Everything that connects to `port` is passed on to `target` on this machine."""

    def __init__(self, target: int, *, rate: float | None = None) -> None:
        """`rate`: bytes per second of all connections together, towards the target; None: no limit."""
        self._target = target
        self._rate = rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.up = 0  # bytes towards the target
        self.down = 0
        self.connections = 0
        self.open = True  # False: whoever connects is turned away
        self._free_at = 0.0
        self._until: int | None = None  # nothing beyond this byte passes upwards for now
        self._passed = threading.Condition()
        self._sockets: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="toll", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def wait_up(self, count: int, timeout: float = 60.0) -> None:
        """Return as soon as `count` bytes have gone up in all."""
        with self._passed:
            assert self._passed.wait_for(lambda: self.up >= count, timeout), f"{self.up} of {count} bytes"

    def pass_until(self, count: int | None) -> None:
        """Let pass upwards until about `count` bytes have in all, and hold what follows; None: everything."""
        with self._passed:
            self._until = count
            self._passed.notify_all()

    def cut(self) -> None:
        """Break every connection: both ends find it reset or closed."""
        with self._passed:
            sockets, self._sockets = self._sockets, set()
            self._passed.notify_all()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            if not self.open:
                caller.close()
                continue
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, socket.socket() as behind:
            for each in (caller, behind):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            try:
                behind.connect(("127.0.0.1", self._target))
            except OSError:
                return
            with self._passed:
                self.connections += 1
                self._sockets |= {caller, behind}
            back = threading.Thread(target=self._pass, args=(behind, caller, False), daemon=True)
            back.start()
            self._pass(caller, behind, True)
            back.join(10)
            with self._passed:
                self._sockets -= {caller, behind}

    def _pass(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                if upwards and self._rate is not None:
                    self._wait_turn(len(piece))
                if upwards and not self._may_pass(source):
                    break
                target.sendall(piece)
                with self._passed:
                    if upwards:
                        self.up += len(piece)
                    else:
                        self.down += len(piece)
                    self._passed.notify_all()
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _may_pass(self, source: socket.socket) -> bool:
        """Wait until this connection may pass more; False: it was cut meanwhile."""
        with self._passed:
            self._passed.wait_for(
                lambda: source not in self._sockets or self._until is None or self.up < self._until
            )
            return source in self._sockets

    def _wait_turn(self, count: int) -> None:
        """Let time pass as on a line of this rate. That is what it stands for, and nothing to be awaited."""
        assert self._rate is not None
        with self._passed:
            self._free_at = max(self._free_at, time.monotonic()) + count / self._rate
            pause = self._free_at - time.monotonic()
        if pause > 0.002:
            time.sleep(pause)
