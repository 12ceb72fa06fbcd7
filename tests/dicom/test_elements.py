"""The strict reader of data sets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dicom.elements import DataSetError, DataSetLimits, ElementReader
from gateway.dicom.encoding import Encoding
from tests.support.encodings import BIG_ENDIAN, EXPLICIT, IMPLICIT, a_record, encode

LITTLE = Encoding(explicit=True)
ENCODINGS = {
    EXPLICIT: LITTLE,
    IMPLICIT: Encoding(explicit=False),
    BIG_ENDIAN: Encoding(explicit=True, big=True),
}


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_every_element_is_found(syntax: str) -> None:
    dataset = a_record()
    found = ElementReader(DataSetLimits()).read(encode(dataset, syntax), ENCODINGS[syntax])
    assert list(found) == [int(element.tag) for element in dataset]
    assert found[0x00100010].value == b"Phantom^Water "
    beams = ElementReader(DataSetLimits()).items(found[int(dataset["TreatmentSessionBeamSequence"].tag)], 0)
    assert [beam[0x300A00C2].value for beam in beams] == [b"AP", b"AP"]


def test_unknown_of_undefined_length_is_implicit_inside() -> None:
    inner = b"\x08\x00\x05\x00\x02\x00\x00\x00AB"
    data = (
        b"\x09\x00\x10\x10UN\0\0\xff\xff\xff\xff"
        b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + inner + b"\xfe\xff\x0d\xe0\0\0\0\0"
        b"\xfe\xff\xdd\xe0\0\0\0\0"
    )
    reader = ElementReader(DataSetLimits())
    element = reader.read(data, LITTLE)[0x00091010]
    assert reader.items(element, 0)[0][0x00080005].value == b"AB"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x08", "middle"),
        (b"\x08\x00\x05\x00CS\xff\x00AB", "middle"),
        (b"\x08\x00\x05\x00XX\x02\x00AB", "VR"),
        (b"\x08\x00\x05\x00CS\x02\x00AB" * 2, "twice"),
        (b"\xfe\xff\x00\xe0\x00\x00\x00\x00", "delimiter"),
        (b"\x09\x00\x10\x10SQ\0\0\xff\xff\xff\xff", "middle"),
        (b"\x09\x00\x10\x10SQ\0\0\xff\xff\xff\xff" + b"\x08\x00\x05\x00CS\x02\x00AB", "not an item"),
        (b"\x09\x00\x10\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\0\0\0AB", "item"),
    ],
)
def test_what_is_not_well_formed_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(DataSetError, match=words):
        ElementReader(DataSetLimits()).read(data, LITTLE)


def test_nesting_without_lengths_is_bounded() -> None:
    level = b"\x09\x00\x10\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(DataSetError, match="nested"):
        ElementReader(DataSetLimits()).read(level * 5000, LITTLE)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(ENCODINGS)))
def test_any_bytes_are_read_or_refused(data: bytes, syntax: str) -> None:
    try:
        found = ElementReader(DataSetLimits()).read(data, ENCODINGS[syntax])
    except DataSetError:
        return
    assert sum(len(element.value) + 8 for element in found.values()) <= len(data)
