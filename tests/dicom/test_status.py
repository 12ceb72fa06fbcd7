"""Status classes and words, against pynetdicom's categories."""

from __future__ import annotations

import pytest
from pynetdicom import status as tables

from gateway.dicom.status import Category, Service, category, words

TABLES = {
    Service.GENERAL: tables.GENERAL_STATUS,
    Service.VERIFICATION: tables.VERIFICATION_SERVICE_CLASS_STATUS,
    Service.STORAGE: tables.STORAGE_SERVICE_CLASS_STATUS,
    Service.FIND: tables.QR_FIND_SERVICE_CLASS_STATUS,
    Service.MOVE: tables.QR_MOVE_SERVICE_CLASS_STATUS,
    Service.GET: tables.QR_GET_SERVICE_CLASS_STATUS,
    Service.WORKLIST: tables.MODALITY_WORKLIST_SERVICE_CLASS_STATUS,
    Service.PROCEDURE_STEP: tables.PROCEDURE_STEP_STATUS,
    Service.UNIFIED_PROCEDURE_STEP: tables.UNIFIED_PROCEDURE_STEP_SERVICE_CLASS_STATUS,
    Service.STORAGE_COMMITMENT: tables.STORAGE_COMMITMENT_SERVICE_CLASS_STATUS,
    Service.MACHINE_VERIFICATION: tables.RT_MACHINE_VERIFICATION_SERVICE_CLASS_STATUS,
}


@pytest.mark.parametrize("service", list(Service))
def test_every_code_that_pynetdicom_knows_has_its_category_and_words(service: Service) -> None:
    for code, (kind, _meaning) in TABLES[service].items():
        assert category(code) == kind.lower(), hex(code)
        said = words(code, service)
        assert code == 0 or (": " in said and "does not define" not in said), hex(code)


def test_each_meaning_of_a_service_is_one_of_ours_too() -> None:
    """Where pynetdicom tells codes of a service apart by their words, so do we."""
    for service, table in TABLES.items():
        own = {code: entry for code, entry in table.items() if tables.GENERAL_STATUS.get(code) != entry}
        theirs = {meaning for _kind, meaning in own.values()}
        ours = {words(code, service).split(": ", 1)[1] for code in own}
        assert len(ours) >= len(theirs), service


def test_a_code_that_nobody_knows_is_no_success() -> None:
    for code in (0x0002, 0x1234, 0x7FFF, 0xD000, 0xFF02, 0xFFFF):
        assert category(code) is Category.FAILURE


@pytest.mark.parametrize(
    ("code", "service", "said"),
    [
        (0x0000, Service.STORAGE, "success 0x0000"),
        (0xA700, Service.STORAGE, "failure 0xA700: Refused: Out of Resources"),
        (0xA7AB, Service.STORAGE, "failure 0xA7AB: Refused: Out of Resources"),
        (0xB000, Service.STORAGE, "warning 0xB000: Coercion of data elements"),
        (0xB000, Service.MOVE, "warning 0xB000: Sub-operations complete, with failures or warnings"),
        (0x0110, Service.STORAGE, "failure 0x0110: Processing failure"),
        (0xFE00, Service.FIND, "cancel 0xFE00: Cancelled"),
        (0xFF00, Service.GET, "pending 0xFF00: Sub-operations are continuing"),
        (0x1234, Service.VERIFICATION, "failure 0x1234: a code this service does not define"),
    ],
)
def test_words(code: int, service: Service, said: str) -> None:
    assert words(code, service) == said


def test_every_service_has_words() -> None:
    for service in Service:
        assert words(0x0110, service).startswith("failure 0x0110: ")
