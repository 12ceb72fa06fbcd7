"""Small data sets: read as others write them, written as others read them, bounded whatever comes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from gateway.dicom.data_set import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    SYNTAXES,
    DataSetCut,
    DataSetError,
    DataSetLimits,
    Elements,
    encode,
    parse,
    parse_head,
)
from gateway.dicom.part10 import file_meta
from gateway.errors import LocalError, PeerError
from gateway.model import Instance

TRANSACTION = 0x00081195
REFERENCED = 0x00081199
FAILED = 0x00081198
REASON = 0x00081197
CLASS, INSTANCE = 0x00081150, 0x00081155
STUDY, SERIES = 0x0020000D, 0x0020000E
PIXELS = 0x7FE00010
BY_PYDICOM = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG)


def event() -> Dataset:
    """A storage commitment result, made by pydicom."""
    data = Dataset()
    data.TransactionUID = "2.25.1234"
    data.RetrieveAETitle = "ARCHIVE"
    done, failed = Dataset(), Dataset()
    done.ReferencedSOPClassUID = failed.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.4"
    done.ReferencedSOPInstanceUID = "1.2.3"
    failed.ReferencedSOPInstanceUID = "1.2.4"
    failed.FailureReason = 0x0112
    data.ReferencedSOPSequence = Sequence([done, done])
    data.FailedSOPSequence = Sequence([failed])
    return data


def written_by_pydicom(data: Dataset, syntax: str, *, undefined: bool = False) -> bytes:
    if undefined:
        for element in data:
            if element.VR == "SQ":
                element.is_undefined_length = True
                for item in element.value:
                    item.is_undefined_length_sequence_item = True
    file = DicomBytesIO()
    file.is_implicit_VR = syntax == IMPLICIT_LITTLE
    file.is_little_endian = syntax != EXPLICIT_BIG
    write_dataset(file, data)
    return bytes(file.getvalue())


def read_by_pydicom(data: bytes, syntax: str) -> Dataset:
    return dcmread(io.BytesIO(file_meta(Instance("1.2", "1.2", syntax)) + data))


def raw(tag: int, value: bytes, length: int | None = None) -> bytes:
    """One element of Implicit VR Little Endian."""
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", BY_PYDICOM)
def test_what_others_write_is_read(syntax: str, undefined: bool) -> None:
    data = parse(written_by_pydicom(event(), syntax, undefined=undefined), syntax)
    assert data.text(TRANSACTION) == "2.25.1234"
    assert data.text(0x00080054) == "ARCHIVE"
    assert [item.text(INSTANCE) for item in data.items(REFERENCED)] == ["1.2.3", "1.2.3"]
    [failed] = data.items(FAILED)
    assert (failed.text(CLASS), failed.number(REASON)) == ("1.2.840.10008.5.1.4.1.1.481.4", 0x0112)
    assert failed.get(REASON) == (b"\x01\x12" if syntax == EXPLICIT_BIG else b"\x12\x01")
    assert TRANSACTION in data
    assert list(data) == [0x00080054, TRANSACTION, FAILED, REFERENCED]


def test_what_is_not_there() -> None:
    data = parse(encode({TRANSACTION: ("UI", "")}, EXPLICIT_LITTLE), EXPLICIT_LITTLE)
    assert (data.get(TRANSACTION), data.text(TRANSACTION)) == (b"", "")
    assert (data.get(STUDY), data.text(STUDY), data.number(STUDY), data.items(STUDY)) == (None, "", None, ())
    assert data.number(TRANSACTION) is None


def test_a_deflated_data_set_is_read() -> None:
    explicit = written_by_pydicom(event(), EXPLICIT_LITTLE)
    deflater = zlib.compressobj(wbits=-15)
    deflated = deflater.compress(explicit) + deflater.flush()
    for padding in (b"", b"\0"):
        assert parse(deflated + padding, DEFLATED).text(TRANSACTION) == "2.25.1234"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_written_is_read_by_others(syntax: str) -> None:
    item = {CLASS: ("UI", "1.2.840.10008.1.1"), INSTANCE: ("UI", "1.2.3"), REASON: ("US", 0x0213)}
    elements: Elements = {
        FAILED: ("SQ", [item, item]),
        TRANSACTION: ("UI", "2.25.1"),
        0x00080054: ("AE", "ARCHIVE"),
        0x00282000: ("OB", b"odd"),
        STUDY: ("UI", ""),
        0x00080051: ("SQ", []),
        0x00180000: ("UL", 70000),
    }
    data = encode(elements, syntax)
    assert len(data) % 2 == 0
    got = read_by_pydicom(data, syntax)
    assert (got.TransactionUID, got.RetrieveAETitle, got.StudyInstanceUID) == ("2.25.1", "ARCHIVE", "")
    assert [(one.ReferencedSOPInstanceUID, one.FailureReason) for one in got.FailedSOPSequence] == [
        ("1.2.3", 0x0213)
    ] * 2
    ours = parse(data, syntax)
    assert [one.number(REASON) for one in ours.items(FAILED)] == [0x0213] * 2
    assert ours.number(0x00180000) == 70000
    assert ours.items(0x00080051) == ()
    assert ours.get(0x00282000) == b"odd\0"


def test_a_sequence_of_unknown_vr_is_read_as_implicit() -> None:
    inner = raw(0xFFFEE000, raw(INSTANCE, b"1.2.3\0"))
    element = struct.pack("<HH2sHI", 0x0008, 0x1199, b"UN", 0, 0xFFFFFFFF) + inner
    element += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    [item] = parse(element, EXPLICIT_LITTLE).items(REFERENCED)
    assert item.text(INSTANCE) == "1.2.3"


@pytest.mark.parametrize(
    ("data", "syntax", "words"),
    [
        (raw(TRANSACTION, b"1.2\0")[:-1], IMPLICIT_LITTLE, "middle of an element"),
        (b"\x08\x00\x95", IMPLICIT_LITTLE, "middle of an element"),
        (raw(TRANSACTION, b"") * 2, IMPLICIT_LITTLE, "twice"),
        (raw(0xFFFEE000, b""), IMPLICIT_LITTLE, "wrong place"),
        (raw(REFERENCED, raw(STUDY, b""), 0xFFFFFFFF), IMPLICIT_LITTLE, "not an item"),
        (raw(REFERENCED, raw(0xFFFEE000, b"", 8), 0xFFFFFFFF), IMPLICIT_LITTLE, "middle of an item"),
        (b"\x08\x00\x95\x11UX\x00\x00", EXPLICIT_LITTLE, "not a standard one"),
        (b"\x08\x00\x95\x11U", EXPLICIT_LITTLE, "middle of an element"),
        (b"", "1.2.840.113619.5.2", "not known"),
        (b"\xff\xff\xff", DEFLATED, "damaged"),
        (b"", DEFLATED, "cut short"),
    ],
)
def test_what_is_no_data_set(data: bytes, syntax: str, words: str) -> None:
    with pytest.raises(DataSetError, match=words):
        parse(data, syntax)
    assert issubclass(DataSetError, PeerError)


def test_what_is_no_sequence_has_no_items() -> None:
    explicit = parse(encode({TRANSACTION: ("UI", "1.2")}, EXPLICIT_LITTLE), EXPLICIT_LITTLE)
    with pytest.raises(DataSetError, match="is none"):
        explicit.items(TRANSACTION)
    with pytest.raises(DataSetError):
        parse(raw(TRANSACTION, b"1.2\0"), IMPLICIT_LITTLE).items(TRANSACTION)


# --- limits --------------------------------------------------------------------------------------------


def nested(depth: int, *, undefined: bool) -> bytes:
    data = raw(INSTANCE, b"1.2\0")
    for _ in range(depth):
        item = raw(0xFFFEE000, data, 0xFFFFFFFF if undefined else None)
        if undefined:
            item += raw(0xFFFEE00D, b"")
        data = raw(REFERENCED, item, 0xFFFFFFFF if undefined else None)
        if undefined:
            data += raw(0xFFFEE0DD, b"")
    return data


def depth_of(data: Any) -> int:
    items = data.items(REFERENCED)
    return 1 + depth_of(items[0]) if items else 0


@pytest.mark.parametrize("undefined", [False, True])
def test_depth_is_bounded(undefined: bool) -> None:
    limits = DataSetLimits(max_depth=3)
    assert depth_of(parse(nested(3, undefined=undefined), IMPLICIT_LITTLE, limits)) == 3
    with pytest.raises(DataSetError, match="deeply"):
        depth_of(parse(nested(4, undefined=undefined), IMPLICIT_LITTLE, limits))
    with pytest.raises(DataSetError, match="deeply"):
        depth_of(parse(nested(5000, undefined=undefined), IMPLICIT_LITTLE))


def test_the_number_of_elements_is_bounded_over_all_levels() -> None:
    item = raw(0xFFFEE000, raw(CLASS, b"") + raw(INSTANCE, b""))
    data = raw(REFERENCED, item * 10)
    limits = DataSetLimits(max_elements=31)
    assert len(parse(data, IMPLICIT_LITTLE, limits).items(REFERENCED)) == 10
    with pytest.raises(DataSetError, match="elements"):
        parse(data, IMPLICIT_LITTLE, DataSetLimits(max_elements=30)).items(REFERENCED)


def test_items_that_are_asked_for_twice_are_read_once() -> None:
    data = raw(REFERENCED, raw(0xFFFEE000, raw(CLASS, b"")) * 10)
    read = parse(data, IMPLICIT_LITTLE, DataSetLimits(max_elements=21))
    assert read.items(REFERENCED) == read.items(REFERENCED)


def test_ten_thousand_references_fit() -> None:
    item = {CLASS: ("UI", "1.2.840.10008.5.1.4.1.1.481.4"), INSTANCE: ("UI", "2." + "7" * 62)}
    data = encode({REFERENCED: ("SQ", [item] * 10_000)}, EXPLICIT_LITTLE)
    assert len(parse(data, EXPLICIT_LITTLE).items(REFERENCED)) == 10_000


def test_the_size_is_bounded_before_and_after_inflating() -> None:
    limits = DataSetLimits(max_bytes=1000)
    for size, fits in ((992, True), (994, False)):
        plain = raw(0x00090010, bytes(size))
        explicit = encode({0x00090010: ("OB", bytes(size - 4))}, DEFLATED)
        if fits:
            assert parse(plain, IMPLICIT_LITTLE, limits).get(0x00090010) == bytes(size)
            assert parse(explicit, DEFLATED, limits).get(0x00090010) == bytes(size - 4)
        else:
            with pytest.raises(DataSetError, match="more than 1000 bytes"):
                parse(plain, IMPLICIT_LITTLE, limits)
            with pytest.raises(DataSetError, match="more than 1000 bytes"):
                parse(explicit, DEFLATED, limits)


# --- heads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [*SYNTAXES, "1.2.840.10008.1.2.4.50"])
def test_a_head_is_read_up_to_what_is_wanted(syntax: str) -> None:
    written = syntax if syntax in SYNTAXES else EXPLICIT_LITTLE
    elements: Elements = {
        0x00081140: ("SQ", [{CLASS: ("UI", "1.2")}] * 20),
        STUDY: ("UI", "1.2.3"),
        SERIES: ("UI", "1.2.4"),
        PIXELS: ("OW", bytes(range(256)) * 100),
    }
    data = encode(elements, written)
    head = parse_head(data[: len(data) - 1000 if syntax != DEFLATED else -100], syntax, SERIES)
    assert (head.text(STUDY), head.text(SERIES)) == ("1.2.3", "1.2.4")
    assert PIXELS not in head
    if syntax != DEFLATED:
        for length in range(0, 400, 7):
            with pytest.raises(DataSetCut):
                parse_head(data[:length], syntax, SERIES)


def test_a_head_without_what_is_wanted_says_so_by_what_follows() -> None:
    data = encode({STUDY: ("UI", "1.2.3"), PIXELS: ("OW", bytes(10))}, EXPLICIT_LITTLE)
    assert parse_head(data, EXPLICIT_LITTLE, SERIES).text(SERIES) == ""
    with pytest.raises(DataSetCut):
        parse_head(data[: 8 + 6], EXPLICIT_LITTLE, SERIES)


# --- writing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "elements",
    [
        {STUDY: ("UI", [{}])},
        {STUDY: ("ZZ", "1.2")},
        {STUDY: ("UI", "1" * 65536)},
        {REASON: ("US", 65536)},
        {REASON: ("UI", 1)},
        {0x00100010: ("PN", "\N{GREEK SMALL LETTER ALPHA}")},
    ],
)
def test_what_cannot_be_written(elements: Elements) -> None:
    with pytest.raises(LocalError):
        encode(elements, EXPLICIT_LITTLE)


def test_only_plain_syntaxes_are_written() -> None:
    with pytest.raises(LocalError, match="not written"):
        encode({}, "1.2.840.10008.1.2.4.50")


texts = st.text("0123456789.", max_size=64).map(lambda text: text.strip("\0 "))
leaves = st.one_of(texts.map(lambda text: ("UI", text)), st.integers(0, 0xFFFF).map(lambda n: ("US", n)))
tags = st.integers(0x00080001, 0x7FDFFFFF)
levels = st.recursive(
    st.dictionaries(tags, leaves, max_size=4),
    lambda inner: st.dictionaries(
        tags, st.one_of(leaves, st.lists(inner, max_size=3).map(lambda items: ("SQ", items))), max_size=4
    ),
    max_leaves=10,
)


def same(data: Any, elements: Any) -> bool:
    return list(data) == sorted(elements) and all(
        (vr == "SQ" and all(map(same, data.items(tag), value)) and len(data.items(tag)) == len(value))
        or (vr == "UI" and data.text(tag) == value)
        or (vr == "US" and data.number(tag) == value)
        for tag, (vr, value) in elements.items()
    )


@given(levels, st.sampled_from(SYNTAXES))
def test_what_is_written_is_read_again(elements: Any, syntax: str) -> None:
    assert same(parse(encode(elements, syntax), syntax), elements)


@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_any_bytes_are_a_data_set_or_an_error(data: bytes, syntax: str) -> None:
    try:
        read = parse(data, syntax)
        for tag in read:
            read.items(tag)
    except DataSetError:
        pass
