"""A console with storage commitment (pynetdicom): it stores, asks, and takes the report wherever it comes.

The report may come on the association of the request or on a new one to the console's own port, where the
caller has the SCP role (PS3.4 J.3.3).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StorageCommitmentPushModel,
    Verification,
)

from gateway.demo.reactor import reactor_at_rest
from gateway.demo.synthetic import SyntheticObject
from tests.support.console import Console
from tests.support.threaded_server import ThreadedServer

PUSH_INSTANCE = "1.2.840.10008.1.20.1.1"
SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]

Reference = tuple[str, str]  # SOP Class UID, SOP Instance UID


@dataclass(frozen=True, slots=True)
class Report:
    """One N-EVENT-REPORT."""

    event_type: int  # 1 complete, 2 with failures (PS3.4 J.3.3.1)
    transaction: str
    committed: set[Reference]
    failed: dict[Reference, int]
    by: str  # calling AE title when it came on an association of its own, else ""
    called: str


def request(transaction: str, references: Sequence[Reference]) -> Dataset:
    """The action information of an N-ACTION (PS3.4 Table J.3-1)."""
    data_set = Dataset()
    data_set.TransactionUID = transaction
    data_set.ReferencedSOPSequence = [reference(each) for each in references]
    return data_set


def reference(each: Reference, reason: int | None = None) -> Dataset:
    """One item of the sequences of storage commitment."""
    data_set = Dataset()
    data_set.ReferencedSOPClassUID, data_set.ReferencedSOPInstanceUID = each
    if reason is not None:
        data_set.FailureReason = reason
    return data_set


class CommitmentConsole:
    """Listens on `port` for reports; `status` is what it answers to one."""

    def __init__(self, port: int, *, ae_title: str = "LINAC1") -> None:
        self.port = port
        self.ae_title = ae_title
        self.reports: list[Report] = []
        self.status = 0x0000
        self._news = threading.Condition()

    def __enter__(self) -> CommitmentConsole:
        ae = AE(ae_title=self.ae_title)
        ae.add_supported_context(Verification)
        ae.add_supported_context(StorageCommitmentPushModel, SYNTAXES, scu_role=False, scp_role=True)
        self._server = ThreadedServer(ae, self.port, [(evt.EVT_N_EVENT_REPORT, self._reported, [True])])
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _reported(self, event: Any, own_association: bool) -> tuple[int, None]:
        information = event.event_information
        status = self.status  # as it is before anybody knows of the report
        report = Report(
            event_type=event.event_type,
            transaction=str(information.TransactionUID),
            committed={_reference(each) for each in information.get("ReferencedSOPSequence", [])},
            failed={
                _reference(each): int(each.FailureReason) for each in information.get("FailedSOPSequence", [])
            },
            by=event.assoc.requestor.ae_title.strip() if own_association else "",
            called=event.assoc.acceptor.ae_title.strip() if own_association else "",
        )
        with self._news:
            self.reports.append(report)
            self._news.notify_all()
        return status, None

    def wait_report(self, transaction: str, *, count: int = 1, timeout: float = 30.0) -> Report:
        """Return the `count`th report of `transaction`."""
        with self._news:
            came = self._news.wait_for(lambda: len(self._of(transaction)) >= count, timeout)
            assert came, f"no report of {transaction} within {timeout:g} s; came: {self.reports}"
            return self._of(transaction)[count - 1]

    def _of(self, transaction: str) -> list[Report]:
        return [report for report in self.reports if report.transaction == transaction]

    def store(self, port: int, called: str, things: Sequence[SyntheticObject]) -> None:
        """C-STORE each of `things`; all must be answered with success."""
        classes = sorted({thing.sop_class_uid for thing in things})
        with Console(port, called, self.ae_title, classes) as console:
            for thing in things:
                assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000

    def commit(
        self,
        port: int,
        called: str,
        transaction: str,
        references: Sequence[Reference],
        *,
        stay: threading.Event | None = None,
    ) -> int:
        """N-ACTION; return its status. With `stay` the association is kept until that is set."""
        ae = AE(ae_title=self.ae_title)
        ae.add_requested_context(StorageCommitmentPushModel, SYNTAXES)
        association = ae.associate(
            "127.0.0.1",
            port,
            ae_title=called,
            ext_neg=[build_role(StorageCommitmentPushModel, scu_role=True)],
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._reported, [False])],
        )
        assert association.is_established, f"no association for storage commitment with {called}"
        try:
            with reactor_at_rest(association):
                status, _ = association.send_n_action(
                    request(transaction, references), 1, StorageCommitmentPushModel, PUSH_INSTANCE
                )
            if stay is not None:
                stay.wait(30)
        finally:
            association.release()
        return int(status.Status)


def _reference(each: Dataset) -> Reference:
    return str(each.ReferencedSOPClassUID), str(each.ReferencedSOPInstanceUID)
