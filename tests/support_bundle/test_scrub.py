from __future__ import annotations

import json
import re
import string
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.support.scrub import Scrubber
from gateway.support.vocabulary import vocabulary

WORDS = vocabulary()
NAMES = ("CLINIC07", "ARIA", "oncology", "ois.example.org", "10.1.2.3", "LINAC1")
UID = "1.2.826.0.1.3680043.8.498.12345678901234567890"


@pytest.fixture
def scrubber() -> Scrubber:
    return Scrubber(WORDS, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "the peer refused the association",
        "status 0xA700 Refused: out of resources",
        "192.0.2.20 and fe80::1 and ois.example.org:2762"[:-5],
        "20.5kB in 1.2s",
        "called ARIA by LINAC1",
        "CT Image Storage 1.2.840.10008.5.1.4.1.1.2",
        "RT Beams Treatment Record Storage, Implicit VR Little Endian",
        "Connection refused",
        "17 objects",
    ],
)
def test_what_the_program_says_stays(scrubber: Scrubber, text: str) -> None:
    assert scrubber.text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DOE^JANE refused", "[w1]^[w2] refused"),
        ("Doe Doe", "[w1] [w1]"),
        ("id 4711", "id [n1]"),
        ("born 19700131", "[w1] [n1]"),
        ("1970-01-31", "[n1]-01-31"),
        (UID, "[uid1]"),
        (f"no {UID}, no {UID}", "no [uid1], no [uid1]"),
        ("1.2.840.113619.2.55", "[uid1]"),
        ("ARIA2 and XARIA", "[w1] and [w2]"),
        ("oncology.exemple", "oncology.[w1]"),
        ("山田^太郎", "[w1]^[w2]"),
        ("a\x1b[31mb\u202ec", "a?[[w1]?[w2]"),
    ],
)
def test_what_could_name_somebody_goes(scrubber: Scrubber, text: str, expected: str) -> None:
    found = scrubber.text(text)
    assert re.sub(r"\d+", "#", found) == re.sub(r"\d+", "#", expected) or found == expected


IDENTITY = st.text(
    alphabet=st.characters(categories=("Lu", "Ll", "Lt", "Lm", "Lo", "Nd")), min_size=3, max_size=16
)


@given(
    IDENTITY,
    st.sampled_from(["{}", "no patient {} here", "x={}", '"{}"', "({})", "^{}^", "status 0x{} ", "{}."]),
)
def test_no_unknown_word_ever_stays(identity: str, around: str) -> None:
    assume(identity not in WORDS)
    # 0xAB is a status, and 12.5s a quantity: too short to name anybody.
    assume(not re.fullmatch(r"[0-9A-Fa-f]{3,4}", identity) or "0x" not in around)
    assume(not re.fullmatch(r"[0-9]{1,6}(?:ms|min|kB|MB|GB|TB|[shdB])", identity))
    found = Scrubber(WORDS, NAMES).text(around.format(identity))
    assert identity not in found.replace("status", "").replace("patient", "").replace("here", "")


_KEPT = re.compile(
    r"(?:w|n|uid)\d+"  # a placeholder
    r"|0x[0-9A-Fa-f]{1,4}|\d{1,6}(?:ms|s|min|h|d|B|kB|MB|GB|TB)|\d+"  # a status, a quantity
    r"|[0-9A-Fa-f]{1,4}"  # of an address
)


@given(st.text(max_size=400))
def test_any_text_is_harmless_afterwards(text: str) -> None:
    found = Scrubber(WORDS, NAMES).text(text)
    assert all(c.isprintable() or c in "\n\t" for c in found)
    for run in re.findall(r"\w{3,}", found):
        assert run in WORDS or run in "".join(NAMES) or _KEPT.fullmatch(run), run


@given(st.lists(st.integers(0, 10**14), min_size=6, max_size=10))
def test_no_instance_uid_ever_stays(components: list[int]) -> None:
    uid = ".".join(map(str, components))
    assume(not uid.startswith("1.2.840.10008."))
    found = Scrubber(WORDS, NAMES).text(f"object {uid} refused")
    assert uid not in found
    assert "refused" in found


@given(st.text(alphabet=string.ascii_letters, min_size=4, max_size=12), st.integers(2, 5))
def test_the_same_word_has_the_same_placeholder(word: str, times: int) -> None:
    assume(word not in WORDS)
    found = Scrubber(WORDS).text(" ".join([word] * times)).split()
    assert len(set(found)) == 1
    assert found[0] == "[w1]"


def test_two_names_are_no_address(scrubber: Scrubber) -> None:
    assert "ADA" not in scrubber.text("from ADA::DEE")
    assert scrubber.text("from fe80::1") == "from fe80::1"


def test_names_are_whole_or_not_at_all(scrubber: Scrubber) -> None:
    assert scrubber.name("LINAC1") == "LINAC1"
    assert scrubber.name("DOE^JANE") == "[w1]"
    assert scrubber.name("") == ""


def test_json_is_scrubbed_everywhere(scrubber: Scrubber) -> None:
    value = {"state": "held", "Mrs. Doe": [{"reason": "Doe", "size": 4711, "deep": [["Doe"]]}], "ok": None}
    found = scrubber.json(value)
    assert found["state"] == "held"
    assert "Doe" not in json.dumps(found)
    assert "4711" in json.dumps(found)


def test_json_without_end_of_nesting_is_no_error(scrubber: Scrubber) -> None:
    value: list[object] = ["Doe"]
    for _ in range(900):
        value = [value]
    assert "Doe" not in json.dumps(scrubber.json(value))


def test_a_place_in_a_program_stays_and_its_error_is_scrubbed(scrubber: Scrubber) -> None:
    assert (
        scrubber.frame("/opt/venv/lib/python3.11/site-packages/gateway/spool/store.py:1234 in put")
        == "gateway/spool/store.py:1234 in put"
    )
    assert "Doe" not in scrubber.frame("ValueError: Doe")


def test_what_is_no_program_adds_no_words(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text('"""Descriptive."""\n# remarkable\nx = "spoken"\n')
    (tmp_path / "broken.py").write_text('x = "halfway')
    (tmp_path / "zero.py").write_bytes(b"x = 1\0")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "patients.py").write_text('x = "invented"')
    words = vocabulary(tmp_path)
    assert "spoken" in words
    assert not {"Descriptive", "remarkable", "halfway", "invented"} & words


def test_the_vocabulary_has_no_patients() -> None:
    assert not {"DOE", "Doe", "Jane", "Anna", "anna", "Smith"} & WORDS
    assert {"queued", "refused", "association", "object_number"} <= WORDS
