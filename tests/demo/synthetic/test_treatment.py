"""Synthetic objects are reproducible, as large as real ones, and consistent with each other."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian

from gateway.demo.synthetic import (
    RECORD_KINDS,
    SOP_CLASSES,
    Sizes,
    Treatment,
    make_record,
    rt_kinds,
    write_set,
)

SMALL = Sizes(ct_slices=3, cbct_slices=3, matrix=32, image_rows=32, image_columns=32, dose_frames=2)


@pytest.mark.parametrize("kind", rt_kinds())
def test_same_seed_gives_the_same_bytes(kind: str) -> None:
    first, second = (Treatment(3, sizes=SMALL).make(kind, 4, 1) for _ in range(2))
    assert first.data == second.data
    assert first.digest == hashlib.sha256(first.data).digest()


def test_another_process_gives_the_same_bytes() -> None:
    """Nothing depends on the hash seed, the clock or the order of calls."""
    program = (
        "from gateway.demo.synthetic import Treatment;"
        "t = Treatment(3); t.make('plan'); print(t.make('beams-record', 2).digest.hex())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == Treatment(3).make("beams-record", 2).digest.hex()


def test_identity_differs_by_patient_fraction_and_index() -> None:
    made = [
        Treatment(seed, sizes=SMALL).make("rt-image", fraction, index).sop_instance_uid
        for seed in (1, 2)
        for fraction in (1, 2)
        for index in (0, 1)
    ]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("kind", rt_kinds())
def test_names_say_that_they_are_synthetic(kind: str) -> None:
    thing = Treatment(12, sizes=SMALL).make(kind)
    data_set = thing.data_set()
    assert data_set.PatientName == "TEST^Synthetic 12"
    assert data_set.PatientID == "SYN-000012"
    assert data_set.SOPClassUID == thing.sop_class_uid == SOP_CLASSES[kind]
    assert data_set.SOPInstanceUID == thing.sop_instance_uid


def test_sizes_are_like_real_ones() -> None:
    treatment = Treatment(1)
    assert 20_000 <= treatment.make("beams-record").size <= 40_000
    assert 15_000 <= treatment.make("ion-record").size <= 60_000
    assert 500_000 <= treatment.make("rt-image").size <= 600_000
    assert 500_000 <= treatment.make("cbct").size <= 600_000


def test_size_of_a_record_follows_its_segments() -> None:
    assert make_record(sizes=Sizes(segments=4)).size < 25_000
    assert make_record(sizes=Sizes(segments=12)).size > 50_000


def test_record_agrees_with_plan_structures_and_images() -> None:
    """Follow the references as an oncology information system does."""
    treatment = Treatment(5, sizes=SMALL)
    record, plan, structures, dose = (
        treatment.make(kind, 1).data_set() for kind in ("beams-record", "plan", "structure-set", "dose")
    )
    images = [treatment.make("ct", 0, index).data_set() for index in range(SMALL.ct_slices)]
    portal = treatment.make("rt-image", 1, 2).data_set()

    assert record.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID
    assert dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID
    assert portal.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID
    assert plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == structures.SOPInstanceUID

    planned = {beam.BeamNumber: beam for beam in plan.BeamSequence}
    for beam in record.TreatmentSessionBeamSequence:
        assert beam.BeamName == planned[beam.ReferencedBeamNumber].BeamName
        assert beam.NumberOfControlPoints == len(beam.ControlPointDeliverySequence)
        last = beam.ControlPointDeliverySequence[-1]
        assert last.DeliveredMeterset == beam.DeliveredPrimaryMeterset
    assert portal.ReferencedBeamNumber in planned

    assert {image.FrameOfReferenceUID for image in images} == {plan.FrameOfReferenceUID}
    series = structures.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    drawn_on = series.RTReferencedSeriesSequence[0].ContourImageSequence
    assert {item.ReferencedSOPInstanceUID for item in drawn_on} == {image.SOPInstanceUID for image in images}
    assert len({image.StudyInstanceUID for image in [*images, plan, structures, dose]}) == 1


def test_registration_joins_the_frames_of_cbct_and_ct() -> None:
    treatment = Treatment(5, sizes=SMALL)
    registration = treatment.make("registration", 3).data_set()
    frames = [item.FrameOfReferenceUID for item in registration.RegistrationSequence]
    assert frames == [
        treatment.make("ct").data_set().FrameOfReferenceUID,
        treatment.make("cbct", 3).data_set().FrameOfReferenceUID,
    ]
    assert frames[0] != frames[1]


@pytest.mark.parametrize(("record", "plan"), [("ion-record", "ion-plan"), ("brachy-record", "brachy-plan")])
def test_other_records_refer_to_their_own_plan(record: str, plan: str) -> None:
    treatment = Treatment(5)
    referenced = treatment.make(record).data_set().ReferencedRTPlanSequence[0]
    assert referenced.ReferencedSOPInstanceUID == treatment.make(plan).sop_instance_uid
    assert referenced.ReferencedSOPClassUID == SOP_CLASSES[plan]


def test_pixels_fill_the_matrix() -> None:
    data_set = Treatment(1, sizes=SMALL).make("cbct").data_set()
    assert len(data_set.PixelData) == data_set.Rows * data_set.Columns * 2


@pytest.mark.parametrize("kind", ["beams-record", "cbct"])
def test_implicit_vr_has_the_same_content(kind: str) -> None:
    treatment = Treatment(1, sizes=SMALL)
    implicit = treatment.make(kind, transfer_syntax_uid=ImplicitVRLittleEndian)
    explicit = treatment.make(kind)
    assert implicit.data != explicit.data
    assert implicit.data_set() == explicit.data_set()


def test_fraction_comes_in_the_order_of_treatment() -> None:
    kinds = [thing.kind for thing in Treatment(1, sizes=SMALL).fraction(1)]
    assert kinds == ["cbct"] * 3 + ["registration"] + ["rt-image"] * 5 + ["beams-record"]


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="beams-record"):
        Treatment(1).make("mri")
    with pytest.raises(ValueError, match="no treatment record"):
        make_record("plan")


def test_write_set_writes_part_10_files(tmp_path: Path) -> None:
    paths = write_set(tmp_path / "new", patients=2, fractions=2, kinds=RECORD_KINDS)
    assert len(paths) == len(set(paths)) == 2 * 2 * 4
    for path in paths:
        assert dcmread(path).file_meta.MediaStorageSOPInstanceUID in path.name


def test_write_set_writes_whole_studies(tmp_path: Path) -> None:
    paths = write_set(tmp_path, sizes=SMALL)
    # 3 CT, structures, plan, dose; 3 CBCT, registration, 5 portal images, record
    assert len(paths) == 6 + 10
