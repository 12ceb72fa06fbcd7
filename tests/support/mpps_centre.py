"""A real MPPS SCP (pynetdicom, in threads): keeps procedure steps as PS3.4 F.7.2 says, fails on command."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from tests.support.ports import free_port
from tests.support.steps import EXPLICIT, IMPLICIT, MPPS

CUT_BEFORE = "cut before it is applied"
CUT_AFTER = "cut after it is applied"
SILENT = "applied, and never answered"
SILENT_BEFORE = "never answered, and not applied"
WRONG_OBJECT = "answered for another instance"
NO_LONGER = "Performed Procedure Step Object may no longer be updated"
Answer = int | str | None
"""None: as the standard says."""


@dataclass(frozen=True, slots=True)
class Received:
    """One N-CREATE-RQ or N-SET-RQ."""

    uid: str
    kind: str
    calling: str
    syntax: str
    data: bytes
    association: int


@dataclass
class Kept:
    """A procedure step as the centre has it."""

    status: str
    data: list[bytes] = field(default_factory=list)  # N-CREATE, then each N-SET that was applied


class MppsCentre:
    """`answer` is called in a thread for each request."""

    def __init__(
        self,
        answer: Callable[[Received], Answer] = lambda received: None,
        *,
        syntaxes: Sequence[str] = (IMPLICIT, EXPLICIT),
        sop_class: str = MPPS,
        ae_title: str = "CENTRE",
        port: int | None = None,
        titles: Sequence[str] = (),
        standard_words: bool = True,
    ) -> None:
        self.answer = answer
        self.port = port or free_port()
        self.ae_title = ae_title
        self.received: list[Received] = []
        self.instances: dict[str, Kept] = {}
        self.associations: list[str] = []  # the calling titles
        self.standard_words = standard_words  # error ID and comment with 0x0110
        self.released = threading.Event()
        self._syntaxes = list(syntaxes)
        self._sop_class = sop_class
        self._titles = list(titles)
        self._server: Any = None
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads: list[Any] = []
        self._sockets: list[Any] = []

    def start(self) -> MppsCentre:
        """Listen."""
        ae = AE(ae_title=self.ae_title)
        ae.require_called_aet = True
        ae.require_calling_aet = self._titles
        ae.network_timeout = None
        ae.add_supported_context(self._sop_class, self._syntaxes)
        self._end.clear()
        self._server = ae.start_server(
            ("127.0.0.1", self.port),
            block=False,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, self._connected),
                (evt.EVT_ACCEPTED, self._accepted),
                (evt.EVT_RELEASED, lambda event: self.released.set()),
                (evt.EVT_N_CREATE, self._create),
                (evt.EVT_N_SET, self._set),
            ],
        )
        return self

    def stop(self) -> None:
        """Cut everything and listen no longer."""
        self._end.set()
        self.cut()
        self.listen_no_longer()
        for association in self._threads:
            association.kill()
            association.join(5)
        for connection in self._sockets:
            connection.close()
        self._threads.clear()
        self._sockets.clear()

    def listen_no_longer(self) -> None:
        """Refuse new connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def cut(self) -> None:
        """Cut every connection, as a link that breaks does."""
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> MppsCentre:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def order(self, uid: str | None = None) -> list[str]:
        """Return the kinds of what was received, for one procedure step or all."""
        return [one.kind for one in self.received if uid in (None, one.uid)]

    def _connected(self, event: Any) -> None:
        # pynetdicom leaves sockets to the garbage collector when an association is killed.
        self._threads.append(event.assoc)
        self._sockets.append(event.assoc.dul.socket.socket)

    def _accepted(self, event: Any) -> None:
        self.associations.append(event.assoc.requestor.ae_title)

    def _create(self, event: Any) -> Any:
        request = event.request
        uid, data = str(request.AffectedSOPInstanceUID), request.AttributeList.getvalue()
        return self._perform(
            event, "create", uid, data, lambda: self._apply_create(uid, data, event.attribute_list)
        )

    def _set(self, event: Any) -> Any:
        request = event.request
        uid, data = str(request.RequestedSOPInstanceUID), request.ModificationList.getvalue()
        return self._perform(
            event, "set", uid, data, lambda: self._apply_set(uid, data, event.modification_list)
        )

    def _perform(self, event: Any, kind: str, uid: str, data: bytes, apply: Callable[[], Any]) -> Any:
        with self._lock:
            received = Received(
                uid,
                kind,
                event.assoc.requestor.ae_title,
                str(event.context.transfer_syntax),
                data,
                id(event.assoc),
            )
            self.received.append(received)
            answer = self.answer(received)
            if isinstance(answer, int):
                return answer, None
            status = 0xC000 if answer in (CUT_BEFORE, SILENT_BEFORE) else apply()
        if answer in (CUT_BEFORE, CUT_AFTER):
            with contextlib.suppress(OSError):
                event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        elif answer in (SILENT, SILENT_BEFORE):
            self._end.wait()
        elif answer == WRONG_OBJECT:
            _lie(event.assoc)
        return status, None

    def _apply_create(self, uid: str, data: bytes, attributes: Dataset) -> Any:
        if uid in self.instances:
            return 0x0111
        self.instances[uid] = Kept(str(attributes.PerformedProcedureStepStatus), [data])
        return 0x0000

    def _apply_set(self, uid: str, data: bytes, changes: Dataset) -> Any:
        kept = self.instances.get(uid)
        if kept is None:
            return 0x0112
        if kept.status in ("COMPLETED", "DISCONTINUED"):
            if not self.standard_words:
                return 0x0110
            status = Dataset()
            status.Status = 0x0110
            status.ErrorID = 0xA710
            status.ErrorComment = NO_LONGER
            return status
        kept.status = str(changes.get("PerformedProcedureStepStatus", kept.status))
        kept.data.append(data)
        return 0x0000


def _lie(association: Any) -> None:
    """Make the next response of this association one about another instance."""
    send = association.dimse.send_msg

    def lying(primitive: Any, context_id: int) -> None:
        primitive.AffectedSOPInstanceUID = "1.2.3.4.5.6.7"
        send(primitive, context_id)

    association.dimse.send_msg = lying
