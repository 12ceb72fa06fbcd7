"""Who a treatment record is of. For the one operation that reveals, and for telling patients apart. Pure."""

from __future__ import annotations

import hashlib
from typing import Final

from gateway.dicom.data_set import DataSet, DataSetCut, DataSetError, DataSetLimits, parse, parse_head
from gateway.records.reading import LIMITS, iso_date
from gateway.records.text import decode, plain
from gateway.records.values import Patient

_CHARACTER_SET: Final = 0x00080005
_NAME: Final = 0x00100010
_ID: Final = 0x00100020
_ISSUER: Final = 0x00100021
_BIRTH_DATE: Final = 0x00100030
_UNREADABLE: Final = Patient("", "", "", readable=False)

KEY_BYTES = 8


def read_patient(data: bytes, transfer_syntax_uid: str, limits: DataSetLimits = LIMITS) -> Patient:
    """Return name, ID and date of birth; `readable` is False when the record's bytes make no sense."""
    try:
        head = _head(data, transfer_syntax_uid, limits)
    except DataSetError:
        return _UNREADABLE
    return Patient(
        name=_name(_text(head, _NAME)),
        patient_id=plain(_text(head, _ID)),
        birth_date=iso_date(head.text(_BIRTH_DATE)),
    )


def patient_key(
    data: bytes, transfer_syntax_uid: str, secret: bytes, limits: DataSetLimits = LIMITS
) -> bytes | None:
    """Return the same few bytes for every record of a patient, useless without `secret`; None: no patient.

    A patient is the ID with its issuer. A record without an ID is told apart by its name.
    """
    try:
        head = _head(data, transfer_syntax_uid, limits)
    except DataSetError:
        return None
    known = [(head.get(tag) or b"").strip(b"\0 ") for tag in (_ID, _ISSUER)]
    if not known[0]:
        known = [b"", (head.get(_NAME) or b"").strip(b"\0 ")]
    if not any(known):
        return None
    return hashlib.blake2b(b"\\".join(known), key=secret, digest_size=KEY_BYTES).digest()


def _head(data: bytes, transfer_syntax_uid: str, limits: DataSetLimits) -> DataSet:
    try:
        return parse_head(data, transfer_syntax_uid, _BIRTH_DATE, limits)
    except DataSetCut:  # nothing comes after the date of birth
        return parse(data, transfer_syntax_uid, limits)


def _text(head: DataSet, tag: int) -> str:
    return decode((head.get(tag) or b"").strip(b"\0 "), head.text(_CHARACTER_SET))


def _name(value: str) -> str:
    """Write a person name as people do (PS3.5 6.2.1): the ideographic form beside the alphabetic one.

    Components: family, given, middle, prefix, suffix.
    """
    forms = [plain(_one_name(form)) for form in value.split("=")[:3]]
    return " / ".join(dict.fromkeys(form for form in forms if form))


def _one_name(form: str) -> str:
    family, given, middle, prefix, suffix = ([part.strip() for part in form.split("^")] + [""] * 5)[:5]
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return f"{family}, {rest}" if family and rest else family or rest
