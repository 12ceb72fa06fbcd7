"""A Storage SCP that grants asynchronous operations: python -m bench.link.window_scp PORT DIRECTORY WINDOW.

pynetdicom takes what comes and answers in order, so it can grant a window; by itself it always answers 1.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

from pynetdicom import AE, _config, evt
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation


def main() -> None:
    """Serve until killed; write each object as received, behind a File Meta."""
    port, directory, window = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    directory.mkdir(parents=True, exist_ok=True)

    def on_connection(event: Any) -> None:
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def on_request(event: Any) -> None:
        granted = AsynchronousOperationsWindowNegotiation()
        granted.maximum_number_operations_invoked = window
        event.assoc.acse._check_async_ops = lambda: granted

    def on_store(event: Any) -> int:
        (directory / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
        return 0x0000

    _config.UNRESTRICTED_STORAGE_SERVICE = True
    ae = AE(ae_title="CENTRE")
    ae.maximum_pdu_size = 0x20000
    ae.maximum_associations = 20
    ae.network_timeout = None
    ae.start_server(
        ("0.0.0.0", port),  # noqa: S104 - at the far end of a laboratory
        block=True,
        evt_handlers=[
            (evt.EVT_CONN_OPEN, on_connection),
            (evt.EVT_REQUESTED, on_request),
            (evt.EVT_C_STORE, on_store),
        ],
    )


if __name__ == "__main__":
    main()
