"""DIMSE status codes: which of five kinds a code is, and what it says in words (PS3.7 annex C, PS3.4)."""

from __future__ import annotations

import enum
from typing import Final

from pynetdicom import status as tables


class Category(enum.StrEnum):
    """The status classes of PS3.7 annex C."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    CANCEL = "cancel"
    PENDING = "pending"


class Service(enum.StrEnum):
    """Service classes whose statuses differ; anything else reads the general table."""

    GENERAL = "general"
    VERIFICATION = "verification"
    STORAGE = "storage"
    FIND = "find"
    MOVE = "move"
    GET = "get"
    WORKLIST = "worklist"
    PROCEDURE_STEP = "procedure step"
    UNIFIED_PROCEDURE_STEP = "unified procedure step"
    STORAGE_COMMITMENT = "storage commitment"
    MACHINE_VERIFICATION = "machine verification"


_TABLES: Final[dict[Service, dict[int, tuple[str, str]]]] = {
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


def category(code: int) -> Category:
    """Classify a status; a code that no table knows is a failure, because it is no promise of success."""
    if code == 0x0000:
        return Category.SUCCESS
    if code in (0xFF00, 0xFF01):
        return Category.PENDING
    if code == 0xFE00:
        return Category.CANCEL
    if code in (0x0001, 0x0107, 0x0116) or code & 0xF000 == 0xB000:
        return Category.WARNING
    return Category.FAILURE


def words(code: int, service: Service = Service.STORAGE) -> str:
    """Say a status in plain English, for example "failure 0xA700: Refused: Out of Resources"."""
    known = _TABLES[service].get(code) or tables.GENERAL_STATUS.get(code)
    meaning = known[1] if known else "a code this service does not define"
    head = f"{category(code).value} 0x{code:04X}"
    return f"{head}: {meaning}" if meaning else head
