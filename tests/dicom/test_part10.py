"""The file header, as pydicom reads and writes it."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from gateway.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.dicom.part10 import MAX_HEADER, PREAMBLE, PREFIX, NotPart10, file_meta, read_header
from gateway.model import AETitle, Instance
from tests.support.dicom_wire import BEAMS_RECORD, EXPLICIT, IMPLICIT

INSTANCE = Instance(BEAMS_RECORD, "1.2.826.0.1.3680043.8.498.12", IMPLICIT)


@pytest.mark.parametrize("source", [None, AETitle("LINAC1"), AETitle("ODD")])
def test_pydicom_reads_our_header(source: AETitle | None) -> None:
    header = file_meta(INSTANCE, source_ae=source)
    body = b"\x10\0\x20\0\x04\0\0\0ID01"
    theirs = dcmread(BytesIO(header + body))
    meta = theirs.file_meta
    assert header[:132] == PREAMBLE + PREFIX
    assert meta.MediaStorageSOPClassUID == INSTANCE.sop_class_uid
    assert meta.MediaStorageSOPInstanceUID == INSTANCE.sop_instance_uid
    assert meta.TransferSyntaxUID == INSTANCE.transfer_syntax_uid
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
    assert meta.get("SourceApplicationEntityTitle") == source
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.FileMetaInformationGroupLength == len(header) - 132 - 12
    assert theirs.PatientID == "ID01"


@given(st.from_regex(r"[0-9]{1,8}(\.[0-9]{1,8}){0,5}", fullmatch=True), st.binary(max_size=20))
def test_our_header_is_read_back(uid: str, data: bytes) -> None:
    instance = Instance(BEAMS_RECORD, uid, EXPLICIT)
    header = file_meta(instance)
    assert read_header(header + b"\x08\0" + data) == (instance, len(header))


@pytest.mark.parametrize("name", ["rtplan.dcm", "rtdose.dcm", "CT_small.dcm", "JPEG2000.dcm"])
def test_files_of_others_are_read(name: str) -> None:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    with open(path, "rb") as file:  # noqa: PTH123 - the path comes as text
        raw = file.read()
    instance, offset = read_header(raw)
    theirs = dcmread(path)
    assert instance == Instance(
        theirs.file_meta.MediaStorageSOPClassUID,
        theirs.file_meta.MediaStorageSOPInstanceUID,
        theirs.file_meta.TransferSyntaxUID,
    )
    first = next(iter(theirs)).tag
    assert raw[offset : offset + 4] == first.group.to_bytes(2, "little") + first.element.to_bytes(2, "little")


def test_private_information_and_long_values_are_passed_over() -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(INSTANCE.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(INSTANCE.sop_instance_uid)
    meta.TransferSyntaxUID, meta.ImplementationClassUID = UID(IMPLICIT), UID("1.2.3")
    meta.PrivateInformationCreatorUID, meta.PrivateInformation = UID("1.2.3"), bytes(1000)
    out = DicomBytesIO()
    write_file_meta_info(out, meta)
    head = PREAMBLE + PREFIX + out.getvalue()
    assert read_header(head + b"\x08\0\x05\0") == (INSTANCE, len(head))


def test_the_group_length_is_not_trusted() -> None:
    header = bytearray(file_meta(INSTANCE))
    header[140:144] = b"\xff\xff\xff\xff"
    assert read_header(bytes(header)) == (INSTANCE, len(header))


def bad_headers() -> dict[str, bytes]:
    good = file_meta(INSTANCE)
    return {
        "nothing": b"",
        "too short": good[:100],
        "no prefix": bytes(128) + b"XXXX" + good[132:],
        "no elements": good[:132],
        "cut in an element header": good[:-3],
        "cut in a value": good[:200],
        "no class": good.replace(b"\2\0\2\0UI", b"\2\0\4\0UI"),
        "not a UID": good.replace(BEAMS_RECORD.encode(), b"x" * len(BEAMS_RECORD)),
        "cut in a long length": good[:132] + b"\2\0\1\0OB\0\0\1",
        "a length beyond the end": good[:132] + b"\2\0\1\0OB\0\0\xff\xff\xff\xff",
        "longer than the limit": good
        + b"\2\0\2\1OB\0\0"
        + MAX_HEADER.to_bytes(4, "little")
        + bytes(MAX_HEADER),
    }


@pytest.mark.parametrize("name", list(bad_headers()))
def test_what_is_no_header(name: str) -> None:
    with pytest.raises(NotPart10) as caught:
        read_header(bad_headers()[name])
    assert INSTANCE.sop_instance_uid not in str(caught.value)


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else_happens(raw: bytes) -> None:
    for data in (raw, PREAMBLE + PREFIX + raw, file_meta(INSTANCE) + b"\2\0" + raw):
        try:
            _, offset = read_header(data)
        except NotPart10:
            continue
        assert offset <= len(data)
