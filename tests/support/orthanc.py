"""Orthanc as a centre: DICOM over TLS with client certificates, or plain; asked over its REST interface."""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.model import TlsMaterial
from tests.support import machine, objects
from tests.support.ports import free_port
from tests.support.processes import Program


class Orthanc:
    """One Orthanc with its own directory, database and ports, syncing what it stores."""

    def __init__(
        self,
        directory: Path,
        *,
        tls: TlsMaterial | None = None,
        ae_title: str = "ORTHANC",
        env: dict[str, str] | None = None,
        port: int | None = None,
        modalities: Mapping[str, int] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """`modalities`: AE titles it may move and report to, and their ports on this machine.

        With `tls` it is called, and calls, over TLS alone. `more`: settings of its own, over these.
        """
        self.directory = directory
        self.port = port or free_port()
        self.http_port = free_port()
        self.ae_title = ae_title
        self._env = env
        self.program: Program | None = None
        directory.mkdir(parents=True, exist_ok=True)
        settings: dict[str, Any] = {
            "Name": "test centre",
            "StorageDirectory": str(directory / "store"),
            "IndexDirectory": str(directory / "index"),
            "SyncStorageArea": True,
            "DicomAet": ae_title,
            "DicomPort": self.port,
            "DicomCheckCalledAet": False,
            "UnknownSopClassAccepted": True,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "HttpServerEnabled": True,
            "Plugins": [],
            "DicomCheckModalityHost": False,
            "DicomModalities": {
                title: {
                    "AET": title,
                    "Host": "127.0.0.1",
                    "Port": to,
                    "AllowStorageCommitment": True,
                    "AllowTranscoding": False,
                    "UseDicomTls": tls is not None,
                }
                for title, to in (modalities or {}).items()
            },
        }
        if tls is not None:
            settings |= {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(tls.certificate),
                "DicomTlsPrivateKey": str(tls.key),
                "DicomTlsTrustedCertificates": str(tls.ca),
                "DicomTlsRemoteCertificateRequired": True,
            }
        settings |= more or {}
        self._config = directory / "orthanc.json"
        self._config.write_text(json.dumps(settings, indent=2))

    def start(self) -> Orthanc:
        """Start it and return once it takes DICOM and REST connections."""
        self.program = Program([machine.program("Orthanc"), "--verbose", self._config], env=self._env)
        self.program.wait_line("Orthanc has started", timeout=60)
        return self

    def stop(self) -> None:
        """End it."""
        if self.program is not None:
            self.program.stop()
            self.program = None

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=30) as answer:
            return bytes(answer.read())

    def post(self, path: str, body: object, timeout: float = 60.0) -> Any:
        """POST `body` (bytes as they are, else as JSON) to its REST interface; return the JSON answered."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urllib.request.urlopen(url, data, timeout=timeout) as answer:
            return json.loads(answer.read())

    def get(self, path: str) -> Any:
        """GET JSON from its REST interface."""
        return json.loads(self._get(path))

    def delete(self, path: str) -> None:
        """DELETE something on its REST interface."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            connection.request("DELETE", path)
            assert connection.getresponse().status == 200
        finally:
            connection.close()

    def count(self) -> int:
        """How many instances Orthanc holds."""
        return int(json.loads(self._get("/statistics"))["CountInstances"])

    def received(self) -> list[objects.Stored]:
        """Describe every instance Orthanc holds, from the files it serves."""
        names = json.loads(self._get("/instances"))
        return [objects.describe(self._get(f"/instances/{name}/file"), Path(name)) for name in names]

    def __enter__(self) -> Orthanc:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
