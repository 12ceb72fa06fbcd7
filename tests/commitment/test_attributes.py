"""Attributes of the content: which are asked for, and what equal and different ones say."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commitment.attributes import ATTRIBUTES, Likeness, compare, own, return_keys
from gateway.dicom.data_set import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, DataSet, encode, parse

CREATED, CREATED_AT, ROWS, POSITION, SERIAL, NUMBER = (
    *(0x00080012, 0x00080013, 0x00280010, 0x00200032, 0x00181000, 0x00200013),
)
MOMENT = 0x0008002A


def a_data_set(syntax: str = EXPLICIT_LITTLE, **values: Any) -> DataSet:
    tags = {
        "created": (CREATED, "DA"),
        "at": (CREATED_AT, "TM"),
        "rows": (ROWS, "US"),
        "position": (POSITION, "DS"),
        "serial": (SERIAL, "LO"),
        "number": (NUMBER, "IS"),
        "moment": (MOMENT, "DT"),
    }
    elements = {tags[key][0]: (tags[key][1], value) for key, value in values.items()}
    return parse(encode(elements, syntax), syntax)


MINE = {"created": "20260301", "at": "101530.25", "rows": 512, "position": "-1.5\\2\\3", "number": "7"}


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_an_object_is_like_itself_in_every_encoding(syntax: str) -> None:
    found = compare(own(a_data_set(**MINE)), a_data_set(syntax, **MINE))
    assert found.likeness is Likeness.SAME
    assert "(0008,0013)" in found.names


@pytest.mark.parametrize(
    ("other", "tag"),
    [
        ({"created": "20260228"}, CREATED),
        ({"at": "101531"}, CREATED_AT),
        ({"at": "101530.3"}, CREATED_AT),
        ({"rows": 256}, ROWS),
        ({"position": "-1.5\\2\\4"}, POSITION),
        ({"position": "-1.5\\2"}, POSITION),
        ({"number": "8"}, NUMBER),
    ],
)
def test_one_that_is_different_proves_the_opposite(other: dict[str, Any], tag: int) -> None:
    found = compare(own(a_data_set(**MINE)), a_data_set(**{**MINE, **other}))
    assert (found.likeness, found.tags) == (Likeness.OTHER, (tag,))


@pytest.mark.parametrize(
    "other",
    [
        {"created": "2026.03.01"},  # the form before DICOM 3
        {"at": "10:15:30"},
        {"at": "101530"},
        {"at": "101530.250000"},
        {"position": "-1.50000001\\2.0\\3e0"},
        {"number": "007"},
    ],
)
def test_another_spelling_of_the_same_is_the_same(other: dict[str, Any]) -> None:
    assert compare(own(a_data_set(**MINE)), a_data_set(**{**MINE, **other})).likeness is Likeness.SAME


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"created": "20260301", "rows": 512, "number": "7"},  # nothing that tells a time of day
        {"at": "101530"},  # alone
        {"at": "1015", "created": "20260301"},  # to the minute
        {"at": "", "created": "", "rows": b""},
        {"at": "nonsense", "created": "20260301"},
    ],
)
def test_what_is_left_out_proves_nothing(answer: dict[str, Any]) -> None:
    assert compare(own(a_data_set(**MINE)), a_data_set(**answer)).likeness is Likeness.UNDECIDED


def test_a_moment_tells_the_time_of_day() -> None:
    mine = own(a_data_set(moment="20260301101530.5+0100", rows=512))
    assert compare(mine, a_data_set(moment="20260301101530", rows=512)).likeness is Likeness.SAME
    assert compare(mine, a_data_set(moment="20260301101531", rows=512)).likeness is Likeness.OTHER
    assert compare(mine, a_data_set(moment="20260301", rows=512)).likeness is Likeness.UNDECIDED


def test_text_in_a_character_set_is_left_out() -> None:
    assert SERIAL not in own(a_data_set(serial="Gerät 1"))
    assert SERIAL in own(a_data_set(serial="SN 1"))


def test_only_what_the_object_has_is_asked_for() -> None:
    assert return_keys(own(a_data_set(at="101530", rows=512))) == {CREATED_AT: ("TM", ""), ROWS: ("US", "")}


def test_the_kinds_are_those_of_the_standard() -> None:
    from pydicom.datadict import dictionary_VR

    assert {tag: kind.value for tag, kind in ATTRIBUTES.items()} == {
        tag: dictionary_VR(tag) for tag in ATTRIBUTES
    }


def test_nothing_of_the_patient_or_the_study_is_asked_for() -> None:
    assert not any(tag >> 16 in (0x0010, 0x0012, 0x0032, 0x0040) for tag in ATTRIBUTES)
