"""The UPS guard with everything around it in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway.dicom import data_set, messages
from gateway.dicom.command import Command
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import AETitle, Route
from gateway.services.ups_guard import UpsGuard, UpsGuardLimits
from tests.support.notice_log import NoticeLog
from tests.support.ups_records import FakeRecords

PUSH = "1.2.840.10008.5.1.4.34.6.1"
PULL = "1.2.840.10008.5.1.4.34.6.3"
TRIAL_PUSH = "1.2.840.10008.5.1.4.34.4.1"
TRIAL_PULL = "1.2.840.10008.5.1.4.34.4.3"
MPPS = "1.2.840.10008.3.1.2.3.3"
IMPLICIT = "1.2.840.10008.1.2"
SYNTAXES = data_set.SYNTAXES
STEP = "1.2.826.0.1.3680043.10.1.77"
CONSOLE = "LINAC1"
ROUTE = Route(AETitle("ARIA"), ("oncology", "copy"), ups_guard=15.0)


def context(abstract_syntax: str = PULL, transfer_syntax: str = IMPLICIT) -> AcceptedContext:
    return AcceptedContext(1, abstract_syntax, transfer_syntax)


def change(sop_class: str = PUSH, action: int = 1) -> Command:
    return messages.n_action_rq(7, sop_class, STEP, action, has_data_set=True)


def state(value: str = "COMPLETED", transfer_syntax: str = IMPLICIT) -> bytes:
    elements = {0x00081195: ("UI", "1.2.3.4"), 0x00741000: ("CS", value)}
    return data_set.encode(elements, transfer_syntax)


@dataclass
class Scene:
    """A guard with everything around it."""

    limits: UpsGuardLimits | None = None
    log: NoticeLog = field(default_factory=NoticeLog)
    records: FakeRecords = field(default_factory=FakeRecords)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.guard = UpsGuard(self.records, self.log.notices, loop.time, self.limits)

    def ask(
        self, route: Route = ROUTE, calling_ae: str = CONSOLE, data: bytes | None = None
    ) -> asyncio.Task[Command | None]:
        """Ask for COMPLETED."""
        data = state() if data is None else data
        return asyncio.create_task(self.guard.inspect(route, calling_ae, context(), change(), data))
