"""What a console says to an oncology information system, service by service (PS3.4 F, R, V, CC and DD)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway.dicom import messages
from gateway.dicom.command import CommandField
from tests.support.identifiers import identifier
from tests.support.wire_console import Heard, WireConsole, n_request
from tests.support.wire_peer import EXPLICIT

UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
UPS_WATCH = "1.2.840.10008.5.1.4.34.6.2"
UPS_PULL = "1.2.840.10008.5.1.4.34.6.3"
UPS_EVENT = "1.2.840.10008.5.1.4.34.6.4"
UPS_QUERY = "1.2.840.10008.5.1.4.34.6.5"
TRIAL_PUSH = "1.2.840.10008.5.1.4.34.4.1"
TRIAL_WATCH = "1.2.840.10008.5.1.4.34.4.2"
TRIAL_PULL = "1.2.840.10008.5.1.4.34.4.3"
TRIAL_EVENT = "1.2.840.10008.5.1.4.34.4.4"
EVERY_STEP = "1.2.840.10008.5.1.4.34.5"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
CONVENTIONAL_VERIFICATION = "1.2.840.10008.5.1.4.34.8"
ION_VERIFICATION = "1.2.840.10008.5.1.4.34.9"
SUBSTANCE_LOGGING = "1.2.840.10008.1.42"
SUBSTANCE_APPROVAL = "1.2.840.10008.5.1.4.42"
AVAILABILITY = "1.2.840.10008.5.1.4.33"
PRIVATE = "1.2.826.0.1.3680043.10.9999.1"

STEP = "2.25.100"
TRANSACTION = "2.25.777"


class Speaker:
    """A console in a conversation: every request by name, everything heard kept in order."""

    def __init__(self, console: WireConsole) -> None:
        self.heard: list[Heard] = []
        self._console = console

    async def _ask(
        self,
        context: str,
        field: CommandField,
        sop_class: str | None,
        instance: str | None,
        type_id: int | None,
        events: int,
        attributes: dict[str, Any] | None,
    ) -> int | None:
        data = identifier(EXPLICIT, **attributes) if attributes else b""
        request = n_request(field, sop_class or context, instance, type_id=type_id)
        heard = await self._console.ask(context, request, data, more=events)
        self.heard += heard
        return next(each.status for each in heard if each.command.is_response)

    async def create(
        self,
        context: str,
        instance: str | None,
        *,
        sop_class: str | None = None,
        events: int = 0,
        **attributes: Any,
    ) -> int | None:
        """N-CREATE; the status of its answer. `events`: how many N-EVENT-REPORTs come with it."""
        return await self._ask(
            context, CommandField.N_CREATE_RQ, sop_class, instance, None, events, attributes
        )

    async def set(
        self, context: str, instance: str, *, sop_class: str | None = None, **attributes: Any
    ) -> int | None:
        """N-SET."""
        return await self._ask(context, CommandField.N_SET_RQ, sop_class, instance, None, 0, attributes)

    async def get(self, context: str, instance: str, *, sop_class: str | None = None) -> int | None:
        """N-GET of every attribute."""
        return await self._ask(context, CommandField.N_GET_RQ, sop_class, instance, None, 0, None)

    async def delete(self, context: str, instance: str) -> int | None:
        """N-DELETE."""
        return await self._ask(context, CommandField.N_DELETE_RQ, None, instance, None, 0, None)

    async def act(
        self,
        context: str,
        type_id: int,
        instance: str,
        *,
        sop_class: str | None = None,
        events: int = 0,
        **attributes: Any,
    ) -> int | None:
        """N-ACTION."""
        return await self._ask(
            context, CommandField.N_ACTION_RQ, sop_class, instance, type_id, events, attributes
        )

    async def find(self, context: str, **keys: Any) -> int:
        """C-FIND; how many answers were found."""
        heard = await self._console.ask(context, messages.c_find_rq(0, context), identifier(EXPLICIT, **keys))
        self.heard += heard
        assert heard[-1].status == 0x0000
        return len(heard) - 1


Conversation = Callable[[Speaker], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Topic:
    """One conversation, and the abstract syntaxes it needs."""

    name: str
    contexts: tuple[str, ...]
    hold: Conversation


async def _unified_steps(say: Speaker, push: str, watch: str, pull: str, event: str, query: str) -> None:
    """A treatment from its scheduling to its end, watched (PS3.4 CC.2)."""
    about = {"ProcedureStepLabel": "Fraction 1", "PatientID": "SYN-000001"}
    assert await say.create(push, STEP, ProcedureStepState="SCHEDULED", **about) == 0x0000
    assert await say.create(push, STEP, ProcedureStepState="SCHEDULED", **about) == 0x0111
    assert await say.create(push, "2.25.101", ProcedureStepState="COMPLETED", **about) == 0xC309
    assert await say.find(query, ProcedureStepState="SCHEDULED", PatientID="", ProcedureStepLabel="") == 1
    assert (
        await say.act(watch, 3, STEP, sop_class=push, events=1, ReceivingAE="LINAC1", DeletionLock="FALSE")
        == 0x0000
    )
    assert (
        await say.act(watch, 3, EVERY_STEP, sop_class=push, ReceivingAE="LINAC1", DeletionLock="FALSE") == 0
    )
    change = {"TransactionUID": TRANSACTION, "ProcedureStepState": "IN PROGRESS"}
    assert await say.act(pull, 1, STEP, sop_class=push, events=1, **change) == 0x0000
    assert await say.act(pull, 1, STEP, sop_class=push, **change) == 0xC302
    assert (
        await say.set(pull, STEP, sop_class=push, TransactionUID=TRANSACTION, ProcedureStepLabel="Beam on")
        == 0x0000
    )
    assert await say.set(pull, STEP, sop_class=push, TransactionUID="2.25.1", WorklistLabel="No") == 0xC301
    assert await say.get(pull, STEP, sop_class=push) == 0x0000
    # The request to cancel is reported before it is answered.
    assert await say.act(push, 2, STEP, events=1, ReasonForCancellation="Patient unwell") == 0x0000
    done = change | {"ProcedureStepState": "COMPLETED"}
    assert await say.act(pull, 1, STEP, sop_class=push, events=1, **done) == 0x0000
    assert await say.act(pull, 1, STEP, sop_class=push, **done) == 0xB306
    assert await say.act(watch, 4, STEP, sop_class=push, ReceivingAE="LINAC1") == 0x0000
    assert await say.get(pull, "2.25.404", sop_class=push) == 0xC307


async def _ups(say: Speaker) -> None:
    await _unified_steps(say, UPS_PUSH, UPS_WATCH, UPS_PULL, UPS_EVENT, UPS_QUERY)


async def _trial_ups(say: Speaker) -> None:
    await _unified_steps(say, TRIAL_PUSH, TRIAL_WATCH, TRIAL_PULL, TRIAL_EVENT, TRIAL_PULL)


async def _mpps(say: Speaker) -> None:
    begun = {"PerformedProcedureStepStatus": "IN PROGRESS", "PerformedProcedureStepID": "PPS1"}
    assert await say.create(MPPS, STEP, **begun) == 0x0000
    assert await say.create(MPPS, None, **begun) == 0x0000  # the far end names it
    assert await say.set(MPPS, STEP, PerformedProcedureStepDescription="Beam 1 of 2") == 0x0000
    assert await say.set(MPPS, STEP, PerformedProcedureStepStatus="COMPLETED") == 0x0000
    assert await say.set(MPPS, STEP, PerformedProcedureStepDescription="Too late") == 0x0110
    assert await say.get(MPPS_RETRIEVE, STEP) == 0x0000
    assert await say.get(MPPS_RETRIEVE, "2.25.404") == 0x0112


async def _verification(say: Speaker, sop_class: str) -> None:
    assert await say.create(sop_class, STEP, GeneralMachineVerificationSequence=[]) == 0x0000
    assert await say.set(sop_class, STEP, RTPlanLabel="Plan 1") == 0x0000
    assert await say.act(sop_class, 1, STEP, RTPlanLabel="Plan 1") == 0x0000
    assert await say.get(sop_class, STEP) == 0x0000
    assert await say.delete(sop_class, STEP) == 0x0000
    assert await say.delete(sop_class, STEP) == 0x0112


async def _conventional(say: Speaker) -> None:
    await _verification(say, CONVENTIONAL_VERIFICATION)


async def _ion(say: Speaker) -> None:
    await _verification(say, ION_VERIFICATION)


async def _substance(say: Speaker) -> None:
    assert await say.find(SUBSTANCE_APPROVAL, PatientID="SYN-000001") == 0
    assert await say.act(SUBSTANCE_LOGGING, 1, "1.2.840.10008.1.42.1", PatientID="SYN-000001") == 0x0000


async def _availability(say: Speaker) -> None:
    assert await say.create(AVAILABILITY, STEP, StudyInstanceUID="2.25.5", RetrieveAETitle="X") == 0x0000


async def _private(say: Speaker) -> None:
    assert await say.create(PRIVATE, STEP, PatientComments="of our own") == 0x0000
    assert await say.act(PRIVATE, 4711, STEP, PatientComments="an action nobody else knows") == 0x0000
    assert await say.find(PRIVATE, PatientID="") == 1
    assert await say.delete(PRIVATE, STEP) == 0x0000


TOPICS = (
    Topic("UPS", (UPS_PUSH, UPS_WATCH, UPS_PULL, UPS_EVENT, UPS_QUERY), _ups),
    Topic("trial UPS", (TRIAL_PUSH, TRIAL_WATCH, TRIAL_PULL, TRIAL_EVENT), _trial_ups),
    Topic("MPPS", (MPPS, MPPS_RETRIEVE), _mpps),
    Topic("conventional machine verification", (CONVENTIONAL_VERIFICATION,), _conventional),
    Topic("ion machine verification", (ION_VERIFICATION,), _ion),
    Topic("substance administration", (SUBSTANCE_LOGGING, SUBSTANCE_APPROVAL), _substance),
    Topic("instance availability", (AVAILABILITY,), _availability),
    Topic("a private SOP class", (PRIVATE,), _private),
)
