"""What is stored, what is not, and what leaves first."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydicom.uid import UID
from pynetdicom import sop_class

from gateway.dicom import sop_classes
from gateway.dicom.sop_classes import (
    BULK_CLASSES,
    RECORD_CLASSES,
    STORAGE_CLASSES,
    default_priority,
    is_storage,
    name,
)
from gateway.model import Priority


def test_every_storage_class_of_pynetdicom_is_one() -> None:
    # Whoever uses pynetdicom in this process may have added private ones to its table.
    known = {uid for uid in sop_class._STORAGE_CLASSES.values() if uid.startswith("1.2.840.10008.")}
    assert known <= STORAGE_CLASSES
    assert all(is_storage(uid) for uid in STORAGE_CLASSES)


@pytest.mark.parametrize(
    "keyword",
    [
        "Verification",
        "StorageCommitmentPushModel",
        "StorageCommitmentPullModel",
        "MediaStorageDirectory",
        "ModalityWorklistInformationFind",
        "StudyRootQueryRetrieveInformationModelMove",
        "UnifiedProcedureStepPush",
        "ModalityPerformedProcedureStep",
        "RTConventionalMachineVerification",
        "InstanceAvailabilityNotification",
        "BasicGrayscalePrintManagementMeta",
    ],
)
def test_services_are_not_storage(keyword: str) -> None:
    uid = {
        "StorageCommitmentPullModel": "1.2.840.10008.1.20.2",
        "MediaStorageDirectory": "1.2.840.10008.1.3.10",
    }.get(keyword) or str(getattr(sop_class, keyword))
    assert not is_storage(uid)
    assert uid not in STORAGE_CLASSES


def test_only_service_classes_are_excluded_by_name() -> None:
    """Whatever the dictionary calls storage is storage, but for commitment and the DICOMDIR."""
    excluded = {
        name(uid)
        for uid in sop_classes.NON_STORAGE_CLASSES
        if "Storage" in name(uid) and UID(uid).type == "SOP Class"
    }
    assert excluded == {
        "Media Storage Directory Storage",
        "Storage Commitment Push Model SOP Class",
        "Storage Commitment Pull Model SOP Class",
    }


@pytest.mark.parametrize(
    "retired", ["1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.34.1", "1.2.840.10008.5.1.1.29"]
)
def test_retired_storage_classes_are_storage(retired: str) -> None:
    assert retired in STORAGE_CLASSES


def test_private_classes_are_taken_for_storage() -> None:
    assert is_storage("1.3.12.2.1107.5.9.1")
    assert "1.3.12.2.1107.5.9.1" not in STORAGE_CLASSES


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2", "1.2.840.10008.3.1.1.1"])
def test_other_registered_uids_are_not(uid: str) -> None:
    assert not is_storage(uid)


def test_every_record_class_says_so() -> None:
    assert len(RECORD_CLASSES) == 9
    for uid in RECORD_CLASSES:
        assert "Record" in name(uid)
        assert default_priority(uid) is Priority.RECORD
    records = {uid for uid in STORAGE_CLASSES if name(uid).startswith("RT") and "Record" in name(uid)}
    assert records <= RECORD_CLASSES


def test_bulk_classes_are_known_storage_classes() -> None:
    assert BULK_CLASSES <= STORAGE_CLASSES
    assert not BULK_CLASSES & RECORD_CLASSES


@pytest.mark.parametrize(
    ("keyword", "priority"),
    [
        ("RTBeamsTreatmentRecordStorage", Priority.RECORD),
        ("RTBrachyTreatmentRecordStorage", Priority.RECORD),
        ("RTIonBeamsTreatmentRecordStorage", Priority.RECORD),
        ("RTTreatmentSummaryRecordStorage", Priority.RECORD),
        ("CArmPhotonElectronRadiationRecordStorage", Priority.RECORD),
        ("RTImageStorage", Priority.IMAGE),
        ("RTPlanStorage", Priority.IMAGE),
        ("SpatialRegistrationStorage", Priority.IMAGE),
        ("CTImageStorage", Priority.BULK),
        ("MRImageStorage", Priority.BULK),
        ("PositronEmissionTomographyImageStorage", Priority.BULK),
    ],
)
def test_default_priorities(keyword: str, priority: Priority) -> None:
    assert default_priority(str(getattr(sop_class, keyword))) is priority


def test_what_is_unknown_is_neither_first_nor_last() -> None:
    assert default_priority("1.3.12.2.1107.5.9.1") is Priority.IMAGE


def test_names() -> None:
    assert name("1.2.840.10008.5.1.4.1.1.481.4") == "RT Beams Treatment Record Storage"
    assert name("1.2.840.10008.1.2.1") == "Explicit VR Little Endian"
    assert name("1.3.12.2.1107") == "1.3.12.2.1107"
    assert name("1.2.840.10008.5.1.4.1.1.40") == "1.2.840.10008.5.1.4.1.1.40"  # registered without a name


def test_an_idle_gateway_does_not_load_the_toolkits() -> None:
    """They cost some 20 MB of memory; a status in words and a conversion load them when they are needed."""
    modules = ("upper_layer", "dimse", "part10", "sop_classes", "status", "negotiation")
    program = "import sys, " + ", ".join(f"gateway.dicom.{module}" for module in modules)
    program += "; print([name for name in ('pydicom', 'pynetdicom', 'numpy') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
