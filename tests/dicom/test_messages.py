"""Every DIMSE message of PS3.7, built and read, against pynetdicom's messages in both directions."""

from __future__ import annotations

from typing import Any

import pytest
from pynetdicom import dimse_messages
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dsutils import encode as encode_data_set
from pynetdicom.pdu_primitives import P_DATA

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField, decode
from gateway.dicom.messages import SubOperations
from tests.support.dicom_wire import BEAMS_RECORD, VERIFICATION

FIND = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
UID = "1.2.826.0.1.3680043.8.498.1"
COUNTS = SubOperations(4, 3, 2, 1)

ECHO = messages.c_echo_rq(1)
STORE = messages.c_store_rq(2, BEAMS_RECORD, UID, priority=1, originator=("TPS", 77))
QUERY = messages.c_find_rq(3, FIND)
GET = messages.c_get_rq(4, FIND)
MOVE = messages.c_move_rq(5, FIND, "LINAC1")
EVENT = messages.n_event_report_rq(6, MPPS, UID, 2, has_data_set=True)
N_GET = messages.n_get_rq(7, MPPS, UID, (0x00100020, 0x00404052))
SET = messages.n_set_rq(8, MPPS, UID)
ACTION = messages.n_action_rq(9, MPPS, UID, 1, has_data_set=True)
CREATE = messages.n_create_rq(10, MPPS, UID)
DELETE = messages.n_delete_rq(11, MPPS, UID)

ALL: dict[str, Command] = {
    "C-ECHO-RQ": ECHO,
    "C-ECHO-RSP": messages.c_echo_rsp(ECHO),
    "C-STORE-RQ": STORE,
    "C-STORE-RSP": messages.c_store_rsp(
        STORE, 0xA900, error_comment="not that class", offending_element=(0x00080016, 0x00080018)
    ),
    "C-FIND-RQ": QUERY,
    "C-FIND-RSP": messages.c_find_rsp(
        QUERY, 0xFF00, has_data_set=True, error_comment="more", offending_element=(0x00100010, 0x00100020)
    ),
    "C-GET-RQ": GET,
    "C-GET-RSP": messages.c_get_rsp(GET, 0xFF00, COUNTS, error_comment="x", offending_element=(0x00100010,)),
    "C-MOVE-RQ": MOVE,
    "C-MOVE-RSP": messages.c_move_rsp(MOVE, 0xB000, COUNTS, has_data_set=True),
    "C-CANCEL-RQ": messages.c_cancel_rq(3),
    "N-EVENT-REPORT-RQ": EVENT,
    "N-EVENT-REPORT-RSP": messages.n_event_report_rsp(EVENT, 0x0113, error_comment="no", error_id=5),
    "N-GET-RQ": N_GET,
    "N-GET-RSP": messages.n_get_rsp(N_GET, 0, has_data_set=True, attribute_identifier_list=(0x00100020,)),
    "N-SET-RQ": SET,
    "N-SET-RSP": messages.n_set_rsp(SET, 0x0107, attribute_identifier_list=(0x00100020, 0x00100030)),
    "N-ACTION-RQ": ACTION,
    "N-ACTION-RSP": messages.n_action_rsp(ACTION, 0, has_data_set=True),
    "N-CREATE-RQ": CREATE,
    "N-CREATE-RSP": messages.n_create_rsp(CREATE, 0, has_data_set=True),
    "N-DELETE-RQ": DELETE,
    "N-DELETE-RSP": messages.n_delete_rsp(DELETE, 0x0112, error_comment="gone", error_id=1),
}

VALUES: dict[str, Any] = {
    "AffectedSOPClassUID": MPPS,
    "RequestedSOPClassUID": MPPS,
    "AffectedSOPInstanceUID": UID,
    "RequestedSOPInstanceUID": UID,
    "MessageID": 0x1234,
    "MessageIDBeingRespondedTo": 0xFFFF,
    "Priority": 2,
    "CommandDataSetType": 0x0001,
    "Status": 0xC123,
    "OffendingElement": [0x00100020, 0x00080018],
    "ErrorComment": "what went wrong",
    "ErrorID": 42,
    "MoveDestination": "LINAC1",
    "MoveOriginatorApplicationEntityTitle": "TPS",
    "MoveOriginatorMessageID": 9,
    "EventTypeID": 1,
    "ActionTypeID": 2,
    "AttributeIdentifierList": [0x00100020, 0x00404052],
    "NumberOfRemainingSuboperations": 1,
    "NumberOfCompletedSuboperations": 2,
    "NumberOfFailedSuboperations": 3,
    "NumberOfWarningSuboperations": 4,
}


def read_by_pynetdicom(raw: bytes) -> DIMSEMessage:
    message, primitive = DIMSEMessage(), P_DATA()
    primitive.presentation_data_value_list.append((1, b"\x03" + raw))
    message.decode_msg(primitive)
    return message


def keywords(name: str) -> set[str]:
    return set(dimse_messages._COMMAND_SET_KEYWORDS[name])


def test_the_command_fields_are_those_of_pynetdicom() -> None:
    assert {field: Command(command_field=field).name for field in CommandField} == {
        field: name for field, (name, _class) in dimse_messages._MESSAGE_TYPES.items()
    }
    assert ALL.keys() == {name for name, _class in dimse_messages._MESSAGE_TYPES.values()}


@pytest.mark.parametrize("name", list(ALL))
def test_pynetdicom_reads_what_we_build(name: str) -> None:
    raw = ALL[name].encode()
    theirs = read_by_pynetdicom(raw)
    assert type(theirs).__name__ == name.replace("-", "_")
    assert {element.keyword for element in theirs.command_set} <= keywords(name)
    assert encode_data_set(theirs.command_set, True, True) == raw
    assert decode(raw) == ALL[name]
    assert ALL[name].name == name


@pytest.mark.parametrize("name", list(ALL))
def test_we_read_what_pynetdicom_builds(name: str) -> None:
    [(field, cls)] = [(f, c) for f, (n, c) in dimse_messages._MESSAGE_TYPES.items() if n == name]
    theirs = cls()
    theirs.command_set.CommandField = field
    for keyword in keywords(name) - {"CommandGroupLength", "CommandField"}:
        setattr(theirs.command_set, keyword, VALUES[keyword])
    theirs._set_command_group_length()
    raw = encode_data_set(theirs.command_set, True, True)
    assert raw is not None
    ours = decode(raw)
    assert (ours.name, ours.unknown) == (name, ())
    assert ours.encode() == raw


@pytest.mark.parametrize("name", [name for name in ALL if name.endswith("-RSP")])
def test_a_response_belongs_to_its_request(name: str) -> None:
    request, answer = ALL[name.replace("-RSP", "-RQ")], ALL[name]
    assert answer.message_id_responded_to == request.message_id
    assert answer.message_id is None
    assert answer.affected_sop_class_uid == request.affected_sop_class_uid or request.requested_sop_class_uid
    identity = keywords(name) & {"AffectedSOPInstanceUID"}
    assert (answer.affected_sop_instance_uid == UID) == bool(identity)
    assert answer.event_type_id == request.event_type_id
    assert answer.action_type_id == request.action_type_id


def test_an_operation_we_do_not_know_can_be_answered() -> None:
    unheard_of = Command(command_field=0x0666, message_id=3, affected_sop_class_uid=VERIFICATION)
    answer = messages.response(unheard_of, 0x0211)
    assert (answer.command_field, answer.message_id_responded_to, answer.status) == (0x8666, 3, 0x0211)


def test_an_n_create_without_a_uid_is_given_one() -> None:
    request = messages.n_create_rq(1, MPPS)
    assert messages.n_create_rsp(request, 0, sop_instance_uid=UID).affected_sop_instance_uid == UID


def test_an_error_comment_is_made_to_fit() -> None:
    """A long string: 64 characters, no backslash, in the default repertoire (PS3.5 6.2)."""
    comment = messages.c_store_rsp(STORE, 0xC000, error_comment="kein Plätz \\ " + "x" * 100).error_comment
    assert comment is not None
    assert comment.startswith("kein Pl?tz / xxx")
    assert len(comment) == 64
