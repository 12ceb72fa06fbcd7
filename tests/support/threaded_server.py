"""A pynetdicom server in threads that leaves nothing behind when it is stopped."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import Any

from pynetdicom import AE, evt


class ThreadedServer:
    """Serves `ae` on 127.0.0.1:`port` from its making until `stop`."""

    def __init__(self, ae: AE, port: int, handlers: Sequence[tuple[Any, ...]]) -> None:
        self._associations: list[Any] = []
        self._sockets: list[Any] = []
        self._server: Any = ae.start_server(
            ("127.0.0.1", port),
            block=False,
            evt_handlers=[(evt.EVT_CONN_OPEN, self._connected), *handlers],  # type: ignore[list-item]
        )

    def _connected(self, event: Any) -> None:
        # pynetdicom leaves sockets to the garbage collector when an association is killed.
        self._associations.append(event.assoc)
        self._sockets.append(event.assoc.dul.socket.socket)

    def stop(self) -> None:
        """Listen no more, end every association."""
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()
        for association in self._associations:
            association.kill()
            association.join(5)
        for connection in self._sockets:
            connection.close()
