"""A TCP port in front of a Unix socket, for clients that know no Unix sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

_PIECE = 65536


@contextlib.contextmanager
def tcp_door(path: Path) -> Iterator[int]:
    """Pass every connection to 127.0.0.1 on the yielded port through to the Unix socket `path`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, path), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        thread.join(10)


def _accept(listener: socket.socket, path: Path) -> None:
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(caller, path), daemon=True).start()


def _serve(caller: socket.socket, path: Path) -> None:
    with caller, socket.socket(socket.AF_UNIX) as behind:
        try:
            behind.connect(str(path))
        except OSError:
            return
        forth = threading.Thread(target=_pass, args=(caller, behind), daemon=True)
        forth.start()
        _pass(behind, caller)
        with contextlib.suppress(OSError):
            caller.shutdown(socket.SHUT_RDWR)  # ends the other direction, too
        forth.join(10)


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
