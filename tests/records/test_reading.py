"""What is read from treatment records, with pydicom as second opinion."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from gateway.demo.synthetic import RECORD_KINDS, Manner, SyntheticObject, make_record
from gateway.demo.synthetic.encoding import item
from gateway.dicom.data_set import IMPLICIT_LITTLE, DataSetLimits
from gateway.dicom.sop_classes import RECORD_CLASSES
from gateway.records import LIMITS, RecordSummary, summarize
from gateway.records.classes import KINDS
from gateway.records.reading import MAX_BEAMS
from tests.support.treatment_records import MANNERS, SMALL, changed, second_generation

SESSIONS = {
    "beams-record": "TreatmentSessionBeamSequence",
    "ion-record": "TreatmentSessionIonBeamSequence",
    "brachy-record": "TreatmentSessionApplicationSetupSequence",
}


def read(thing: SyntheticObject) -> RecordSummary:
    return summarize(thing.data, thing.sop_class_uid, thing.transfer_syntax_uid)


def test_every_class_of_records_is_known() -> None:
    assert KINDS.keys() == RECORD_CLASSES


@pytest.mark.parametrize("manner", MANNERS, ids=str)
@pytest.mark.parametrize("kind", SESSIONS)
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, "1.2.840.10008.1.2.1"])
def test_a_record_is_read_as_pydicom_reads_it(kind: str, manner: Manner, syntax: str) -> None:
    thing = make_record(kind, fraction=12, sizes=SMALL, manner=manner, transfer_syntax_uid=syntax)
    theirs = thing.data_set()
    items = theirs[SESSIONS[kind]].value
    ours = read(thing)
    assert ours.readable
    assert ours.treated.replace("-", "").replace(":", "").replace("T", "") == (
        theirs.TreatmentDate + theirs.TreatmentTime
    )
    assert ours.fraction == items[0].CurrentFractionNumber
    assert ours.fractions_planned == theirs.NumberOfFractionsPlanned
    assert [beam.ending.upper() for beam in ours.beams] == [one.TreatmentTerminationStatus for one in items]
    assert [beam.delivery.upper() for beam in ours.beams] == [one.TreatmentDeliveryType for one in items]
    assert ours.beam_count == len(items)
    assert ours.ending == manner.ending.lower()
    assert ours.ending_word == ""
    assert ours.machine == theirs.TreatmentMachineSequence[0].TreatmentMachineName
    assert theirs.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID.endswith(ours.plan_reference)
    assert 0 < len(ours.plan_reference) <= 8
    assert ours.content == ("simulation" if manner.origin == "SIMULATION" else "treatment")
    assert ours.entered_by_hand is (manner.origin == "USER")
    assert ours.continuation is manner.continuation
    assert ours.check == {
        "VERIFIED": "verified", "VERIFIED_OVR": "overridden", "NOT_VERIFIED": "not-verified"
    }[manner.check]  # fmt: skip
    if kind == "brachy-record":
        assert ours.channels == sum(len(one.RecordedChannelSequence) for one in items)
    else:
        assert [beam.name for beam in ours.beams] == [one.BeamName for one in items]


def test_a_summary_record_tells_of_the_course() -> None:
    ours = read(make_record("summary-record", fraction=12, manner=Manner("OPERATOR")))
    assert (ours.kind, ours.fraction, ours.fractions_planned) == ("summary", 12, 30)
    assert (ours.ending, ours.completion, ours.content) == ("operator", "ON_TREATMENT", "treatment")
    # How the fraction before went says nothing of this one.
    assert read(make_record("summary-record", fraction=13)).ending == "normal"


@pytest.mark.parametrize("number", [17, 18, 19, 20])
def test_the_second_generation(number: int) -> None:
    ours = read(second_generation(number))
    assert ours.treated == "2026-03-04T08:30:05+01:00"
    assert (ours.plan_label, ours.plan_name) == ("ARC 1", "Arc, clockwise")
    assert (ours.fraction, ours.beam_count, ours.machine) == (7, 1, "LINAC1")
    assert (ours.ending, ours.content, ours.entered_by_hand) == ("normal", "treatment", False)
    assert ours.plan_reference


def test_a_record_set_counts_its_radiations() -> None:
    ours = read(second_generation(16))
    assert (ours.kind, ours.beam_count, ours.fraction, ours.completion) == ("set", 3, 7, "COMPLETE")
    assert ours.content == "treatment"
    assert ours.ending == "not-stated"


@pytest.mark.parametrize(
    ("usage", "content"),
    [
        ("TREATMENT", "treatment"), ("PLAN_QA", "plan-qa"), ("MACHINE_QA", "machine-qa"),
        ("RESEARCH", "research"), ("SERVICE", "service"), ("NEW_TERM", "unknown"), ("", "unknown"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("number", [16, 19])
def test_what_the_radiation_was_used_for(usage: str, content: str, number: int) -> None:
    assert read(second_generation(number, usage=usage)).content == content


def test_a_simulation_is_one_whatever_its_usage() -> None:
    assert read(second_generation(19, origin="SIMULATION")).content == "simulation"
    assert read(second_generation(19, "PLAN_QA", origin="SIMULATION")).content == "simulation"


def test_a_phantom_is_no_patient() -> None:
    ours = read(changed(lambda record: setattr(record, "QualityControlSubject", "YES")))
    assert ours.content == "phantom"


def test_a_word_that_the_standard_does_not_have_is_kept_and_is_not_normal() -> None:
    ours = read(second_generation(19, ending="ABORTED"))
    assert (ours.ending, ours.ending_word) == ("unknown", "ABORTED")


def _ends(record: Dataset, *words: str) -> None:
    for beam, word in zip(record.TreatmentSessionBeamSequence, words, strict=False):
        beam.TreatmentTerminationStatus = word


@pytest.mark.parametrize(
    ("words", "worst"),
    [
        (("OPERATOR", "MACHINE", "UNKNOWN"), "machine"),
        (("NORMAL", "OPERATOR", "UNKNOWN"), "operator"),
        (("UNKNOWN", ""), "unknown"),
        (("", "NORMAL"), "not-stated"),
        (("normal ", " NORMAL"), "normal"),
    ],
)
def test_the_worst_of_the_beams_counts(words: tuple[str, ...], worst: str) -> None:
    assert read(changed(lambda record: _ends(record, *words))).ending == worst


def test_what_is_not_there_is_not_made_up() -> None:
    def strip(record: Dataset) -> None:
        del record.TreatmentDate, record.TreatmentTime, record.ReferencedRTPlanSequence
        del record.NumberOfFractionsPlanned, record.TreatmentMachineSequence, record.StationName
        record.TreatmentSessionBeamSequence = []

    ours = read(changed(strip))
    assert ours == RecordSummary(kind="beams", content="treatment")


def test_plan_names_of_the_record_itself_come_first() -> None:
    def name(record: Dataset) -> None:
        record.RTPlanLabel, record.RTPlanName = "PROSTATE", "Prostate boost, 2nd"

    ours = read(changed(name))
    assert (ours.plan_label, ours.plan_name) == ("PROSTATE", "Prostate boost, 2nd")


@pytest.mark.parametrize(
    ("date", "time", "zone", "expected"),
    [
        ("20260304", "083005.25", "", "2026-03-04T08:30:05"),
        ("20260304", "0830", "+0545", "2026-03-04T08:30:00+05:45"),
        ("20260304", "", "+0100", "2026-03-04"),
        ("20260304", "235960", "", "2026-03-04T23:59:59"),
        ("20260231", "083000", "", ""),
        ("tomorrow", "083000", "", ""),
        ("20260304", "noon", "", "2026-03-04"),
        ("20260304", "0830", "local", "2026-03-04T08:30:00"),
    ],
)
def test_times_are_those_of_the_record(date: str, time: str, zone: str, expected: str) -> None:
    def put(record: Dataset) -> None:
        record.TreatmentDate, record.TreatmentTime, record.TimezoneOffsetFromUTC = date, time, zone

    assert read(changed(put)).treated == expected


def test_many_beams_are_counted_and_some_listed() -> None:
    def multiply(record: Dataset) -> None:
        beam = record.TreatmentSessionBeamSequence[0]
        last = item(**{k: beam[k].value for k in ("BeamName", "TreatmentTerminationStatus")})
        last.TreatmentTerminationStatus = "MACHINE"
        record.TreatmentSessionBeamSequence = [item(BeamName="b") for _ in range(MAX_BEAMS)] + [last]

    ours = read(changed(multiply))
    assert (len(ours.beams), ours.beam_count, ours.ending) == (MAX_BEAMS, MAX_BEAMS + 1, "machine")


def test_texts_are_short_and_harmless() -> None:
    def name(record: Dataset) -> None:
        record.TreatmentSessionBeamSequence[0].BeamName = "a\x1b[2J" * 60

    ours = read(changed(name))
    assert len(ours.beams[0].name) == 64
    assert "\x1b" not in ours.beams[0].name


# ---- strange bytes ----------------------------------------------------------------------------------------


def test_other_encodings() -> None:
    big = changed(lambda _: None, syntax=ExplicitVRBigEndian)
    assert read(big) == read(changed(lambda _: None))
    assert big.data != changed(lambda _: None).data


def test_deflated() -> None:
    thing = changed(lambda _: None)
    squeezed = zlib.compressobj(wbits=-15)
    data = squeezed.compress(thing.data) + squeezed.flush()
    assert summarize(data, thing.sop_class_uid, DeflatedExplicitVRLittleEndian) == read(thing)
    bomb = zlib.compressobj(wbits=-15)
    data = bomb.compress(bytes(LIMITS.max_bytes + 10)) + bomb.flush()
    assert not summarize(data, thing.sop_class_uid, DeflatedExplicitVRLittleEndian).readable


@pytest.mark.parametrize("kind", RECORD_KINDS)
def test_a_record_that_is_cut_anywhere_is_not_readable(kind: str) -> None:
    thing = make_record(kind, sizes=SMALL)
    whole = read(thing)
    for end in [1, *range(2, len(thing.data), 97), len(thing.data) - 1]:
        cut = summarize(thing.data[:end], thing.sop_class_uid, thing.transfer_syntax_uid)
        # A cut between two elements leaves a whole data set, with less in it.
        assert cut != whole
        assert not cut.readable or cut.kind == whole.kind


def test_too_much_is_not_read() -> None:
    thing = make_record(sizes=SMALL)
    for limits in (
        replace(LIMITS, max_bytes=len(thing.data) - 1),
        replace(LIMITS, max_elements=40),
        DataSetLimits(max_depth=0),
    ):
        assert not summarize(thing.data, thing.sop_class_uid, thing.transfer_syntax_uid, limits).readable


def test_depth_is_bounded() -> None:
    nested = b"\x08\x00\x05\x00\0\0\0\0"
    for _ in range(2000):
        nested = b"\xfe\xff\x00\xe0" + len(nested).to_bytes(4, "little") + nested
        nested = b"\x08\x30\x20\x00" + len(nested).to_bytes(4, "little") + nested
    ours = summarize(nested, "1.2.840.10008.5.1.4.1.1.481.4", IMPLICIT_LITTLE)
    assert ours.readable  # what is beyond the beams is skipped, not read
    endless = b"\x08\x30\x20\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 50_000
    assert not summarize(endless, "1.2.840.10008.5.1.4.1.1.481.4", IMPLICIT_LITTLE).readable


@given(st.integers(0, 2**32), st.sampled_from(RECORD_KINDS), st.integers(1, 12))
@settings(max_examples=150)
def test_damage_never_raises_and_never_makes_texts_long(seed: int, kind: str, wounds: int) -> None:
    rng = random.Random(seed)
    data = bytearray(_DATA[kind])
    for _ in range(wounds):
        data[rng.randrange(len(data))] = rng.randrange(256)
    ours = summarize(bytes(data), _CLASS[kind], "1.2.840.10008.1.2.1")
    assert len(ours.beams) <= MAX_BEAMS
    texts = [ours.treated, ours.plan_label, ours.plan_name, ours.machine, *(beam.name for beam in ours.beams)]
    assert all(len(text) <= 64 and text.isprintable() for text in texts)


_DATA = {kind: make_record(kind, sizes=SMALL).data for kind in RECORD_KINDS}
_CLASS = {kind: make_record(kind, sizes=SMALL).sop_class_uid for kind in RECORD_KINDS}
