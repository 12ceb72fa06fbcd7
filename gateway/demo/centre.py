"""The centre: a Storage SCP over mutual TLS, made of pynetdicom, that books what it receives.

It is deliberately not our own code: what arrives here has passed somebody else's idea of DICOM.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, StoragePresentationContexts, VerificationPresentationContexts, evt
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import register_uid

from gateway.demo.ledger import Arrival
from gateway.demo.pki import Endpoint
from gateway.demo.synthetic import PRIVATE_SOP_CLASS, file_meta

AE_TITLE = "ARIA"

_PRIVATE_KEYWORD = "SyntheticPrivateStorage"


class Centre:
    """Listens on a free port of 127.0.0.1 while used as a context manager; keeps objects in `directory`.

    `arrived` is called, from one of pynetdicom's threads, before the answer leaves.
    """

    def __init__(self, endpoint: Endpoint, directory: Path, arrived: Callable[[Arrival], None]) -> None:
        self.port = 0
        self._endpoint = endpoint
        self._directory = directory
        self._arrived = arrived
        self._entity = AE(ae_title=AE_TITLE)

    def __enter__(self) -> Self:
        """Start listening; `port` is known from here on."""
        self._directory.mkdir(parents=True, exist_ok=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_cert_chain(self._endpoint.certificate, self._endpoint.key)
        tls.load_verify_locations(self._endpoint.ca)
        register_uid(PRIVATE_SOP_CLASS, _PRIVATE_KEYWORD, StorageServiceClass)
        entity = self._entity
        entity.require_called_aet = True
        entity.maximum_pdu_size = 1 << 17
        syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        for context in (*StoragePresentationContexts, *VerificationPresentationContexts):
            entity.add_supported_context(str(context.abstract_syntax), syntaxes)
        entity.add_supported_context(PRIVATE_SOP_CLASS, syntaxes)
        server = entity.start_server(
            ("127.0.0.1", 0), block=False, ssl_context=tls, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        assert server is not None  # noqa: S101 - None only when it blocks
        self.port = server.server_address[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and abort what is open."""
        self._entity.shutdown()

    def _store(self, event: Any) -> int:
        """Book one object and keep it as a Part 10 file; answer success."""
        request = event.request
        data = request.DataSet.getvalue()
        uid = str(request.AffectedSOPInstanceUID)
        meta = file_meta(str(request.AffectedSOPClassUID), uid, str(event.context.transfer_syntax))
        # The name is the digest of the UID: nothing a peer says becomes part of a path.
        name = hashlib.sha256(uid.encode()).hexdigest()[:24]
        (self._directory / f"{name}.dcm").write_bytes(meta + data)
        self._arrived(Arrival(uid, len(data), hashlib.sha256(data).digest(), time.monotonic()))
        return 0x0000
