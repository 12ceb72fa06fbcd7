"""The command set codec: round trips, pydicom's view of the same bytes, tolerance, and violations."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.filereader import read_dataset

from gateway.dicom import command
from gateway.dicom.command import Command, CommandField, decode
from gateway.dicom.errors import LocalProtocolError, PeerProtocolError
from tests.support.dicom_wire import BEAMS_RECORD, commands


def element(number: int, value: bytes, group: int = 0) -> bytes:
    return struct.pack("<HHI", group, number, len(value)) + value


def us(number: int, value: int) -> bytes:
    return element(number, struct.pack("<H", value))


STORE_HEAD = element(0x0002, BEAMS_RECORD.encode() + b"\0") + us(0x0100, 1) + us(0x0110, 7) + us(0x0700, 0)


@given(commands)
def test_a_command_comes_back_as_it_was(original: Command) -> None:
    assert decode(original.encode()) == original


@given(commands)
def test_elements_are_ordered_and_the_group_length_is_right(original: Command) -> None:
    """PS3.7 6.3.1, E.1."""
    raw = original.encode()
    assert struct.unpack_from("<HHII", raw) == (0, 0, 4, len(raw) - 12)
    numbers, offset = [], 0
    while offset < len(raw):
        _, number, length = struct.unpack_from("<HHI", raw, offset)
        assert length % 2 == 0 or (number, raw[offset + 8 : offset + 8 + length]) in original.unknown
        numbers.append(number)
        offset += 8 + length
    assert numbers == sorted(set(numbers))


def test_the_element_table_is_the_dictionary() -> None:
    known = {number: kind for number, (_attribute, kind) in command._ELEMENTS.items()}
    for number, kind in known.items():
        assert dictionary_VR(number) == kind, keyword_for_tag(number)
    assert {attribute for attribute, _ in command._ELEMENTS.values()} | {
        "command_field",
        "has_data_set",
        "unknown",
    } == set(Command.__dataclass_fields__)


def test_pydicom_reads_the_same() -> None:
    raw = Command(
        command_field=CommandField.C_GET_RSP,
        message_id_responded_to=9,
        affected_sop_class_uid="1.2.840.10008.5.1.4.1.2.2.3",
        status=0xB000,
        offending_element=(0x00100020, 0x00080018),
        error_comment="odd",
        number_of_remaining=0,
        number_of_failed=3,
    ).encode()
    theirs = read_dataset(BytesIO(raw), is_implicit_VR=True, is_little_endian=True)
    assert theirs.CommandGroupLength == len(raw) - 12
    assert theirs.AffectedSOPClassUID == "1.2.840.10008.5.1.4.1.2.2.3"
    assert (theirs.Status, theirs.ErrorComment, theirs.CommandDataSetType) == (0xB000, "odd", 0x0101)
    assert list(theirs.OffendingElement) == [0x00100020, 0x00080018]
    assert (theirs.NumberOfRemainingSuboperations, theirs.NumberOfFailedSuboperations) == (0, 3)


@pytest.mark.parametrize(
    ("padded", "read"),
    [
        (b"1.2.3\0", "1.2.3"),
        (b"1.2.3 ", "1.2.3"),
        (b"1.2.3", "1.2.3"),
        (b"1.2.3\0\0\0", "1.2.3"),
        (b" 1.2.3", "1.2.3"),
    ],
)
def test_paddings_of_real_consoles(padded: bytes, read: str) -> None:
    got = decode(STORE_HEAD + us(0x0800, 1) + element(0x1000, padded) + element(0x1030, b"TPS\0\0"))
    assert (got.affected_sop_instance_uid, got.move_originator_ae) == (read, "TPS")


def test_what_is_not_a_uid_passes_for_the_service_to_judge() -> None:
    got = decode(STORE_HEAD + us(0x0800, 1) + element(0x1000, b"../\xe9\\x"))
    assert got.affected_sop_instance_uid == "../\xe9\\x"
    assert decode(got.encode()) == got


@pytest.mark.parametrize("kind", [0x0000, 0x0001, 0x0102, 0xFEFE])
def test_any_data_set_type_but_one_announces_a_data_set(kind: int) -> None:
    assert decode(STORE_HEAD + us(0x0800, kind)).has_data_set
    assert not decode(STORE_HEAD + us(0x0800, 0x0101)).has_data_set


def test_a_wrong_or_missing_group_length_is_harmless() -> None:
    plain = STORE_HEAD + us(0x0800, 1)
    assert decode(plain) == decode(element(0, struct.pack("<I", 9999)) + plain)


def test_elements_without_a_value_are_absent() -> None:
    got = decode(
        us(0x0100, 0x8001) + us(0x0120, 7) + us(0x0800, 0x0101) + us(0x0900, 0) + element(0x0902, b"")
    )
    assert got.error_comment is None


def test_retired_and_unknown_elements_are_kept_in_place() -> None:
    raw = STORE_HEAD + us(0x0800, 1) + element(0x4000, b"DIALOG") + element(0x5010, b"x")
    got = decode(raw)
    assert got.unknown == ((0x4000, b"DIALOG"), (0x5010, b"x"))
    assert got.encode()[12:] == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        STORE_HEAD,  # no data set type
        us(0x0110, 7) + us(0x0800, 0x0101),  # no command field
        STORE_HEAD + us(0x0800, 1) + b"\0",  # cut short
        STORE_HEAD + us(0x0800, 1) + element(0x1000, b"1.2.3\0")[:-1],
        STORE_HEAD + us(0x0800, 1) + struct.pack("<HHI", 0, 0x1000, 0xFFFFFFFF),
        STORE_HEAD + us(0x0800, 1) + element(0x1000, b"", group=8),  # another group
        us(0x0800, 1) + STORE_HEAD,  # out of order
        us(0x0100, 1) + us(0x0110, 7) + us(0x0110, 8) + us(0x0800, 1),  # twice
        us(0x0100, 1) + element(0x0110, b"\7\0\0\0") + us(0x0800, 1),
        us(0x0100, 1) + element(0x0110, b"\7") + us(0x0800, 1),
        element(0x0100, b"") + us(0x0110, 7) + us(0x0800, 1),
        us(0x0100, 0x8001)
        + us(0x0120, 1)
        + us(0x0800, 0x0101)
        + us(0x0900, 0)
        + element(0x0901, b"\x10\0\x20"),
        us(0x0100, 1) + us(0x0800, 1),  # a request without a message ID
        us(0x0100, 0x8001) + us(0x0110, 7) + us(0x0800, 0x0101) + us(0x0900, 0),  # a response to nothing
        us(0x0100, 0x8001) + us(0x0120, 7) + us(0x0800, 0x0101),  # a response without a status
        us(0x0100, 0x0FFF) + us(0x0110, 7) + us(0x0800, 0x0101),  # cancels nothing
    ],
)
def test_what_cannot_be_understood_is_a_violation(raw: bytes) -> None:
    with pytest.raises(PeerProtocolError):
        decode(raw)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(raw: bytes) -> None:
    for data in (raw, STORE_HEAD + us(0x0800, 1) + raw):
        try:
            got = decode(data)
        except PeerProtocolError:
            continue
        assert decode(got.encode()) == got


@pytest.mark.parametrize(
    "wrong",
    [
        Command(command_field=1, message_id=70000),
        Command(command_field=1, message_id=1, affected_sop_class_uid="1.2\u20ac"),
        Command(command_field=1, message_id=1, offending_element=(1 << 40,)),
        Command(command_field=-1, message_id=1),
    ],
)
def test_what_cannot_be_encoded_is_our_mistake(wrong: Command) -> None:
    with pytest.raises(LocalProtocolError):
        wrong.encode()


def test_names() -> None:
    assert Command(command_field=0x8100).name == "N-EVENT-REPORT-RSP"
    assert Command(command_field=0x7777).name == "command 0x7777"
