"""A real SCP (pynetdicom, in threads) that answers each object as the test says, one by one."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, _config, evt
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

from gateway.model import TlsMaterial
from tests.support.ports import free_port

ABORT = "abort"
SILENT = "silent"
WRONG_MESSAGE = "wrong message"
WRONG_OBJECT = "wrong object"
Answer = int | str


@dataclass(frozen=True, slots=True)
class Arrived:
    """One C-STORE-RQ with its data set."""

    uid: str
    sop_class: str
    syntax: str
    data: bytes
    association: int

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.data).digest()


class Centre:
    """`answer` is called in a thread for each object; ABORT aborts, SILENT never answers."""

    def __init__(
        self,
        answer: Callable[[Arrived], Answer] = lambda arrived: 0,
        *,
        tls: TlsMaterial | None = None,
        contexts: Sequence[tuple[str, Sequence[str]]] | None = None,
        verification: bool = True,
        ae_title: str = "CENTRE",
        port: int | None = None,
        maximum_associations: int = 50,
        window: int = 1,
    ) -> None:
        self.answer = answer
        self.window = window  # asynchronous operations granted to the requestor
        self.reject: tuple[int, int, int] | None = None
        self.comment = ""
        self.port = port or free_port()
        self.ae_title = ae_title
        self.maximum_associations = maximum_associations
        self.arrived: list[Arrived] = []  # everything that came in complete, however it was answered
        self.kept: list[Arrived] = []  # answered with success or a warning
        self.associations = 0
        self.most_associations = 0  # at the same time
        self.echoes = 0
        self.several = threading.Event()  # two or more associations have been open at the same time
        self.released = threading.Event()
        self._open = 0
        self._tls = tls
        self._contexts = contexts
        self._verification = verification
        self._server: Any = None
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads: list[Any] = []
        self._sockets: list[Any] = []

    def start(self) -> Centre:
        ae = AE(ae_title=self.ae_title)
        ae.maximum_associations = self.maximum_associations
        ae.require_called_aet = True
        ae.maximum_pdu_size = 0x20000
        ae.network_timeout = None
        _config.UNRESTRICTED_STORAGE_SERVICE = self._contexts is None
        if self._verification:
            ae.add_supported_context(Verification)
        for sop_class, syntaxes in self._contexts or ():
            ae.add_supported_context(sop_class, list(syntaxes))
        context = None
        if self._tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._tls.ca)
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_cert_chain(self._tls.certificate, self._tls.key)
        self._end.clear()
        self._server = ae.start_server(
            ("127.0.0.1", self.port),
            block=False,
            ssl_context=context,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, self._connected),
                (evt.EVT_REQUESTED, self._requested),
                (evt.EVT_ACCEPTED, self._accepted),
                (evt.EVT_RELEASED, self._released),
                (evt.EVT_CONN_CLOSE, self._closed),
                (evt.EVT_C_ECHO, self._echo),
                (evt.EVT_C_STORE, self._store),
            ],
        )
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._end.set()
            for connection in self._sockets:
                # A thread in the middle of a PDU would wait for the test, which waits for us.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._server.shutdown()
            self._server = None
            for association in self._threads:
                association.kill()
                association.join(5)
            for connection in self._sockets:
                connection.close()
            self._threads.clear()
            self._sockets.clear()

    def __enter__(self) -> Centre:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def copies(self) -> Counter[str]:
        """How often each object was kept, by SOP Instance UID."""
        return Counter(arrived.uid for arrived in self.kept)

    def _connected(self, event: Any) -> None:
        # pynetdicom leaves sockets to the garbage collector when an association is killed.
        self._threads.append(event.assoc)
        self._sockets.append(event.assoc.dul.socket.socket)

    def _requested(self, event: Any) -> None:
        if self.reject is not None:
            event.assoc.acse.send_reject(*self.reject)
            event.assoc.kill()
        elif self.window > 1:
            # pynetdicom always answers 1, although it takes what comes and answers in order.
            granted = AsynchronousOperationsWindowNegotiation()
            granted.maximum_number_operations_invoked = self.window
            event.assoc.acse._check_async_ops = lambda: granted

    def _accepted(self, event: Any) -> None:
        with self._lock:
            self.associations += 1
            self._open += 1
            event.assoc.counted = True
            self.most_associations = max(self.most_associations, self._open)
            if self._open > 1:
                self.several.set()

    def _released(self, event: Any) -> None:
        self.released.set()

    def _closed(self, event: Any) -> None:
        with self._lock:
            if getattr(event.assoc, "counted", False):
                event.assoc.counted = False
                self._open -= 1

    def _echo(self, event: Any) -> int:
        self.echoes += 1
        return 0

    def _store(self, event: Any) -> Any:
        request = event.request
        arrived = Arrived(
            str(request.AffectedSOPInstanceUID),
            str(request.AffectedSOPClassUID),
            str(event.context.transfer_syntax),
            request.DataSet.getvalue(),
            id(event.assoc),
        )
        self.arrived.append(arrived)
        answer = self.answer(arrived)
        if answer == ABORT:
            event.assoc.abort()
            return 0
        if answer == SILENT:
            self._end.wait()
            return 0xA700
        if isinstance(answer, str):
            _lie(event.assoc, answer)
            return 0
        if answer == 0 or 0xB000 <= answer <= 0xBFFF or answer in (0x0001, 0x0107, 0x0116):
            self.kept.append(arrived)
        if self.comment:
            from pydicom.dataset import Dataset

            status = Dataset()
            status.Status = answer
            status.ErrorComment = self.comment
            return status
        return answer


def _lie(association: Any, how: str) -> None:
    """Make the next response of this association one for something else."""
    send = association.dimse.send_msg

    def lying(primitive: Any, context_id: int) -> None:
        if how == WRONG_MESSAGE:
            primitive.MessageIDBeingRespondedTo = 4711
        else:
            primitive.AffectedSOPInstanceUID = "1.2.3.4.5.6.7"
        send(primitive, context_id)

    association.dimse.send_msg = lying
