"""A builder for each DIMSE message (PS3.7 9.3 and 10.3).

Requests take what the message must carry. Responses are built from the request they answer: `response`
copies the message ID and the identity that the service demands, and the named builders say which of the
other elements their message may carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.dicom.command import Command, CommandField

MEDIUM: Final = 0
"""Priority (0000,0700)."""

VERIFICATION: Final = "1.2.840.10008.1.1"

_MAX_COMMENT: Final = 64
"""An error comment is a long string: 64 characters (PS3.5 6.2)."""

_RESPONSE_BIT: Final = 0x8000

_INSTANCE_ECHOED: Final = frozenset(
    {
        CommandField.C_STORE_RQ,
        CommandField.N_EVENT_REPORT_RQ,
        CommandField.N_GET_RQ,
        CommandField.N_SET_RQ,
        CommandField.N_ACTION_RQ,
        CommandField.N_CREATE_RQ,
        CommandField.N_DELETE_RQ,
    }
)


@dataclass(frozen=True, slots=True)
class SubOperations:
    """The counters of a C-GET or C-MOVE response (PS3.7 9.1.3, 9.1.4); `remaining` None in the final one."""

    remaining: int | None
    completed: int
    failed: int
    warning: int


def response(
    request: Command,
    status: int,
    *,
    has_data_set: bool = False,
    error_comment: str | None = None,
    error_id: int | None = None,
    offending_element: tuple[int, ...] = (),
    attribute_identifier_list: tuple[int, ...] = (),
    sop_instance_uid: str | None = None,
    sub_operations: SubOperations | None = None,
) -> Command:
    """The response to `request`, whatever its service; also for operations we do not know (0x0211).

    `sop_instance_uid` replaces the request's, for an N-CREATE that leaves it to the SCP.
    """
    field = request.command_field
    instance = None
    if field in _INSTANCE_ECHOED:
        instance = sop_instance_uid or request.affected_sop_instance_uid or request.requested_sop_instance_uid
    return Command(
        command_field=field | _RESPONSE_BIT,
        has_data_set=has_data_set,
        message_id_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid or request.requested_sop_class_uid,
        affected_sop_instance_uid=instance,
        status=status,
        error_comment=_comment(error_comment) if error_comment else None,
        error_id=error_id,
        offending_element=offending_element,
        attribute_identifier_list=attribute_identifier_list,
        event_type_id=request.event_type_id,
        action_type_id=request.action_type_id,
        number_of_remaining=sub_operations.remaining if sub_operations else None,
        number_of_completed=sub_operations.completed if sub_operations else None,
        number_of_failed=sub_operations.failed if sub_operations else None,
        number_of_warning=sub_operations.warning if sub_operations else None,
    )


def _comment(text: str) -> str:
    return text[:_MAX_COMMENT].encode("ascii", "replace").decode("ascii").replace("\\", "/").strip()


# ---- composite services -----------------------------------------------------------------------------------


def c_echo_rq(message_id: int) -> Command:
    """C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return Command(
        command_field=CommandField.C_ECHO_RQ, message_id=message_id, affected_sop_class_uid=VERIFICATION
    )


def c_echo_rsp(request: Command, status: int = 0x0000) -> Command:
    """C-ECHO-RSP (PS3.7 9.3.5.2)."""
    return response(request, status)


def c_store_rq(
    message_id: int,
    sop_class_uid: str,
    sop_instance_uid: str,
    *,
    priority: int = MEDIUM,
    originator: tuple[str, int] | None = None,
) -> Command:
    """C-STORE-RQ (PS3.7 9.3.1.1). `originator` is AE title and message ID of the C-MOVE that caused it."""
    return Command(
        command_field=CommandField.C_STORE_RQ,
        has_data_set=True,
        message_id=message_id,
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
        priority=priority,
        move_originator_ae=originator[0] if originator else None,
        move_originator_message_id=originator[1] if originator else None,
    )


def c_store_rsp(
    request: Command,
    status: int = 0x0000,
    *,
    error_comment: str | None = None,
    offending_element: tuple[int, ...] = (),
) -> Command:
    """C-STORE-RSP (PS3.7 9.3.1.2)."""
    return response(request, status, error_comment=error_comment, offending_element=offending_element)


def c_find_rq(message_id: int, sop_class_uid: str, *, priority: int = MEDIUM) -> Command:
    """C-FIND-RQ (PS3.7 9.3.2.1); its identifier follows."""
    return _query(CommandField.C_FIND_RQ, message_id, sop_class_uid, priority)


def c_find_rsp(
    request: Command,
    status: int,
    *,
    has_data_set: bool = False,
    error_comment: str | None = None,
    offending_element: tuple[int, ...] = (),
) -> Command:
    """C-FIND-RSP (PS3.7 9.3.2.2); a pending one carries an identifier."""
    return response(
        request,
        status,
        has_data_set=has_data_set,
        error_comment=error_comment,
        offending_element=offending_element,
    )


def c_get_rq(message_id: int, sop_class_uid: str, *, priority: int = MEDIUM) -> Command:
    """C-GET-RQ (PS3.7 9.3.3.1); its identifier follows."""
    return _query(CommandField.C_GET_RQ, message_id, sop_class_uid, priority)


def c_get_rsp(
    request: Command,
    status: int,
    sub_operations: SubOperations | None = None,
    *,
    has_data_set: bool = False,
    error_comment: str | None = None,
    offending_element: tuple[int, ...] = (),
) -> Command:
    """C-GET-RSP (PS3.7 9.3.3.2)."""
    return response(
        request,
        status,
        has_data_set=has_data_set,
        error_comment=error_comment,
        offending_element=offending_element,
        sub_operations=sub_operations,
    )


def c_move_rq(message_id: int, sop_class_uid: str, destination: str, *, priority: int = MEDIUM) -> Command:
    """C-MOVE-RQ (PS3.7 9.3.4.1) to the AE title `destination`; its identifier follows."""
    return _query(CommandField.C_MOVE_RQ, message_id, sop_class_uid, priority, destination)


c_move_rsp = c_get_rsp  # PS3.7 9.3.4.2: the same elements


def c_cancel_rq(message_id_responded_to: int) -> Command:
    """C-CANCEL-RQ of the C-FIND, C-GET or C-MOVE with that message ID (PS3.7 9.3.2.3)."""
    return Command(command_field=CommandField.C_CANCEL_RQ, message_id_responded_to=message_id_responded_to)


def _query(
    field: CommandField, message_id: int, sop_class_uid: str, priority: int, destination: str | None = None
) -> Command:
    return Command(
        command_field=field,
        has_data_set=True,
        message_id=message_id,
        affected_sop_class_uid=sop_class_uid,
        priority=priority,
        move_destination=destination,
    )


# ---- normalized services ----------------------------------------------------------------------------------


def n_event_report_rq(
    message_id: int, sop_class_uid: str, sop_instance_uid: str, event_type_id: int, *, has_data_set: bool
) -> Command:
    """N-EVENT-REPORT-RQ (PS3.7 10.3.1.1)."""
    return Command(
        command_field=CommandField.N_EVENT_REPORT_RQ,
        has_data_set=has_data_set,
        message_id=message_id,
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
        event_type_id=event_type_id,
    )


def n_get_rq(
    message_id: int,
    sop_class_uid: str,
    sop_instance_uid: str,
    attribute_identifier_list: tuple[int, ...] = (),
) -> Command:
    """N-GET-RQ (PS3.7 10.3.2.1); without a list every attribute is asked for."""
    return Command(
        command_field=CommandField.N_GET_RQ,
        message_id=message_id,
        requested_sop_class_uid=sop_class_uid,
        requested_sop_instance_uid=sop_instance_uid,
        attribute_identifier_list=attribute_identifier_list,
    )


def n_set_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> Command:
    """N-SET-RQ (PS3.7 10.3.3.1); its modification list follows."""
    return Command(
        command_field=CommandField.N_SET_RQ,
        has_data_set=True,
        message_id=message_id,
        requested_sop_class_uid=sop_class_uid,
        requested_sop_instance_uid=sop_instance_uid,
    )


def n_action_rq(
    message_id: int, sop_class_uid: str, sop_instance_uid: str, action_type_id: int, *, has_data_set: bool
) -> Command:
    """N-ACTION-RQ (PS3.7 10.3.4.1)."""
    return Command(
        command_field=CommandField.N_ACTION_RQ,
        has_data_set=has_data_set,
        message_id=message_id,
        requested_sop_class_uid=sop_class_uid,
        requested_sop_instance_uid=sop_instance_uid,
        action_type_id=action_type_id,
    )


def n_create_rq(
    message_id: int, sop_class_uid: str, sop_instance_uid: str | None = None, *, has_data_set: bool = True
) -> Command:
    """N-CREATE-RQ (PS3.7 10.3.5.1); without an instance UID the SCP chooses one."""
    return Command(
        command_field=CommandField.N_CREATE_RQ,
        has_data_set=has_data_set,
        message_id=message_id,
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
    )


def n_delete_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> Command:
    """N-DELETE-RQ (PS3.7 10.3.6.1)."""
    return Command(
        command_field=CommandField.N_DELETE_RQ,
        message_id=message_id,
        requested_sop_class_uid=sop_class_uid,
        requested_sop_instance_uid=sop_instance_uid,
    )


def n_event_report_rsp(
    request: Command,
    status: int,
    *,
    has_data_set: bool = False,
    error_comment: str | None = None,
    error_id: int | None = None,
) -> Command:
    """N-EVENT-REPORT-RSP (PS3.7 10.3.1.2)."""
    return response(
        request, status, has_data_set=has_data_set, error_comment=error_comment, error_id=error_id
    )


n_action_rsp = n_event_report_rsp  # PS3.7 10.3.4.2: the action type ID in the place of the event type ID


def n_get_rsp(
    request: Command,
    status: int,
    *,
    has_data_set: bool = False,
    attribute_identifier_list: tuple[int, ...] = (),
    error_comment: str | None = None,
    error_id: int | None = None,
) -> Command:
    """N-GET-RSP (PS3.7 10.3.2.2)."""
    return response(
        request,
        status,
        has_data_set=has_data_set,
        attribute_identifier_list=attribute_identifier_list,
        error_comment=error_comment,
        error_id=error_id,
    )


n_set_rsp = n_get_rsp  # PS3.7 10.3.3.2: the same elements


def n_create_rsp(
    request: Command,
    status: int,
    *,
    sop_instance_uid: str | None = None,
    has_data_set: bool = False,
    error_comment: str | None = None,
    error_id: int | None = None,
) -> Command:
    """N-CREATE-RSP (PS3.7 10.3.5.2)."""
    return response(
        request,
        status,
        sop_instance_uid=sop_instance_uid,
        has_data_set=has_data_set,
        error_comment=error_comment,
        error_id=error_id,
    )


def n_delete_rsp(
    request: Command, status: int, *, error_comment: str | None = None, error_id: int | None = None
) -> Command:
    """N-DELETE-RSP (PS3.7 10.3.6.2)."""
    return response(request, status, error_comment=error_comment, error_id=error_id)
