"""Who a record is of, and what tells patients apart without saying who they are."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from gateway.demo.synthetic import RECORD_KINDS, SyntheticObject, make_record
from gateway.records import Patient, patient_key, read_patient
from tests.support.treatment_records import SMALL, changed, second_generation

SECRET = b"a secret of this test"


def key(thing: SyntheticObject, secret: bytes = SECRET) -> bytes | None:
    return patient_key(thing.data, thing.transfer_syntax_uid, secret)


def who(thing: SyntheticObject) -> Patient:
    return read_patient(thing.data, thing.transfer_syntax_uid)


def name(value: str) -> SyntheticObject:
    return changed(lambda record: setattr(record, "PatientName", value))


@pytest.mark.parametrize("kind", RECORD_KINDS)
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, "1.2.840.10008.1.2.1"])
def test_the_patient_as_pydicom_reads_it(kind: str, syntax: str) -> None:
    thing = make_record(kind, seed=7, sizes=SMALL, transfer_syntax_uid=syntax)
    theirs = thing.data_set()
    ours = who(thing)
    assert ours.name == str(theirs.PatientName).replace("^", ", ")
    assert ours.patient_id == theirs.PatientID
    assert ours.birth_date.replace("-", "") == theirs.PatientBirthDate
    assert ours.readable


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Doe^Jane^Q^Dr.^III", "Doe, Dr. Jane Q III"),
        ("Doe", "Doe"),
        ("^Jane", "Jane"),
        ("Wang^XiaoDong=王^小東", "Wang, XiaoDong / 王, 小東"),
        ("A^B=A^B", "A, B"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # text; the page escapes
        ("", ""),
    ],
)
def test_names_are_written_as_people_do(value: str, shown: str) -> None:
    assert who(name(value)).name == shown


def test_a_record_that_makes_no_sense_names_nobody() -> None:
    garbage = b"\x08\x00garbage"
    assert read_patient(garbage, "1.2.840.10008.1.2.1") == Patient("", "", "", readable=False)
    assert read_patient(b"", "1.2.3") == Patient("", "", "", readable=False)
    assert patient_key(garbage, "1.2.840.10008.1.2.1", SECRET) is None


def test_a_record_that_ends_with_its_patient() -> None:
    """Nothing comes after the date of birth: the head is the whole."""

    def strip(record: Dataset) -> None:
        for element in list(record):
            if element.tag > 0x00100030:
                del record[element.tag]

    assert who(changed(strip)).patient_id == "SYN-000001"


def test_records_of_one_patient_have_one_key() -> None:
    keys = {key(make_record(kind, seed=3, fraction=n, sizes=SMALL)) for kind in RECORD_KINDS for n in (1, 2)}
    keys.add(key(second_generation(19, seed=3)))
    assert len(keys) == 1
    assert keys.pop() != key(make_record(seed=4, sizes=SMALL))


def test_a_corrected_name_is_the_same_patient_and_another_issuer_is_not() -> None:
    plain = changed(lambda _: None)
    assert key(name("Doe^Jane")) == key(plain)
    assert key(changed(lambda record: setattr(record, "IssuerOfPatientID", "OTHER"))) != key(plain)


def test_without_an_id_the_name_counts_and_without_both_there_is_no_key() -> None:
    def anonymous(value: str) -> SyntheticObject:
        def strip(record: Dataset) -> None:
            record.PatientID, record.PatientName = "", value

        return changed(strip)

    assert key(anonymous("Doe^Jane")) == key(anonymous("Doe^Jane")) != key(anonymous("Doe^John"))
    assert key(anonymous("")) is None


def test_a_key_says_nothing_without_the_secret() -> None:
    thing = make_record(seed=3, sizes=SMALL)
    assert key(thing) != key(thing, b"another secret")


@given(st.integers(0, 2**32))
@settings(max_examples=150)
def test_damage_never_raises(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(_DATA)
    for _ in range(rng.randrange(1, 8)):
        data[rng.randrange(500)] = rng.randrange(256)
    end = rng.choice([len(data), rng.randrange(len(data))])
    ours = read_patient(bytes(data[:end]), "1.2.840.10008.1.2.1")
    assert all(
        len(text) <= 200 and text.isprintable() for text in (ours.name, ours.patient_id, ours.birth_date)
    )
    patient_key(bytes(data[:end]), "1.2.840.10008.1.2.1", SECRET)


_DATA = make_record(sizes=SMALL).data
