"""The UPS safety rule: a procedure step is not COMPLETED at the centre before its records are there.

A console stores its treatment records and then changes the state of the unified procedure step (PS3.4
CC.2.1). The records may wait here while the change is relayed at once: the centre would then see a completed
procedure without any record of what was done to the patient. So the change to COMPLETED waits until every
record that the same calling AE title stored here before it has left for the route's destinations, and is
refused when that does not come about within the route's `ups_guard`.

What counts as a record is the priority `record` of the delivery. A delivery that is held waits for a person;
the change still waits its time, because the person may be at it. What a person discarded is not waited for.

A request whose state cannot be read is refused with 0x0110 (processing failure, PS3.7 C.5.16): passed on
unread, it might be the very change that must wait, while a refusal costs the console another try. It is not
0x0106 (invalid attribute value), which would be a judgement on a value that was never seen. A data set that
can be read and has no state, or any other than COMPLETED, is none of this rule's business: the centre judges.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.dicom import data_set, messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.data_set import DataSetLimits
from gateway.dicom.negotiation import AcceptedContext
from gateway.errors import PeerError, SpoolFailure
from gateway.model import Priority, Route
from gateway.notices import Alarm, Notices, UpsGuarded

UPS_CLASSES: Final = frozenset(
    f"1.2.840.10008.5.1.4.34.{number}"
    for number in (
        *("6.1", "6.2", "6.3", "6.4", "6.5"),  # Push, Watch, Pull, Event, Query
        *("4.1", "4.2", "4.3", "4.4"),  # Push, Watch, Pull, Event of the retired Trial, still in consoles
    )
)
CHANGE_STATE: Final = 1  # action type of N-ACTION (PS3.4 CC.2.1)
PROCEDURE_STEP_STATE: Final = 0x00741000
COMPLETED: Final = "COMPLETED"

STATE_REQUIREMENTS_NOT_MET: Final = 0xC304  # PS3.4 CC.2.1: not what is required of the requested state
PROCESSING_FAILURE: Final = 0x0110

_NOT_THERE: Final = "records of this console have not reached the centre yet"
_UNREADABLE: Final = "the procedure step state in this request cannot be read"
_UNKNOWN: Final = "cannot tell whether the records have reached the centre"


@dataclass(frozen=True, slots=True)
class UpsGuardLimits:
    """What consoles may make the guard remember."""

    max_alarmed: int = 256  # callers for whom the alarm is not raised again until a change of theirs passed
    data_set: DataSetLimits = field(  # a change of state has two elements
        default_factory=lambda: DataSetLimits(max_bytes=256 * 1024, max_elements=10_000)
    )


class Unsettled(Protocol):
    """What has not arrived."""

    @property
    def count(self) -> int:
        """Deliveries that are queued, sending or held."""

    @property
    def newest(self) -> int:
        """The newest object number there is, whoever stored it."""


class Records(Protocol):
    """What the guard needs of the spool."""

    async def unsettled(
        self, *, calling_ae: str, destinations: Sequence[str], most: Priority, up_to: int | None = None
    ) -> Unsettled:
        """Count deliveries of what `calling_ae` stored, as urgent as `most`, of objects up to `up_to`."""

    def on_settled(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback(destination)` when a delivery may have arrived; the returned function ends that."""


class UpsGuard:
    """Looks at relayed requests before they go on (an Inspector of the relay)."""

    def __init__(
        self,
        records: Records,
        notices: Notices,
        clock: Callable[[], float] = time.monotonic,
        limits: UpsGuardLimits | None = None,
    ) -> None:
        """`clock` only measures, for the notices; the bound of a wait runs on the event loop's clock."""
        self._records = records
        self._notices = notices
        self._clock = clock
        self._limits = limits or UpsGuardLimits()
        self._alarmed: dict[tuple[str, str], None] = {}

    def wants(self, route: Route, context: AcceptedContext, command: Command) -> bool:
        """Say whether `command` may change the state of a UPS.

        The instance is one of UPS Push whatever the context (PS3.4 CC.3.1), so the context and the SOP class
        that the request names are both looked at; and a request without an action type is read all the same.
        """
        return (
            route.ups_guard > 0
            and command.command_field == CommandField.N_ACTION_RQ
            and command.action_type_id in (CHANGE_STATE, None)
            and not UPS_CLASSES.isdisjoint((context.abstract_syntax, command.requested_sop_class_uid))
        )

    async def inspect(
        self, route: Route, calling_ae: str, context: AcceptedContext, command: Command, data: bytes
    ) -> Command | None:
        """Return None when the request may go on, after its wait, else the refusal for the console.

        Returns within the route's `ups_guard` seconds. Cancelled, it leaves nothing behind.
        """
        try:
            if not _completes(data, context.transfer_syntax, self._limits.data_set):
                return None
        except PeerError:
            return self._refuse(route, calling_ae, command, PROCESSING_FAILURE, _UNREADABLE)
        since = self._clock()
        waiting = _Waiting(self._records, calling_ae, route.to)
        try:
            async with asyncio.timeout(route.ups_guard):
                await waiting.until_settled()
        except TimeoutError:
            self._alarm(route, calling_ae, waiting.left)
            return self._refuse(
                route,
                calling_ae,
                command,
                STATE_REQUIREMENTS_NOT_MET,
                _NOT_THERE,
                records=waiting.left or 0,
                seconds=self._clock() - since,
            )
        except SpoolFailure:
            return self._refuse(route, calling_ae, command, PROCESSING_FAILURE, _UNKNOWN)
        self._alarmed.pop((calling_ae, route.called), None)
        if waiting.at_first:
            seconds = self._clock() - since
            self._notices.publish(
                UpsGuarded(calling_ae, route.called, "passed", waiting.at_first, seconds, "")
            )
        return None

    def _refuse(
        self,
        route: Route,
        calling_ae: str,
        command: Command,
        status: int,
        words: str,
        *,
        records: int = 0,
        seconds: float = 0.0,
    ) -> Command:
        self._notices.publish(UpsGuarded(calling_ae, route.called, "refused", records, seconds, words))
        return messages.n_action_rsp(command, status, error_comment=words)

    def _alarm(self, route: Route, calling_ae: str, records: int | None) -> None:
        """Raise the alarm, once until a change of this caller passes: consoles try again soon."""
        caller = (calling_ae, route.called)
        if caller in self._alarmed:
            return
        while len(self._alarmed) >= self._limits.max_alarmed:
            del self._alarmed[next(iter(self._alarmed))]
        self._alarmed[caller] = None
        what = "the records" if records is None else f"{records} deliveries of records"
        self._notices.publish(
            Alarm(
                "ups-held-back",
                f"a procedure step of {calling_ae} was not let become COMPLETED: {what} to "
                f"{', '.join(route.to)} did not arrive within {route.ups_guard:g} s; look at the queue",
            )
        )


class _Waiting:
    """One change to COMPLETED that waits for what was stored before it."""

    def __init__(self, records: Records, calling_ae: str, destinations: Sequence[str]) -> None:
        self.at_first = 0
        self.left: int | None = None  # None: the journal has not answered yet
        self._records = records
        self._calling_ae = calling_ae
        self._destinations = destinations
        self._news = asyncio.Event()

    async def until_settled(self) -> None:
        """Return when nothing is left. The ear is open before the first look: no news is missed."""
        forget = self._records.on_settled(self._settled)
        try:
            first = await self._look(None)
            self.at_first = self.left = first.count
            while self.left:
                await self._news.wait()
                self._news.clear()
                self.left = (await self._look(first.newest)).count
        finally:
            forget()

    async def _look(self, up_to: int | None) -> Unsettled:
        return await self._records.unsettled(
            calling_ae=self._calling_ae, destinations=self._destinations, most=Priority.RECORD, up_to=up_to
        )

    def _settled(self, destination: str) -> None:
        if destination in self._destinations:
            self._news.set()


def _completes(data: bytes, transfer_syntax: str, limits: DataSetLimits) -> bool:
    """Say whether the request asks for COMPLETED; raise PeerError when that cannot be read."""
    if not data:
        return False
    state = data_set.parse(data, transfer_syntax, limits).text(PROCEDURE_STEP_STATE)
    return COMPLETED in (value.strip().upper() for value in state.split("\\"))
