"""UIDs and Part 10 files of synthetic objects."""

from __future__ import annotations

import uuid
from io import BytesIO

from pydicom import dcmread
from pydicom.uid import UID

from gateway.demo.synthetic import make_record
from gateway.demo.synthetic.encoding import item, pixel_element_header, uid_for


def test_uids_are_valid_and_of_one_length() -> None:
    uids = {uid_for("test", number) for number in range(500)}
    assert len(uids) == 500
    assert {len(uid) for uid in uids} == {44}
    assert all(UID(uid).is_valid for uid in uids)


def test_uids_hold_a_uuid_of_the_custom_version() -> None:
    made = uuid.UUID(int=int(uid_for("test").removeprefix("2.25.")))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


def test_part_10_is_the_data_set_behind_a_header() -> None:
    record = make_record()
    raw = record.part10()
    assert raw[128:132] == b"DICM"
    assert raw.endswith(record.data)
    read = dcmread(BytesIO(raw))
    assert read.file_meta.MediaStorageSOPClassUID == record.sop_class_uid
    assert read.file_meta.TransferSyntaxUID == record.transfer_syntax_uid


def test_item_takes_keywords() -> None:
    assert item(PatientID="x")[0x00100020].value == "x"


def test_pixel_header_is_the_one_of_each_syntax() -> None:
    assert pixel_element_header(8) == b"\xe0\x7f\x10\x00OW\0\0\x08\0\0\0"
    assert pixel_element_header(8, "1.2.840.10008.1.2") == b"\xe0\x7f\x10\x00\x08\0\0\0"
