"""What we call ourselves is legal where it goes."""

from __future__ import annotations

from pydicom.uid import UID

from gateway.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


def test_the_class_uid_is_a_uid() -> None:
    assert UID(IMPLEMENTATION_CLASS_UID).is_valid
    assert IMPLEMENTATION_CLASS_UID == "2.25.74074898232619400481407037788635100971"  # fixed for ever


def test_the_version_name_fits() -> None:
    assert 1 <= len(IMPLEMENTATION_VERSION_NAME) <= 16
    assert IMPLEMENTATION_VERSION_NAME.isascii()
    assert IMPLEMENTATION_VERSION_NAME.startswith("EDGEGW_")
