"""Command sets as values and as bytes: Implicit VR Little Endian, group 0000 (PS3.7 6.3, annex E).

Our own codec, because a command is read and written for every object and pydicom's data sets cost more than
everything else together. Reading is tolerant where real consoles differ (UIDs and AE titles padded with
either NUL or spaces, a wrong group length, a command data set type other than the one defined) and strict
where a message could be misunderstood. Elements that PS3.7 does not define, retired ones too, are kept raw
and written back in place.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Any, Final

from gateway.dicom.errors import LocalProtocolError, PeerProtocolError
from gateway.dicom.pdu import Buffer

NO_DATA_SET: Final = 0x0101
"""The one value of (0000,0800) that says that no data set follows (PS3.7 E.1)."""

_DATA_SET_FOLLOWS: Final = 0x0001
_RESPONSE_BIT: Final = 0x8000


class CommandField(enum.IntEnum):
    """The command field (0000,0100) of every DIMSE message (PS3.7 E.1)."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command set. An element that is absent, or present without a value, is None (or an empty tuple).

    Texts are what the peer sent (Latin-1), without padding: not checked for being UIDs or AE titles.
    Attribute tags are 32-bit numbers, group first. `unknown` holds (element number, raw value) pairs.
    """

    command_field: int
    has_data_set: bool = False
    message_id: int | None = None
    message_id_responded_to: int | None = None
    affected_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    requested_sop_class_uid: str | None = None
    requested_sop_instance_uid: str | None = None
    priority: int | None = None  # 0 medium, 1 high, 2 low
    status: int | None = None
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    move_destination: str | None = None
    move_originator_ae: str | None = None
    move_originator_message_id: int | None = None
    event_type_id: int | None = None
    action_type_id: int | None = None
    attribute_identifier_list: tuple[int, ...] = ()
    number_of_remaining: int | None = None  # sub-operations of C-GET and C-MOVE
    number_of_completed: int | None = None
    number_of_failed: int | None = None
    number_of_warning: int | None = None
    unknown: tuple[tuple[int, bytes], ...] = ()

    @property
    def is_response(self) -> bool:
        """True for every -RSP."""
        return bool(self.command_field & _RESPONSE_BIT)

    @property
    def name(self) -> str:
        """The message's name, for example "C-STORE-RQ"; the command field in hex where PS3.7 has none."""
        try:
            return CommandField(self.command_field).name.replace("_", "-")
        except ValueError:
            return f"command 0x{self.command_field:04X}"

    def encode(self) -> bytes:
        """The command set with its group length, ready to be fragmented."""
        parts = list(self.unknown)
        try:
            parts.append((_COMMAND_FIELD, self.command_field.to_bytes(2, "little")))
            parts.append((_DATA_SET_TYPE, _SET_FOLLOWS if self.has_data_set else _NO_SET))
            for element, (attribute, kind) in _ELEMENTS.items():
                value = getattr(self, attribute)
                if value is not None and value != ():
                    parts.append((element, _encode_value(kind, value)))
        except (OverflowError, UnicodeEncodeError, struct.error) as error:
            raise LocalProtocolError(f"the command set cannot be encoded: {error}") from error
        parts.sort()
        pieces = []
        for element, raw in parts:
            pieces.append(_HEADER.pack(0, element, len(raw)))
            pieces.append(raw)
        body = b"".join(pieces)
        return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


_HEADER = struct.Struct("<HHI")
_GROUP_LENGTH = struct.Struct("<HHII")
_SET_FOLLOWS = _DATA_SET_FOLLOWS.to_bytes(2, "little")
_NO_SET = NO_DATA_SET.to_bytes(2, "little")

_COMMAND_FIELD: Final = 0x0100
_DATA_SET_TYPE: Final = 0x0800

# Element number of group 0000 -> (attribute of Command, value representation), PS3.7 E.1.
_ELEMENTS: Final[dict[int, tuple[str, str]]] = {
    0x0002: ("affected_sop_class_uid", "UI"),
    0x0003: ("requested_sop_class_uid", "UI"),
    0x0110: ("message_id", "US"),
    0x0120: ("message_id_responded_to", "US"),
    0x0600: ("move_destination", "AE"),
    0x0700: ("priority", "US"),
    0x0900: ("status", "US"),
    0x0901: ("offending_element", "AT"),
    0x0902: ("error_comment", "LO"),
    0x0903: ("error_id", "US"),
    0x1000: ("affected_sop_instance_uid", "UI"),
    0x1001: ("requested_sop_instance_uid", "UI"),
    0x1002: ("event_type_id", "US"),
    0x1005: ("attribute_identifier_list", "AT"),
    0x1008: ("action_type_id", "US"),
    0x1020: ("number_of_remaining", "US"),
    0x1021: ("number_of_completed", "US"),
    0x1022: ("number_of_failed", "US"),
    0x1023: ("number_of_warning", "US"),
    0x1030: ("move_originator_ae", "AE"),
    0x1031: ("move_originator_message_id", "US"),
}


def _encode_value(kind: str, value: Any) -> bytes:
    if kind == "US":
        return bytes(value.to_bytes(2, "little"))
    if kind == "AT":
        return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)
    raw: bytes = value.encode("latin-1")
    if len(raw) % 2:
        raw += b"\0" if kind == "UI" else b" "
    return raw


def decode(data: Buffer) -> Command:
    """Read a complete command set; PeerProtocolError when it is not one that can be answered."""
    data = bytes(data)
    end = len(data)
    offset = 0
    previous = -1
    values: dict[str, Any] = {}
    unknown: list[tuple[int, bytes]] = []
    command_field = data_set_type = None
    while offset < end:
        if end - offset < 8:
            raise PeerProtocolError("a command element is cut short")
        group, element, length = _HEADER.unpack_from(data, offset)
        start = offset + 8
        offset = start + length
        if group or element <= previous or offset > end:
            raise PeerProtocolError(
                "the elements of a command set are out of order, of another group or too long"
            )
        previous = element
        known = _ELEMENTS.get(element)
        if known is not None:
            if length:
                values[known[0]] = _decode_value(known[1], data[start:offset])
        elif element == _COMMAND_FIELD:
            command_field = _decode_number(data[start:offset])
        elif element == _DATA_SET_TYPE:
            data_set_type = _decode_number(data[start:offset])
        elif element:  # the group length (0000,0000) says nothing that the fragments do not say
            unknown.append((element, data[start:offset]))
    if command_field is None or data_set_type is None:
        raise PeerProtocolError("a command set lacks its command field or its data set type")
    if unknown:
        values["unknown"] = tuple(unknown)
    command = Command(command_field=command_field, has_data_set=data_set_type != NO_DATA_SET, **values)
    _check_answerable(command)
    return command


def _decode_number(raw: bytes) -> int:
    if len(raw) != 2:
        raise PeerProtocolError("a number in a command set does not have two bytes")
    return int.from_bytes(raw, "little")


def _decode_value(kind: str, raw: bytes) -> Any:
    if kind == "US":
        return _decode_number(raw)
    if kind == "AT":
        if len(raw) % 4:
            raise PeerProtocolError("a list of attribute tags in a command set is cut short")
        return tuple(group << 16 | element for group, element in struct.iter_unpack("<HH", raw))
    text = raw.decode("latin-1")
    # Leading spaces are padding in an AE title and nothing in a UID, but part of a long string (PS3.5 6.2).
    return (text.rstrip("\0 ") if kind == "LO" else text.strip("\0 ")) or None


def _check_answerable(command: Command) -> None:
    if command.is_response or command.command_field == CommandField.C_CANCEL_RQ:
        if command.message_id_responded_to is None:
            raise PeerProtocolError(f"a {command.name} does not say which message it belongs to")
        if command.is_response and command.status is None:
            raise PeerProtocolError(f"a {command.name} has no status")
    elif command.message_id is None:
        raise PeerProtocolError(f"a {command.name} has no message ID")
