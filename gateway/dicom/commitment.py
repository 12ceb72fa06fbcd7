"""What the Storage Commitment Push Model says in its messages (PS3.4 annex J.3). Pure.

    SCU ── N-ACTION 1: Transaction UID, the instances asked about ──────────────▶ SCP
    SCU ◀─ N-EVENT-REPORT 1 (all committed) or 2 (failures exist): what became ── SCP
           of each instance, under the same Transaction UID

The gateway is SCP towards consoles and SCU towards destinations; both sides read and write here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.data_set import DataSet, DataSetError, DataSetLimits, Elements, Value, encode, parse
from gateway.errors import PeerError
from gateway.model import valid_uid

PUSH_MODEL: Final = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
REQUEST_COMMITMENT: Final = 1  # action type
ALL_COMMITTED: Final = 1  # event type
FAILURES_EXIST: Final = 2  # event type

NO_SUCH_INSTANCE: Final = 0x0112  # statuses of PS3.7 annex C, and failure reasons of PS3.3 C.14.1.1
NO_SUCH_EVENT: Final = 0x0113
NO_SUCH_ARGUMENT: Final = 0x0114
INVALID_ARGUMENT: Final = 0x0115
NO_SUCH_CLASS: Final = 0x0118
NO_SUCH_ACTION: Final = 0x0123
RESOURCE_LIMITATION: Final = 0x0213

PROCESSING_FAILURE: Final = 0x0110
CLASS_INSTANCE_CONFLICT: Final = 0x0119

FAILURE_REASONS: Final[Mapping[int, str]] = {
    0x0110: "a general failure in processing",
    0x0112: "it does not have the object",
    0x0119: "it has the object under another SOP class",
    0x0122: "it does not support the SOP class",
    0x0131: "the transaction UID is in use already",
    0x0213: "it has no resources for the request",
}
"""Failure Reason (0008,1197), PS3.3 C.14.1.1, said of who gives it."""

_RETRIEVE_AE: Final = 0x00080054
_SOP_CLASS: Final = 0x00081150
_SOP_INSTANCE: Final = 0x00081155
_TRANSACTION: Final = 0x00081195
_REASON: Final = 0x00081197
_FAILED: Final = 0x00081198
_REFERENCED: Final = 0x00081199

_BYTES_PER_REFERENCE: Final = 256  # two UIDs and a reason with their headers, generously
_ELEMENTS_PER_REFERENCE: Final = 12  # looked at twice where lengths are undefined
_BESIDES: Final = 64 * 1024


class Sop(NamedTuple):
    """A reference to an instance."""

    class_uid: str
    instance_uid: str


class Refused(PeerError):
    """A request that cannot be taken as it is: the status to answer, and the error comment."""

    def __init__(self, status: int, comment: str) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment


@dataclass(frozen=True, slots=True)
class Action:
    """Action information: what is to be committed. A reference named twice is there once."""

    transaction_uid: str
    references: tuple[Sop, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """Event information: what became of a request. No instance is in both lists: in doubt it failed."""

    transaction_uid: str
    committed: tuple[Sop, ...]
    failed: tuple[tuple[Sop, int], ...]  # with the failure reason


def words(reason: int) -> str:
    """Say a failure reason, for example "0x0112, it does not have the object"."""
    return f"0x{reason:04X}, {FAILURE_REASONS.get(reason, 'a reason that the standard does not define')}"


def max_bytes(references: int) -> int:
    """How long a data set about that many instances may reasonably be."""
    return references * _BYTES_PER_REFERENCE + _BESIDES


def _limits(references: int) -> DataSetLimits:
    return DataSetLimits(
        max_bytes=max_bytes(references), max_elements=references * _ELEMENTS_PER_REFERENCE + 1000
    )


# ---- the request ------------------------------------------------------------------------------------------


def action_rq(message_id: int) -> Command:
    """N-ACTION-RQ that asks for commitment; its action information follows."""
    return messages.n_action_rq(
        message_id, PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST_COMMITMENT, has_data_set=True
    )


def action_information(transaction_uid: str, references: Iterable[Sop], transfer_syntax_uid: str) -> bytes:
    """PS3.4 Table J.3-1."""
    elements: Elements = {
        _TRANSACTION: ("UI", transaction_uid),
        _REFERENCED: ("SQ", [_item(one) for one in references]),
    }
    return encode(elements, transfer_syntax_uid)


def check_action(command: Command) -> None:
    """Check an N-ACTION-RQ on a context of the push model. Raises Refused."""
    _check_instance(command.requested_sop_class_uid, command.requested_sop_instance_uid)
    if command.action_type_id != REQUEST_COMMITMENT:
        raise Refused(NO_SUCH_ACTION, "the one action is 1, Request Storage Commitment")
    if not command.has_data_set:
        raise Refused(NO_SUCH_ARGUMENT, "the action information is missing")


def read_action(data: bytes, transfer_syntax_uid: str, most: int) -> Action:
    """Read action information about `most` instances at most. Raises Refused."""
    information = _parse(data, transfer_syntax_uid, most)
    transaction_uid = _transaction(information)
    references = _references(information, _REFERENCED, most)
    if _REFERENCED not in information:
        raise Refused(NO_SUCH_ARGUMENT, "the Referenced SOP Sequence is missing")
    if not references:
        raise Refused(INVALID_ARGUMENT, "the Referenced SOP Sequence is empty")
    return Action(transaction_uid, tuple(dict.fromkeys(one for one, _ in references)))


# ---- the result -------------------------------------------------------------------------------------------


def event_rq(message_id: int, result: Result) -> Command:
    """N-EVENT-REPORT-RQ that tells a result; its event information follows."""
    event = FAILURES_EXIST if result.failed else ALL_COMMITTED
    return messages.n_event_report_rq(message_id, PUSH_MODEL, PUSH_MODEL_INSTANCE, event, has_data_set=True)


def event_information(result: Result, transfer_syntax_uid: str, *, retrieve_ae: str = "") -> bytes:
    """PS3.4 Table J.3-2. `retrieve_ae`: whom to ask for what was committed."""
    elements: dict[int, tuple[str, Value]] = {_TRANSACTION: ("UI", result.transaction_uid)}
    if result.committed:
        elements[_REFERENCED] = ("SQ", [_item(one) for one in result.committed])
        if retrieve_ae:
            elements[_RETRIEVE_AE] = ("AE", retrieve_ae)
    if result.failed:
        items = [{**_item(one), _REASON: ("US", reason)} for one, reason in result.failed]
        elements[_FAILED] = ("SQ", items)
    return encode(elements, transfer_syntax_uid)


def check_event(command: Command) -> None:
    """Check an N-EVENT-REPORT-RQ on a context of the push model. Raises Refused."""
    _check_instance(command.affected_sop_class_uid, command.affected_sop_instance_uid)
    if command.event_type_id not in (ALL_COMMITTED, FAILURES_EXIST):
        raise Refused(NO_SUCH_EVENT, "the events are 1 and 2, with and without failures")
    if not command.has_data_set:
        raise Refused(NO_SUCH_ARGUMENT, "the event information is missing")


def read_event(data: bytes, transfer_syntax_uid: str, most: int) -> Result:
    """Read event information about `most` instances at most. Raises Refused.

    The event type is not looked at: what the sequences say is what is known. An item without a usable
    failure reason counts as failed for no reason that is known (0x0110).
    """
    information = _parse(data, transfer_syntax_uid, most)
    transaction_uid = _transaction(information)
    failed = {
        one: reason if reason and reason <= 0xFFFF else PROCESSING_FAILURE
        for one, reason in _references(information, _FAILED, most)
    }
    committed = dict.fromkeys(
        one for one, _ in _references(information, _REFERENCED, most - len(failed)) if one not in failed
    )
    return Result(transaction_uid, tuple(committed), tuple(failed.items()))


# ---- both -------------------------------------------------------------------------------------------------


def _item(one: Sop) -> dict[int, tuple[str, Value]]:
    return {_SOP_CLASS: ("UI", one.class_uid), _SOP_INSTANCE: ("UI", one.instance_uid)}


def _check_instance(class_uid: str | None, instance_uid: str | None) -> None:
    if class_uid != PUSH_MODEL:
        raise Refused(NO_SUCH_CLASS, "the SOP class is not that of the presentation context")
    if instance_uid != PUSH_MODEL_INSTANCE:
        raise Refused(NO_SUCH_INSTANCE, "the one instance is 1.2.840.10008.1.20.1.1")


def _parse(data: bytes, transfer_syntax_uid: str, most: int) -> DataSet:
    if len(data) > max_bytes(most):
        raise Refused(RESOURCE_LIMITATION, f"more than {most} instances in one request")
    try:
        return parse(data, transfer_syntax_uid, _limits(most))
    except DataSetError:
        raise Refused(INVALID_ARGUMENT, "the data set cannot be read") from None


def _transaction(information: DataSet) -> str:
    transaction_uid = information.text(_TRANSACTION)
    if not transaction_uid:
        raise Refused(NO_SUCH_ARGUMENT, "the Transaction UID is missing")
    if not valid_uid(transaction_uid):
        raise Refused(INVALID_ARGUMENT, "the Transaction UID is not a UID")
    return transaction_uid


def _references(information: DataSet, sequence: int, most: int) -> Sequence[tuple[Sop, int | None]]:
    try:
        items = information.items(sequence)
    except DataSetError:
        raise Refused(INVALID_ARGUMENT, "a sequence of references cannot be read") from None
    if len(items) > most:
        raise Refused(RESOURCE_LIMITATION, f"more than {most} instances in one request")
    return [(_reference(item), item.number(_REASON)) for item in items]


def _reference(item: DataSet) -> Sop:
    one = Sop(item.text(_SOP_CLASS), item.text(_SOP_INSTANCE))
    if not all(one):
        raise Refused(NO_SUCH_ARGUMENT, "a reference lacks its SOP class or SOP instance UID")
    if not all(map(valid_uid, one)):
        raise Refused(INVALID_ARGUMENT, "a reference has something else than UIDs")
    return one
