"""Status classes and words, against pynetdicom's categories."""

from __future__ import annotations

import pytest
from pynetdicom import status as tables

from gateway.dicom.status import Category, Service, category, words


def test_every_code_that_pynetdicom_knows_has_its_category() -> None:
    for table in (
        tables.GENERAL_STATUS,
        tables.STORAGE_SERVICE_CLASS_STATUS,
        tables.QR_FIND_SERVICE_CLASS_STATUS,
        tables.QR_MOVE_SERVICE_CLASS_STATUS,
        tables.QR_GET_SERVICE_CLASS_STATUS,
        tables.MODALITY_WORKLIST_SERVICE_CLASS_STATUS,
        tables.PROCEDURE_STEP_STATUS,
        tables.UNIFIED_PROCEDURE_STEP_SERVICE_CLASS_STATUS,
    ):
        for code, (kind, _meaning) in table.items():
            assert category(code) == kind.lower(), hex(code)


def test_a_code_that_nobody_knows_is_no_success() -> None:
    for code in (0x0002, 0x1234, 0x7FFF, 0xD000, 0xFF02, 0xFFFF):
        assert category(code) is Category.FAILURE


@pytest.mark.parametrize(
    ("code", "service", "said"),
    [
        (0x0000, Service.STORAGE, "success 0x0000"),
        (0xA700, Service.STORAGE, "failure 0xA700: Refused: Out of Resources"),
        (0xA7AB, Service.STORAGE, "failure 0xA7AB: Refused: Out of Resources"),
        (0xB000, Service.STORAGE, "warning 0xB000: Coercion of Data Elements"),
        (0xB000, Service.MOVE, "warning 0xB000: Sub-operations completed, one or more failures"),
        (0x0110, Service.STORAGE, "failure 0x0110: Processing Failure"),
        (0xFE00, Service.FIND, "cancel 0xFE00"),
        (0xFF00, Service.GET, "pending 0xFF00: Sub-operations are continuing"),
        (0x1234, Service.VERIFICATION, "failure 0x1234: a code this service does not define"),
    ],
)
def test_words(code: int, service: Service, said: str) -> None:
    assert words(code, service) == said


def test_every_service_has_words() -> None:
    for service in Service:
        assert words(0x0110, service).startswith("failure 0x0110: ")
