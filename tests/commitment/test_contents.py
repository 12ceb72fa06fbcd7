"""What a centre may change in an object that it keeps, and what makes it another object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.commitment.contents import AsKept
from gateway.demo.synthetic import SyntheticObject, Treatment, make_record
from gateway.demo.synthetic.encoding import encode
from gateway.model import Instance
from gateway.spool.compare import Copy, Incomparable, compared
from tests.support.older import changed, deep_inside, yesterday

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
LIMIT = 1 << 20
RECORD = make_record()


def copy_of(thing: SyntheticObject, data: bytes | None = None, syntax: str = EXPLICIT) -> Copy:
    instance = Instance(thing.sop_class_uid, thing.sop_instance_uid, syntax)
    return Copy(instance, thing.data if data is None else data)


def difference(change: Callable[[Any], None]) -> str:
    return compared(copy_of(RECORD), copy_of(changed(RECORD, change)), LIMIT, AsKept())


def setting(**values: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for keyword, value in values.items():
            setattr(data, keyword, value)

    return change


def noted(data: Any) -> None:
    data.RetrieveAETitle = "PACS"
    data.OriginalAttributesSequence = []
    data.add_new(0x00990010, "LO", "PACS OF SOMEBODY")
    data.add_new(0x00991001, "LO", "note")


def converted(data: Any) -> None:
    data.SpecificCharacterSet = "ISO_IR 100"


@pytest.mark.parametrize(
    "change",
    [
        setting(PatientID="HIS-1", PatientName="TEST^Other", PatientBirthDate="19000101"),
        setting(StudyDescription="as the centre calls it", AccessionNumber="4711", StudyID="9"),
        noted,
        converted,
    ],
    ids=["patient", "study", "notes", "character set"],
)
def test_what_a_centre_may_change_is_left_out(change: Callable[[Any], None]) -> None:
    assert difference(change) == ""


def test_padding_and_the_encoding_say_nothing() -> None:
    import io

    import pydicom

    data = pydicom.dcmread(io.BytesIO(RECORD.data), force=True)
    other = encode(data, IMPLICIT)
    assert compared(copy_of(RECORD), copy_of(RECORD, other, IMPLICIT), LIMIT, AsKept()) == ""
    padded = changed(RECORD, setting(ManufacturerModelName="SynLinac 6    "))
    assert compared(copy_of(RECORD), copy_of(padded), LIMIT, AsKept()) == ""


def test_a_text_written_in_another_character_set_is_the_same_text() -> None:
    latin = changed(RECORD, setting(SpecificCharacterSet="ISO_IR 100", SeriesDescription="Gerät"))
    utf8 = changed(RECORD, setting(SpecificCharacterSet="ISO_IR 192", SeriesDescription="Gerät"))
    other = changed(RECORD, setting(SpecificCharacterSet="ISO_IR 192", SeriesDescription="Gerat"))
    assert latin.data != utf8.data
    assert compared(copy_of(latin), copy_of(utf8), LIMIT, AsKept()) == ""
    assert compared(copy_of(utf8), copy_of(latin), LIMIT, AsKept()) == ""
    assert compared(copy_of(latin), copy_of(other), LIMIT, AsKept()) != ""


def removed(data: Any) -> None:
    del data.DeviceSerialNumber


def one_beam_less(data: Any) -> None:
    del data.TreatmentSessionBeamSequence[-1]


@pytest.mark.parametrize(
    "change",
    [
        removed,
        one_beam_less,
        setting(SeriesDescription="something else"),
        setting(InstanceNumber="2"),
        setting(TreatmentDate="20260303"),
        setting(RetrieveAETitle="PACS", SoftwareVersions="1.1"),
    ],
)
def test_whatever_else_is_different_belongs_to_another_object(change: Callable[[Any], None]) -> None:
    assert difference(change) != ""


@pytest.mark.parametrize("older", [deep_inside, yesterday])
def test_an_older_object_is_another_one(older: Callable[[SyntheticObject], SyntheticObject]) -> None:
    assert "differs" in compared(copy_of(RECORD), copy_of(older(RECORD)), LIMIT, AsKept())


def test_a_note_of_the_centre_does_not_count_where_the_object_had_one() -> None:
    """What was sent has to be there: only what was added may be more."""
    with_private = changed(RECORD, lambda data: data.add_new(0x00991001, "LO", "of the console"))
    assert compared(copy_of(with_private), copy_of(RECORD), LIMIT, AsKept()) != ""
    assert compared(copy_of(RECORD), copy_of(with_private), LIMIT, AsKept()) == ""


def test_what_cannot_be_read_is_not_called_the_same() -> None:
    with pytest.raises(Incomparable):
        compared(copy_of(RECORD), copy_of(RECORD, RECORD.data[:-3]), LIMIT, AsKept())


def test_pixels_count() -> None:
    image = Treatment(1).make("ct")
    other = image.data[:-2] + bytes([image.data[-2] ^ 1, image.data[-1]])
    assert compared(copy_of(image), copy_of(image), LIMIT, AsKept()) == ""
    assert compared(copy_of(image), copy_of(image, other), LIMIT, AsKept()) != ""
