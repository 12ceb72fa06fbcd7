"""The SOP classes of treatment records, and where each keeps what is shown (PS3.3 A.29 - A.31, A.86)."""

from __future__ import annotations

from typing import Final

from gateway.dicom.sop_classes import RECORD_CLASSES as RECORD_CLASSES
from gateway.records.values import Kind

_RT: Final = "1.2.840.10008.5.1.4.1.1.481."

KINDS: Final[dict[str, Kind]] = {
    _RT + "4": "beams",
    _RT + "6": "brachy",
    _RT + "7": "summary",
    _RT + "9": "ion",
    _RT + "16": "set",
    _RT + "17": "salvage",
    _RT + "18": "radiation",  # Tomotherapeutic
    _RT + "19": "radiation",  # C-Arm Photon-Electron
    _RT + "20": "radiation",  # Robotic-Arm
}

SESSIONS: Final = {"beams": 0x30080020, "ion": 0x30080021, "brachy": 0x30080110}
"""The sequence with one item per beam, or per application set-up."""

CONTROL_POINTS: Final = (0x300A062F, 0x30100097, 0x30100098, 0x300A0722)
"""Control points of the second generation: C-arm, robotic path, tomotherapeutic, salvage."""
