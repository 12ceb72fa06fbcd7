"""pynetdicom in the SCP role of every normalized service, in threads: a second opinion on DIMSE-N.

It answers each operation with a data set that depends on the request alone, keeps the bytes it received, and
sends an N-EVENT-REPORT after each N-ACTION of type 3 (a subscription) on the same association.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

from tests.support.ports import free_port
from tests.support.threaded_server import ThreadedServer

SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One request as it arrived."""

    name: str
    sop_class: str
    instance: str
    type_id: int | None
    data: bytes


class NormalizedScp:
    """Serves `sop_classes`; a context manager."""

    def __init__(self, *sop_classes: str, ae_title: str = "OIS") -> None:
        self.port = free_port()
        self.received: list[Operation] = []
        self.event_answers: list[int | None] = []
        self.event_answered = threading.Event()
        self._sop_classes = sop_classes
        self._ae_title = ae_title
        self._reports: list[threading.Thread] = []

    def __enter__(self) -> NormalizedScp:
        ae = AE(ae_title=self._ae_title)
        ae.add_supported_context(Verification)
        for uid in self._sop_classes:
            ae.add_supported_context(uid, SYNTAXES)
        self._unrestricted = _config.UNRESTRICTED_STORAGE_SERVICE
        _config.UNRESTRICTED_STORAGE_SERVICE = False
        self._server = ThreadedServer(
            ae,
            self.port,
            [
                (evt.EVT_N_CREATE, self._create),
                (evt.EVT_N_SET, self._set),
                (evt.EVT_N_GET, self._get),
                (evt.EVT_N_ACTION, self._act),
                (evt.EVT_N_DELETE, self._delete),
            ],
        )
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._reports:
            thread.join(10)
        self._server.stop()
        _config.UNRESTRICTED_STORAGE_SERVICE = self._unrestricted

    def forget(self) -> None:
        """Begin anew."""
        self.received.clear()
        self.event_answers.clear()
        self.event_answered.clear()

    def _note(self, name: str, event: Any, data: BytesIO | None, type_id: int | None = None) -> Dataset:
        request = event.request
        sop_class = getattr(request, "RequestedSOPClassUID", None) or request.AffectedSOPClassUID
        instance = getattr(request, "RequestedSOPInstanceUID", None) or request.AffectedSOPInstanceUID
        raw = data.getvalue() if data else b""
        self.received.append(Operation(name, str(sop_class), str(instance), type_id, raw))
        answer = Dataset()
        answer.PatientID = "SYN-000001"
        answer.PatientComments = f"{name} of {len(raw)} bytes"
        return answer

    def _create(self, event: Any) -> tuple[int, Dataset]:
        return 0x0000, self._note("N-CREATE", event, event.request.AttributeList)

    def _set(self, event: Any) -> tuple[int, Dataset]:
        return 0x0000, self._note("N-SET", event, event.request.ModificationList)

    def _get(self, event: Any) -> tuple[int, Dataset]:
        return 0x0107, self._note("N-GET", event, None)  # a warning: not every attribute is known

    def _delete(self, event: Any) -> int:
        self._note("N-DELETE", event, None)
        return 0x0112

    def _act(self, event: Any) -> tuple[int, Dataset]:
        answer = self._note("N-ACTION", event, event.request.ActionInformation, event.request.ActionTypeID)
        if event.action_type == 3:
            thread = threading.Thread(target=self._report, args=(event.assoc, event.request), daemon=True)
            self._reports.append(thread)
            answered = threading.Event()
            event.assoc.bind(evt.EVT_DIMSE_SENT, lambda _: answered.set())
            self._answered = answered
            thread.start()
        return 0x0000, answer

    def _report(self, association: Any, request: Any) -> None:
        self._answered.wait(10)
        information = Dataset()
        information.ProcedureStepState = "SCHEDULED"
        status, _ = association.send_n_event_report(
            information, 1, request.RequestedSOPClassUID, request.RequestedSOPInstanceUID
        )
        self.event_answers.append(status.get("Status"))
        self.event_answered.set()
