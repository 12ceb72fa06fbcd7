"""Is what a destination gave back the object that was sent there? Pure, and not quick: for a thread.

The same bytes in the same transfer syntax are the same object, and nothing more needs to be looked at. Else
the two data sets are compared element by element, and what a centre may change lawfully when it takes an
object in is left out: the patient and the study are made to agree with its own books (coercion, PS3.4
B.4.1.3), notes of its own are added, values are padded differently, texts are written in another character
set. Whatever else is different belongs to another object.
"""

from __future__ import annotations

from typing import Final

from gateway.dicom.elements import Element
from gateway.spool.compare import Rule

_CHARACTER_SET: Final = 0x00080005
_TEXTS: Final = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
_IN_A_CHARACTER_SET: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))

_OF_THE_STUDY: Final = frozenset(
    (
        0x00080005,  # Specific Character Set: the texts are compared as they read
        0x00080020,  # Study Date
        0x00080030,  # Study Time
        0x00080050,  # Accession Number
        0x00080051,  # Issuer of Accession Number
        0x00080080,  # Institution Name
        0x00080081,  # Institution Address
        0x00080082,  # Institution Code
        0x00080090,  # Referring Physician
        0x00080096,  # Referring Physician Identification
        0x00081030,  # Study Description
        0x00081032,  # Procedure Code
        0x00081048,  # Physicians of Record
        0x00081049,  # Physicians of Record Identification
        0x00081060,  # Physicians Reading Study
        0x00081110,  # Referenced Study
        0x00081120,  # Referenced Patient
        0x00200010,  # Study ID
        0x00321032,  # Requesting Physician
        0x00321060,  # Requested Procedure Description
        0x00321064,  # Requested Procedure Code
        0x00400275,  # Request Attributes
        0x00401001,  # Requested Procedure ID
    )
)
"""Of the patient's and the study's side of an object, and of the order it belongs to."""
_PATIENT_GROUP: Final = 0x0010
_TRIAL_GROUP: Final = 0x0012

_NOTES: Final = frozenset(
    (
        0x00080054,  # Retrieve AE Title
        0x00080056,  # Instance Availability
        0x00080201,  # Timezone Offset From UTC
        0x00081190,  # Retrieve URL
        0x00880130,  # Storage Media File-set ID
        0x00880140,  # Storage Media File-set UID
        0x01000410,  # SOP Instance Status
        0x01000420,  # SOP Authorization DateTime
        0x04000561,  # Original Attributes: what it was before the centre changed it
        0x04000600,  # Instance Origin Status
    )
)
"""What a centre adds of its own."""


class AsKept(Rule):
    """First the object that was sent, second the one that the destination keeps."""

    def left_out(self, tag: int, depth: int, *, in_first: bool, in_second: bool) -> bool:
        """Leave out what a centre may change or add, in the data set itself; in an item, nothing."""
        if depth:
            return tag == _CHARACTER_SET
        group = tag >> 16
        if group in (_PATIENT_GROUP, _TRIAL_GROUP) or tag in _OF_THE_STUDY:
            return True
        return in_second and not in_first and (tag in _NOTES or bool(group % 2))

    def same(self, first: Element, left: bytes, second: Element, right: bytes) -> bool:
        """Compare two values: texts without padding, and as they read where their bytes are different."""
        if left == right:
            return True
        vr = _known_vr(first, second)
        if vr not in _TEXTS:
            return False
        left, right = left.rstrip(b" \0"), right.rstrip(b" \0")
        if left == right:
            return True
        return vr in _IN_A_CHARACTER_SET and _reads_alike(left, right)


def _known_vr(first: Element, second: Element) -> str:
    """The VR of an element, from the dictionary where neither encoding says it."""
    for vr in (first.vr, second.vr):
        if vr not in ("", "UN"):
            return vr
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    return dictionary_VR(first.tag) if dictionary_has_tag(first.tag) else ""


def _reads_alike(left: bytes, right: bytes) -> bool:
    """Say whether one of the two is the other written in UTF-8: what centres make of older character sets.

    Anything else counts as different: nothing may pass for the same because it cannot be read.
    """
    for utf8, other in ((left, right), (right, left)):
        try:
            text = utf8.decode("utf-8")
        except UnicodeDecodeError:
            continue
        # What is ASCII reads the same in every character set: it would have been equal.
        if not text.isascii() and other.decode("latin-1") == text:
            return True
    return False
