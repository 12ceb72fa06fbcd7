"""A minimal pynetdicom Storage SCP: python -m bench.pynetdicom_scp PORT DIRECTORY."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, evt


def main() -> None:
    """Serve until killed; write each object as received, behind a File Meta."""
    port, directory = int(sys.argv[1]), Path(sys.argv[2])

    def on_store(event: Any) -> int:
        (directory / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
        return 0x0000

    ae = AE(ae_title="CENTRE")
    ae.maximum_pdu_size = 0x20000
    ae.maximum_associations = 100
    ae.supported_contexts = AllStoragePresentationContexts
    ae.start_server(("127.0.0.1", port), block=True, evt_handlers=[(evt.EVT_C_STORE, on_store)])


if __name__ == "__main__":
    main()
