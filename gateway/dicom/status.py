"""DIMSE status codes: which of five kinds a code is, and what it says in words (PS3.7 annex C, PS3.4).

Our own words rather than the tables of pynetdicom: they are wanted when something fails, and importing that
package then would stop the event loop for as long as a small board takes to load 20 MB. The tests compare
every code with those tables.
"""

from __future__ import annotations

import enum
from typing import Final


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


_GENERAL: Final[dict[int, str]] = {
    0x0001: "Requested optional attributes are not supported",
    0x0105: "No such attribute",
    0x0106: "Invalid attribute value",
    0x0107: "Attribute list error",
    0x0110: "Processing failure",
    0x0111: "Duplicate SOP instance",
    0x0112: "No such SOP instance",
    0x0113: "No such event type",
    0x0114: "No such argument",
    0x0115: "Invalid argument value",
    0x0116: "Attribute value out of range",
    0x0117: "Invalid object instance",
    0x0118: "No such SOP class",
    0x0119: "Class-instance conflict",
    0x0120: "Missing attribute",
    0x0121: "Missing attribute value",
    0x0122: "Refused: SOP class not supported",
    0x0123: "No such action",
    0x0124: "Refused: not authorised",
    0x0210: "Duplicate invocation",
    0x0211: "Unrecognised operation",
    0x0212: "Mistyped argument",
    0x0213: "Resource limitation",
    0xFE00: "Cancelled",
    0xFF00: "More follows",
    0xFF01: "More follows, with a warning",
}

_SUB_OPERATIONS: Final[dict[range, str]] = {
    range(0xA701, 0xA702): "Refused: out of resources, unable to calculate the number of matches",
    range(0xA702, 0xA703): "Refused: out of resources, unable to perform sub-operations",
    range(0xA801, 0xA802): "Move destination unknown",
    range(0xA900, 0xA901): "Identifier does not match the SOP class",
    range(0xAA00, 0xAA01): "None of the requested frames were found",
    range(0xAA01, 0xAA02): "Unable to create a new object for this SOP class",
    range(0xAA02, 0xAA03): "Unable to extract frames",
    range(0xAA03, 0xAA04): "Time-based request for an instance that is not time-based",
    range(0xAA04, 0xAA05): "Invalid request",
    range(0xB000, 0xB001): "Sub-operations complete, with failures or warnings",
    range(0xC000, 0xD000): "Unable to process",
    range(0xFF00, 0xFF01): "Sub-operations are continuing",
}

_QUERY: Final[dict[range, str]] = {
    range(0xA700, 0xA701): "Refused: Out of Resources",
    range(0xA710, 0xA711): "Invalid prior record key",
    range(0xA900, 0xA901): "Identifier does not match the SOP class",
    range(0xB001, 0xB002): "The response limit was reached, there may be more matches",
    range(0xC000, 0xD000): "Unable to process",
    range(0xFF00, 0xFF01): "A match, more follow",
    range(0xFF01, 0xFF02): "A match, more follow; some optional keys are not supported",
}

# What a service adds to the general codes (PS3.4); looked up in order, before the general ones.
_SERVICES: Final[dict[Service, dict[range, str]]] = {
    Service.STORAGE: {
        range(0xA700, 0xA800): "Refused: Out of Resources",
        range(0xA900, 0xAA00): "Data set does not match the SOP class",
        range(0xB000, 0xB001): "Coercion of data elements",
        range(0xB006, 0xB007): "Elements discarded",
        range(0xB007, 0xB008): "Data set does not match the SOP class",
        range(0xC000, 0xD000): "Cannot understand",
    },
    Service.FIND: _QUERY,
    Service.MOVE: _SUB_OPERATIONS,
    Service.GET: _SUB_OPERATIONS,
    Service.WORKLIST: _QUERY,
    Service.PROCEDURE_STEP: {
        range(0x0110, 0x0111): "Processing failure; the performed procedure step may no longer be updated",
    },
    Service.UNIFIED_PROCEDURE_STEP: {
        range(0xB300, 0xB301): "The UPS was created with modifications",
        range(0xB301, 0xB302): "Deletion lock not granted",
        range(0xB304, 0xB305): "The UPS is already CANCELED, as requested",
        range(0xB305, 0xB306): "Invalid values were coerced to valid ones",
        range(0xB306, 0xB307): "The UPS is already COMPLETED, as requested",
        range(0xC300, 0xC301): "The UPS may no longer be updated",
        range(0xC301, 0xC302): "The correct Transaction UID was not provided",
        range(0xC302, 0xC303): "The UPS is already IN PROGRESS",
        range(0xC303, 0xC304): "A UPS becomes SCHEDULED only by N-CREATE",
        range(0xC304, 0xC305): "The UPS has not met the requirements of the requested state",
        range(0xC307, 0xC308): "There is no such UPS here",
        range(0xC308, 0xC309): "The receiving AE title is unknown",
        range(0xC309, 0xC30A): "The provided UPS state was not SCHEDULED",
        range(0xC310, 0xC311): "The UPS is not yet IN PROGRESS",
        range(0xC311, 0xC312): "The UPS is already COMPLETED",
        range(0xC312, 0xC313): "The performer cannot be contacted",
        range(0xC313, 0xC314): "The performer chooses not to cancel",
        range(0xC314, 0xC315): "The action does not fit the instance",
        range(0xC315, 0xC316): "Event reports are not supported",
        **_QUERY,
    },
    Service.MACHINE_VERIFICATION: {
        range(0xC112, 0xC113): "No such machine verification instance",
        range(0xC221, 0xC222): "The referenced fraction group is not in the plan",
        range(0xC222, 0xC223): "The referenced fraction group has no beams",
        range(0xC223, 0xC224): "A verification is already going on",
        range(0xC224, 0xC225): "The referenced beam is not in the fraction group",
        range(0xC225, 0xC226): "The referenced device or accessory is not supported",
        range(0xC226, 0xC227): "The referenced device or accessory is not in the beam",
        range(0xC227, 0xC228): "The referenced RT Plan was not found",
    },
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
    head = f"{category(code).value} 0x{code:04X}"
    if code == 0x0000:
        return head
    added = (meaning for codes, meaning in _SERVICES.get(service, {}).items() if code in codes)
    return f"{head}: {next(added, None) or _GENERAL.get(code, 'a code this service does not define')}"
