"""The same content in another transfer syntax, and everything that only looks like it."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from gateway.spool.compare import Copy, difference
from tests.support.encodings import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_2000,
    RLE,
    a_record,
    an_image,
    encode,
)
from tests.support.spooling import an_instance

LIMIT = 1 << 20
NATIVE = [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED]


def copy(dataset: Dataset, syntax: str) -> Copy:
    return Copy(an_instance(1, syntax), encode(dataset, syntax))


def compare(first: Copy, second: Copy) -> str:
    one, other = difference(first, second, LIMIT), difference(second, first, LIMIT)
    assert bool(one) is bool(other)
    return one


@pytest.mark.parametrize(("first", "second"), list(combinations(NATIVE, 2)))
def test_a_record_in_another_syntax_is_the_same(first: str, second: str) -> None:
    assert compare(copy(a_record(), first), copy(a_record(), second)) == ""


@pytest.mark.parametrize(("first", "second"), list(combinations([*NATIVE, RLE], 2)))
def test_an_image_in_another_syntax_is_the_same(first: str, second: str) -> None:
    assert compare(copy(an_image(), first), copy(an_image(), second)) == ""


def changed_name(dataset: Dataset) -> None:
    dataset.PatientName = "Phantom^Air"


def changed_number(dataset: Dataset) -> None:
    dataset[0x00720069].value = [1, 2, 4]


def changed_private(dataset: Dataset) -> None:
    dataset[0x00091101].value = b"\1\2\3\5"


def changed_nested(dataset: Dataset) -> None:
    dataset.TreatmentSessionBeamSequence[1].ControlPointDeliverySequence[0].DeliveredMeterset = 12.0


def missing_item(dataset: Dataset) -> None:
    del dataset.TreatmentSessionBeamSequence[1]


def missing_element(dataset: Dataset) -> None:
    del dataset[0x00091101]


def changed_pixels(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:-1] + b"\0"


@pytest.mark.parametrize("syntax", [*NATIVE[1:], RLE])
@pytest.mark.parametrize(
    "change",
    [
        changed_name,
        changed_number,
        changed_private,
        changed_nested,
        missing_item,
        missing_element,
        changed_pixels,
    ],
)
def test_the_least_change_is_seen(syntax: str, change: object) -> None:
    assert callable(change)
    dataset = an_image()
    change(dataset)
    found = compare(copy(an_image(), EXPLICIT), copy(dataset, syntax))
    assert "differ" in found or "only" in found
    assert "Phantom" not in found


def test_another_class_is_another_object() -> None:
    second = copy(a_record(), IMPLICIT)
    instance = type(second.instance)("1.2.840.10008.5.1.4.1.1.2", "1.2.3", IMPLICIT)
    assert compare(copy(a_record(), EXPLICIT), Copy(instance, second.data)) == "the SOP class differs"


def test_group_lengths_and_padding_do_not_count() -> None:
    padded = a_record()
    padded.add_new(0x00080000, "UL", 1234)
    padded.add_new(0xFFFCFFFC, "OB", bytes(100))
    assert compare(copy(a_record(), EXPLICIT), copy(padded, IMPLICIT)) == ""


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED])
def test_half_a_data_set_is_not_compared(syntax: str) -> None:
    """Cut anywhere, it must not pass for a shorter one: both halves of the same would look the same."""
    whole = encode(a_record(), syntax)
    other = copy(a_record(), BIG_ENDIAN)
    padding = syntax == DEFLATED and whole.endswith(b"\0")
    for end in range(len(whole) - padding):
        cut = Copy(an_instance(1, syntax), whole[:end])
        assert difference(cut, other, LIMIT), end


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_empty_and_garbled_data_sets_are_not_compared(syntax: str) -> None:
    for data in (b"", bytes(1000), b"\xff" * 1000, b"garbage " * 100):
        one, other = Copy(an_instance(1, EXPLICIT), data), Copy(an_instance(1, syntax), data)
        assert "cannot be compared" in difference(one, other, LIMIT)


def test_what_cannot_be_decoded_here_is_not_compared() -> None:
    image = encode(an_image(), RLE)
    found = compare(copy(an_image(), EXPLICIT), Copy(an_instance(1, JPEG_2000), image))
    assert "cannot be decoded" in found


def test_damaged_pixels_are_not_compared() -> None:
    image = bytearray(encode(an_image(), RLE))
    image[-100:] = bytes(100)
    assert compare(copy(an_image(), EXPLICIT), Copy(an_instance(1, RLE), bytes(image)))


def test_what_expands_too_far_is_not_compared() -> None:
    bomb = a_record()
    bomb.add_new(0x00091102, "OB", bytes(10 * LIMIT))
    found = compare(copy(a_record(), EXPLICIT), copy(bomb, DEFLATED))
    assert "too large" in found


def test_pixels_that_would_expand_too_far_are_not_decoded() -> None:
    image = an_image()
    image.Rows = image.Columns = 60_000
    assert "too large" in compare(copy(image, EXPLICIT), copy(image, RLE))


def test_nesting_is_bounded() -> None:
    dataset = a_record()
    for _ in range(200):
        outer = a_record()
        outer.TreatmentSessionBeamSequence = [dataset]
        dataset = outer
    assert "nested" in compare(copy(dataset, EXPLICIT), copy(dataset, IMPLICIT))


def test_elements_are_bounded() -> None:
    many = b"".join(
        (number >> 16).to_bytes(2, "little") + (number & 0xFFFF).to_bytes(2, "little") + bytes(4)
        for number in range(0x00090001, 0x00090001 + 250_000)
    )
    found = compare(copy(a_record(), EXPLICIT), Copy(an_instance(1, IMPLICIT), many))
    assert "more than 200000 elements" in found


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_leads_to_yes(data: st.DataObject) -> None:
    """One byte changed anywhere (but in a delimiter's or item's unused part) is never the same content."""
    syntax = data.draw(st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN]))
    whole = bytearray(encode(a_record(), syntax))
    place = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    whole[place] = value
    other = EXPLICIT if syntax != EXPLICIT else IMPLICIT
    found = difference(Copy(an_instance(1, syntax), bytes(whole)), copy(a_record(), other), LIMIT)
    if not found:
        # Only what an implicit transfer syntax cannot contradict: a VR of the same form.
        assert syntax in (EXPLICIT, BIG_ENDIAN)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(NATIVE), st.sampled_from([*NATIVE, RLE, JPEG_2000]))
def test_anything_is_answered(data: bytes, one: str, other: str) -> None:
    tail = encode(a_record(), EXPLICIT)
    for first in (data, tail + data, data + tail):
        difference(Copy(an_instance(1, one), first), Copy(an_instance(1, other), data), LIMIT)
