"""A centre that keeps objects and commits to them (pynetdicom, in threads); the test says how it reports.

`how`: "same" reports on the association of the request, "new" calls back with the SCP role (PS3.4 J.3.3),
"never" leaves it to the test to call `report`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StorageCommitmentPushModel,
    Verification,
)

from tests.support.commitment_console import PUSH_INSTANCE, SYNTAXES, Reference, reference
from tests.support.ports import free_port
from tests.support.threaded_server import ThreadedServer

NO_SUCH_INSTANCE = 0x0112


@dataclass(frozen=True, slots=True)
class Asked:
    """One N-ACTION."""

    transaction: str
    references: tuple[Reference, ...]
    calling: str
    called: str


class CommitmentCentre:
    """Calls back to `gateway_port`. What it does not hold it reports as failed, and what `failures` says."""

    def __init__(self, *, how: str = "same", ae_title: str = "CENTRE", port: int | None = None) -> None:
        self.how = how
        self.ae_title = ae_title
        self.port = port or free_port()
        self.gateway_port = 0
        self.held: set[Reference] = set()
        self.asked: list[Asked] = []
        self.failures: dict[Reference, int] = {}
        self.answers: list[int | None] = []  # what was answered to our reports
        self._news = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._server: ThreadedServer | None = None

    def start(self) -> CommitmentCentre:
        """Listen."""
        ae = AE(ae_title=self.ae_title)
        ae.supported_contexts = AllStoragePresentationContexts
        ae.add_supported_context(Verification)
        ae.add_supported_context(StorageCommitmentPushModel, SYNTAXES)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_N_ACTION, self._act)]
        self._server = ThreadedServer(ae, self.port, handlers)
        return self

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            for thread in self._threads:
                thread.join(10)
            self._server.stop()
            self._server = None

    def __enter__(self) -> CommitmentCentre:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_asked(self, count: int = 1, timeout: float = 20.0) -> Asked:
        """Return the `count`th N-ACTION."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.asked) >= count, timeout), self.asked
            return self.asked[count - 1]

    def wait_answered(self, count: int = 1, timeout: float = 20.0) -> list[int | None]:
        """Return the statuses of the answers to our reports once there are `count`."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.answers) >= count, timeout), self.answers
            return list(self.answers)

    def report(self, asked: Asked) -> None:
        """Report on an association of our own."""
        ae = AE(ae_title=self.ae_title)
        ae.add_requested_context(StorageCommitmentPushModel, SYNTAXES)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        association = ae.associate("127.0.0.1", self.gateway_port, ae_title=asked.calling, ext_neg=[role])
        assert association.is_established, "the gateway takes no report"
        self._send(association, asked)
        association.release()

    def _store(self, event: Any) -> int:
        request = event.request
        self.held.add((str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)))
        return 0x0000

    def _act(self, event: Any) -> tuple[int, None]:
        information = event.action_information
        asked = Asked(
            str(information.TransactionUID),
            tuple(
                (str(each.ReferencedSOPClassUID), str(each.ReferencedSOPInstanceUID))
                for each in information.ReferencedSOPSequence
            ),
            event.assoc.requestor.ae_title.strip(),
            event.assoc.acceptor.ae_title.strip(),
        )
        if self.how != "never":
            answered = threading.Event()
            event.assoc.bind(evt.EVT_DIMSE_SENT, lambda _: answered.set())
            thread = threading.Thread(
                target=self._report_after, args=(answered, event.assoc, asked), daemon=True
            )
            self._threads.append(thread)
            thread.start()
        with self._news:
            self.asked.append(asked)
            self._news.notify_all()
        return 0x0000, None

    def _report_after(self, answered: threading.Event, association: Any, asked: Asked) -> None:
        answered.wait(10)
        if self.how == "same":
            self._send(association, asked)
        else:
            self.report(asked)

    def _send(self, association: Any, asked: Asked) -> None:
        failed = {each: NO_SUCH_INSTANCE for each in asked.references if each not in self.held}
        failed |= {each: self.failures[each] for each in asked.references if each in self.failures}
        information = Dataset()
        information.TransactionUID = asked.transaction
        committed = [reference(each) for each in asked.references if each not in failed]
        if committed:
            information.ReferencedSOPSequence = committed
        if failed:
            information.FailedSOPSequence = [reference(each, reason) for each, reason in failed.items()]
        status, _ = association.send_n_event_report(
            information, 2 if failed else 1, StorageCommitmentPushModel, PUSH_INSTANCE
        )
        with self._news:
            self.answers.append(status.get("Status"))
            self._news.notify_all()
