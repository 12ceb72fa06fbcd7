"""The synthetic objects: valid by two independent judges, marked, and never the same twice."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from gateway.dicom.part10 import file_meta
from gateway.dicom.sop_classes import is_storage
from gateway.pathtest.attributes import _ATTRIBUTES
from gateway.pathtest.objects import CLASSES, SYNTAXES, SyntheticCourse, kind_of

NOW = 1_790_000_000.0


def written(course: SyntheticCourse, key: str, syntax: str) -> bytes:
    made = course.make(key, syntax)
    return file_meta(made.instance) + made.data


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("key", CLASSES)
def test_says_wherever_a_person_looks_that_it_is_a_test(key: str, syntax: str) -> None:
    course = SyntheticCourse(NOW)
    read = pydicom.dcmread(io.BytesIO(written(course, key, syntax)))
    assert str(read.PatientName) == "TEST^GATEWAY PATH TEST"
    assert read.PatientID == course.patient_id
    assert read.PatientID.startswith("GATEWAY-TEST-")
    assert read.StudyDescription == read.SeriesDescription == "connection test, not a patient"
    assert read.SOPClassUID == kind_of(key).sop_class_uid
    assert is_storage(read.SOPClassUID)
    assert read.SOPInstanceUID == read.file_meta.MediaStorageSOPInstanceUID
    assert read.StudyDate == time.strftime("%Y%m%d", time.localtime(NOW))


@pytest.fixture(scope="module")
def dciodvfy() -> str:
    beside = Path(sys.executable).parent / "dciodvfy"
    found = str(beside) if beside.exists() else shutil.which("dciodvfy")
    if found is None:
        pytest.skip("dciodvfy is absent: install the package dicom3tools")
    return found


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("key", CLASSES)
def test_is_valid_by_the_judgement_of_dciodvfy(key: str, syntax: str, dciodvfy: str, tmp_path: Path) -> None:
    path = tmp_path / "test.dcm"
    path.write_bytes(written(SyntheticCourse(NOW), key, syntax))
    done = subprocess.run([dciodvfy, str(path)], capture_output=True, text=True, timeout=30)
    assert [line for line in done.stderr.splitlines() if "Error" in line or "Warning" in line] == []


def test_the_course_holds_together_and_its_uids_were_never_used() -> None:
    courses = [SyntheticCourse(NOW), SyntheticCourse(NOW)]
    seen: list[set[str]] = []
    for course in courses:
        made = {key: pydicom.dcmread(io.BytesIO(written(course, key, SYNTAXES[0]))) for key in CLASSES}
        plan = made["rt-plan"]
        for key in ("rt-record", "rt-image", "rt-dose"):
            (reference,) = made[key].ReferencedRTPlanSequence
            assert reference.ReferencedSOPInstanceUID == plan.SOPInstanceUID
        assert plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == (
            made["rt-structures"].SOPInstanceUID
        )
        assert len({one.StudyInstanceUID for one in made.values()}) == 1
        seen.append({one.SOPInstanceUID for one in made.values()} | {plan.StudyInstanceUID})
    assert len(seen[0]) == len(CLASSES) + 1
    assert not seen[0] & seen[1]


def test_nothing_is_said_to_have_been_delivered() -> None:
    record = pydicom.dcmread(io.BytesIO(written(SyntheticCourse(NOW), "rt-record", SYNTAXES[0])))
    (beam,) = record.TreatmentSessionBeamSequence
    assert beam.DeliveredPrimaryMeterset == 0
    assert all(point.DeliveredMeterset == 0 for point in beam.ControlPointDeliverySequence)
    assert beam.TreatmentTerminationStatus == "UNKNOWN"
    plan = pydicom.dcmread(io.BytesIO(written(SyntheticCourse(NOW), "rt-plan", SYNTAXES[0])))
    assert plan.ApprovalStatus == "UNAPPROVED"


def test_the_table_of_attributes_is_that_of_the_standard() -> None:
    for keyword, (tag, vr) in _ATTRIBUTES.items():
        assert tag_for_keyword(keyword) == tag, keyword
        assert vr in dictionary_VR(tag).split(" or "), keyword
