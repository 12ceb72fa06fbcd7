"""The messages of storage commitment: written as pydicom reads them, read as it writes them, bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from gateway.dicom import commitment, messages
from gateway.dicom.commitment import Action, Refused, Result, Sop
from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE, SYNTAXES, encode
from gateway.dicom.part10 import file_meta
from gateway.model import Instance

RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
ONE, TWO, THREE = (Sop(RECORD, f"1.2.3.{number}") for number in range(1, 4))


def item(one: Sop, reason: int | None = None) -> Dataset:
    data = Dataset()
    data.ReferencedSOPClassUID, data.ReferencedSOPInstanceUID = one
    if reason is not None:
        data.FailureReason = reason
    return data


def information(**elements: object) -> bytes:
    data = Dataset()
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    file = DicomBytesIO()
    file.is_implicit_VR = False
    file.is_little_endian = True
    write_dataset(file, data)
    return bytes(file.getvalue())


def read(data: bytes, syntax: str) -> Dataset:
    file = DicomBytesIO(file_meta(Instance("1.2", "1.2", syntax)) + data)
    return dcmread(file)


def test_the_uids_are_those_of_the_standard() -> None:
    assert StorageCommitmentPushModel == commitment.PUSH_MODEL
    assert StorageCommitmentPushModelInstance == commitment.PUSH_MODEL_INSTANCE


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_request_is_written_and_read(syntax: str) -> None:
    data = commitment.action_information("2.25.1", [ONE, TWO], syntax)
    others = read(data, syntax)
    assert others.TransactionUID == "2.25.1"
    assert [each.ReferencedSOPInstanceUID for each in others.ReferencedSOPSequence] == ["1.2.3.1", "1.2.3.2"]
    assert [each.ReferencedSOPClassUID for each in others.ReferencedSOPSequence] == [RECORD] * 2
    assert commitment.read_action(data, syntax, 2) == Action("2.25.1", (ONE, TWO))


def test_a_reference_named_twice_counts_once() -> None:
    data = commitment.action_information("2.25.1", [ONE, TWO, ONE], EXPLICIT_LITTLE)
    assert commitment.read_action(data, EXPLICIT_LITTLE, 3).references == (ONE, TWO)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    "result",
    [
        Result("2.25.1", (ONE, TWO), ()),
        Result("2.25.1", (ONE,), ((TWO, 0x0112), (THREE, 0x0119))),
        Result("2.25.1", (), ((TWO, 0x0213),)),
    ],
)
def test_a_result_is_written_and_read(result: Result, syntax: str) -> None:
    data = commitment.event_information(result, syntax, retrieve_ae="ARIA")
    others = read(data, syntax)
    assert others.TransactionUID == "2.25.1"
    assert ("RetrieveAETitle" in others) == bool(result.committed)
    assert ("ReferencedSOPSequence" in others) == bool(result.committed)
    assert ("FailedSOPSequence" in others) == bool(result.failed)
    if result.failed:
        assert [each.FailureReason for each in others.FailedSOPSequence] == [why for _, why in result.failed]
    assert commitment.read_event(data, syntax, 3) == result
    request = commitment.event_rq(7, result)
    assert request.event_type_id == (2 if result.failed else 1)
    commitment.check_event(request)


def test_what_is_named_as_committed_and_as_failed_has_failed() -> None:
    data = information(
        TransactionUID="2.25.1",
        ReferencedSOPSequence=Sequence([item(ONE), item(TWO)]),
        FailedSOPSequence=Sequence([item(TWO, 0x0110)]),
    )
    assert commitment.read_event(data, EXPLICIT_LITTLE, 9) == Result("2.25.1", (ONE,), ((TWO, 0x0110),))


@pytest.mark.parametrize(("given", "kept"), [(None, 0x0110), (0, 0x0110), (0xB006, 0xB006), (0xC123, 0xC123)])
def test_a_failure_reason_is_kept_as_given(given: int | None, kept: int) -> None:
    data = information(TransactionUID="2.25.1", FailedSOPSequence=Sequence([item(ONE, given)]))
    assert commitment.read_event(data, EXPLICIT_LITTLE, 9).failed == ((ONE, kept),)


def test_an_empty_result_says_nothing() -> None:
    data = information(TransactionUID="2.25.1")
    assert commitment.read_event(data, EXPLICIT_LITTLE, 9) == Result("2.25.1", (), ())


TAGS = {"transaction": 0x00081195, "references": 0x00081199}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x08\x00", 0x0115),
        (information(ReferencedSOPSequence=Sequence([item(ONE)])), 0x0114),
        (information(TransactionUID="", ReferencedSOPSequence=Sequence([item(ONE)])), 0x0114),
        (
            encode({TAGS["transaction"]: ("UI", "1.2.x"), TAGS["references"]: ("SQ", [])}, EXPLICIT_LITTLE),
            0x0115,
        ),
        (information(TransactionUID="2.25.1"), 0x0114),
        (information(TransactionUID="2.25.1", ReferencedSOPSequence=Sequence()), 0x0115),
        (
            encode(
                {TAGS["transaction"]: ("UI", "2.25.1"), TAGS["references"]: ("UI", "1.2")}, EXPLICIT_LITTLE
            ),
            0x0115,
        ),
        (information(TransactionUID="2.25.1", ReferencedSOPSequence=Sequence([Dataset()])), 0x0114),
        (
            encode(
                {
                    TAGS["transaction"]: ("UI", "2.25.1"),
                    TAGS["references"]: ("SQ", [{0x00081150: ("UI", "1.2"), 0x00081155: ("UI", "abc")}]),
                },
                EXPLICIT_LITTLE,
            ),
            0x0115,
        ),
        (
            information(
                TransactionUID="2.25.1", ReferencedSOPSequence=Sequence([item(ONE), item(TWO), item(THREE)])
            ),
            0x0213,
        ),
        (bytes(commitment.max_bytes(2) + 1), 0x0213),
    ],
)
def test_a_request_that_cannot_be_taken(data: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        commitment.read_action(data, EXPLICIT_LITTLE, 2)
    assert refused.value.status == status
    assert 0 < len(refused.value.comment) <= 64


def test_a_result_about_more_than_was_asked_is_not_read() -> None:
    result = Result("2.25.1", (ONE,), ((TWO, 0x0112),))
    data = commitment.event_information(result, IMPLICIT_LITTLE)
    with pytest.raises(Refused):
        commitment.read_event(data, IMPLICIT_LITTLE, 1)


def test_as_many_instances_as_allowed_are_read() -> None:
    many = [Sop("1." + "2" * 62, "2." + "3" * 57 + f"{10_000 + number}") for number in range(10_000)]
    failed = Result("2.25.1", (), tuple((one, 0x0112) for one in many))
    for syntax in SYNTAXES:
        data = commitment.action_information("2.25.1", many, syntax)
        assert len(commitment.read_action(data, syntax, 10_000).references) == 10_000
        data = commitment.event_information(failed, syntax)
        assert len(commitment.read_event(data, syntax, 10_000).failed) == 10_000


def test_undefined_lengths_cost_twice_the_looks_and_fit_too() -> None:
    data = Dataset()
    data.TransactionUID = "2.25.1"
    data.FailedSOPSequence = Sequence([item(Sop(RECORD, f"1.2.{n}"), 0x0112) for n in range(2000)])
    data["FailedSOPSequence"].is_undefined_length = True
    for each in data.FailedSOPSequence:
        each.is_undefined_length_sequence_item = True
    file = DicomBytesIO()
    file.is_implicit_VR = True
    file.is_little_endian = True
    write_dataset(file, data)
    assert len(commitment.read_event(file.getvalue(), IMPLICIT_LITTLE, 2000).failed) == 2000


def test_the_commands_are_checked() -> None:
    action = commitment.action_rq(7)
    commitment.check_action(action)
    event = commitment.event_rq(7, Result("2.25.1", (ONE,), ()))
    other = "1.2.840.10008.1.20.2"
    for command, status in (
        (replace(action, requested_sop_class_uid=other), 0x0118),
        (replace(action, requested_sop_instance_uid=other), 0x0112),
        (replace(action, requested_sop_instance_uid=None), 0x0112),
        (replace(action, action_type_id=2), 0x0123),
        (replace(action, action_type_id=None), 0x0123),
        (replace(action, has_data_set=False), 0x0114),
    ):
        with pytest.raises(Refused) as refused:
            commitment.check_action(command)
        assert refused.value.status == status
    for command, status in (
        (replace(event, affected_sop_class_uid=other), 0x0118),
        (replace(event, affected_sop_instance_uid=other), 0x0112),
        (replace(event, event_type_id=3), 0x0113),
        (replace(event, event_type_id=None), 0x0113),
        (replace(event, has_data_set=False), 0x0114),
    ):
        with pytest.raises(Refused) as refused:
            commitment.check_event(command)
        assert refused.value.status == status
    assert messages.response(action, 0).affected_sop_instance_uid == commitment.PUSH_MODEL_INSTANCE


def test_reasons_in_words() -> None:
    assert "does not have the object" in commitment.words(0x0112)
    assert commitment.words(0xC123).startswith("0xC123")
