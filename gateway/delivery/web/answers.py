"""What the answer to a Store Instances request says of each instance (PS3.18 10.5.3 and annex I.2). Pure.

The answer is a data set in the DICOM JSON model (PS3.18 annex F): what was stored is in the Referenced SOP
Sequence, with a warning reason or without; what was not is in the Failed SOP Sequence, with a failure reason.
Whoever is in neither was not stored as far as we know: nothing is taken for success that is not said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

FAILED: Final = "00081198"
REFERENCED: Final = "00081199"
_INSTANCE: Final = "00081155"
_WARNING_REASON: Final = "00081196"
_FAILURE_REASON: Final = "00081197"

PROCESSING: Final = 0x0110
"""The failure reason of an instance whose item does not tell one (PS3.18 Table I.2-2)."""

_MAX_ITEMS = 4096
_MAX_UID = 64


class Unreadable(Exception):
    """The answer is not what PS3.18 says. The text says why, never what was there."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the server says of one instance: stored (status 0 or a warning), or failed."""

    stored: bool
    status: int


def read(body: bytes) -> Mapping[str, Said]:
    """What `body` says, by SOP Instance UID. Raises Unreadable.

    An instance in both sequences has failed. An empty body says nothing, of nobody.
    """
    if not body.strip():
        return {}
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error
    if isinstance(answer, list) and len(answer) == 1:  # as some servers wrap it
        answer = answer[0]
    if not isinstance(answer, dict):
        raise Unreadable("it is not a data set in the DICOM JSON model")
    said = {uid: Said(True, status) for uid, status in _items(answer, REFERENCED, _WARNING_REASON, 0)}
    for uid, status in _items(answer, FAILED, _FAILURE_REASON, PROCESSING):
        said[uid] = Said(False, status)
    return said


def _items(answer: dict[str, Any], sequence: str, reason: str, without: int) -> Iterator[tuple[str, int]]:
    items = _values(answer, sequence)
    if len(items) > _MAX_ITEMS:
        raise Unreadable("it has too many items")
    for item in items:
        if not isinstance(item, dict):
            raise Unreadable("an item of a sequence is no data set")
        uids = _values(item, _INSTANCE)
        if len(uids) != 1 or not isinstance(uids[0], str) or len(uids[0]) > _MAX_UID:
            continue  # a part whose identity the server did not get to: it is in neither list, then
        yield uids[0], _code(_values(item, reason), without)


def _values(data_set: dict[str, Any], tag: str) -> list[Any]:
    element = data_set.get(tag)
    if element is None:
        return []
    if not isinstance(element, dict):
        raise Unreadable("an element is not in the DICOM JSON model")
    values = element.get("Value", [])
    if not isinstance(values, list):
        raise Unreadable("a value is not a list")
    return values


def _code(values: list[Any], without: int) -> int:
    if not values:
        return without
    try:
        code = int(values[0])  # a number, or, allowed since 2022, a string of digits (PS3.18 F.2.3)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unreadable("a reason is not a number") from error
    if not 0 <= code <= 0xFFFF:
        raise Unreadable("a reason is not a number of 16 bits")
    return code
