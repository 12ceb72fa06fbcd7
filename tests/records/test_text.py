"""Texts in every character set that DICOM has, with pydicom's own files and decoder as second opinion."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.records.patient import read_patient
from gateway.records.text import MAX_TEXT, decode, plain
from tests.support.objects import data_set, read

FILES = sorted((Path(pydicom.__file__).parent / "data" / "charset_files").glob("*.dcm"))
_NAMED = [path for path in FILES if not path.name.startswith("chrSQ")]


@pytest.mark.parametrize("path", _NAMED, ids=lambda path: path.stem)
def test_names_are_read_as_pydicom_reads_them(path: Path) -> None:
    theirs = pydicom.dcmread(path)
    theirs.decode()
    expected = [form.replace("^", ", ") for form in str(theirs.PatientName).split("=") if form]
    assert read_patient(data_set(path), read(path).transfer_syntax_uid).name == " / ".join(expected)


def test_there_are_files_to_judge_by() -> None:
    assert len(_NAMED) > 12


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("ISO_IR 101", "Dvořák"), ("ISO_IR 109", "Ċetta"), ("ISO_IR 110", "Kārlis"), ("ISO_IR 148", "Çağla"),
        ("ISO_IR 166", "สมชาย"), ("ISO_IR 203", "Œuvre"), ("GBK", "王小东"), ("ISO_IR 13", "ﾔﾏﾀﾞ"),
    ],
)  # fmt: skip
def test_sets_without_a_file(term: str, text: str) -> None:
    # ISO_IR 203 (Latin-9) came into the standard after pydicom's table.
    value = text.encode({**pydicom.charset.python_encoding, "ISO_IR 203": "iso8859_15"}[term])
    assert decode(value, term) == text
    assert decode(value, term.replace("ISO_IR", "ISO 2022 IR") + "\\ISO 2022 IR 87") == text


def test_the_first_set_is_back_after_a_delimiter() -> None:
    cyrillic = "Иван".encode("iso8859_5")
    value = b"\x1b-L" + cyrillic + b"^" + "Jérôme".encode("latin-1")
    assert decode(value, "ISO 2022 IR 100\\ISO 2022 IR 144") == "Иван^Jérôme"


@given(
    st.binary(max_size=200), st.sampled_from(["", "ISO_IR 192", "ISO 2022 IR 13\\ISO 2022 IR 87", "no", "\\"])
)
def test_anything_becomes_some_text(value: bytes, term: str) -> None:
    assert isinstance(decode(value, term), str)


@given(st.text(max_size=400), st.integers(2, MAX_TEXT))
def test_plain_is_one_short_printable_line(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert len(shown) <= limit
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in shown)


def test_what_could_steer_a_screen_becomes_visible() -> None:
    assert plain("a\x1b[2Jb\u202egnp.exe\u200b") == "a\ufffd[2Jb\ufffdgnp.exe\ufffd"
    assert plain("  two \n lines\t") == "two lines"
