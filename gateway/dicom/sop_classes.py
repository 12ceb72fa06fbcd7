"""SOP classes: readable names, which are storage, and which priority an object of a class has by default."""

from __future__ import annotations

import importlib.util
from importlib.machinery import PathFinder
from typing import Final

from gateway.model import Priority

VERIFICATION: Final = "1.2.840.10008.1.1"

_RT: Final = "1.2.840.10008.5.1.4.1.1.481."
_IMAGES: Final = "1.2.840.10008.5.1.4.1.1."

RECORD_CLASSES: Final[frozenset[str]] = frozenset(
    _RT + number
    for number in (
        "4",  # RT Beams Treatment Record
        "6",  # RT Brachy Treatment Record
        "7",  # RT Treatment Summary Record
        "9",  # RT Ion Beams Treatment Record
        "16",  # RT Radiation Record Set
        "17",  # RT Radiation Salvage Record
        "18",  # Tomotherapeutic Radiation Record
        "19",  # C-Arm Photon-Electron Radiation Record
        "20",  # Robotic-Arm Radiation Record
    )
)
"""What was delivered to a patient: leaves before anything else."""

BULK_CLASSES: Final[frozenset[str]] = frozenset(
    _IMAGES + number
    for number in (
        "2", "2.1", "2.2",  # CT (a CBCT is a CT series)
        "3", "3.1",  # ultrasound multi-frame
        "4", "4.1", "4.2", "4.3", "4.4",  # MR
        "6.2", "6.3",  # ultrasound volume, photoacoustic
        "7.1", "7.2", "7.3", "7.4",  # multi-frame secondary capture
        "12.1.1", "12.2.1", "13.1.1", "13.1.2", "13.1.3",  # enhanced XA/XRF, 3-D X-ray, tomosynthesis
        "14.1", "14.2",  # intravascular OCT
        "20",  # nuclear medicine
        "30", "66", "66.5", "66.6",  # parametric map, raw data, surface segmentation, tractography
        "68.1", "68.2",  # surface scans
        "77.1.1.1", "77.1.2.1", "77.1.4.1",  # video
        "77.1.6", "77.1.9",  # whole slide, tiled confocal microscopy
        "104.3", "104.4",  # encapsulated STL and OBJ
        "128", "128.1", "130",  # PET
    )
)  # fmt: skip
"""Volumes and films: they wait until records and single images are gone."""


def _uid_dictionary() -> dict[str, tuple[str, str, str, str, str]]:
    """pydicom's table of registered UIDs: name, type, info, "Retired" or nothing, keyword.

    The module is data only and is loaded by itself: importing the package around it would cost an idle
    gateway some 20 MB for nothing.
    """
    package = importlib.util.find_spec("pydicom")
    spec = PathFinder.find_spec("_uid_dict", package.submodule_search_locations) if package else None
    if spec is None or spec.loader is None:
        raise ImportError("pydicom's UID dictionary is not where it should be")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dictionary: dict[str, tuple[str, str, str, str, str]] = module.UID_dictionary
    return dictionary


_REGISTERED: Final = _uid_dictionary()
_DICOMDIR: Final = "1.2.840.10008.1.3.10"
_NEWER: Final = {  # than pydicom's table
    _IMAGES + "9.100.1": "Waveform Presentation State Storage",
    _IMAGES + "9.100.2": "Waveform Acquisition Presentation State Storage",
    _IMAGES + "66.7": "Label Map Segmentation Storage",
    _IMAGES + "66.8": "Height Map Segmentation Storage",
}


def _storage_classes() -> frozenset[str]:
    # By name, which takes in what is retired and what other standards (DICOS, DICONDE) store; two retired
    # image classes are registered without one. The DICOMDIR is named so and never sent.
    return frozenset(
        uid
        for uid, (name, kind, _info, _retired, _keyword) in _REGISTERED.items()
        if kind == "SOP Class"
        and ("Storage" in name or (not name and uid.startswith(_IMAGES)))
        and "Storage Commitment" not in name
        and uid != _DICOMDIR
    ) | frozenset(_NEWER)


STORAGE_CLASSES: Final[frozenset[str]] = _storage_classes()
"""Every standard storage SOP class, retired ones too."""

NON_STORAGE_CLASSES: Final[frozenset[str]] = frozenset(_REGISTERED) - STORAGE_CLASSES
"""Every other registered UID: service, meta SOP and query classes, and UIDs that are no SOP class at all."""


def name(uid: str) -> str:
    """The standard's name of a SOP class or any other registered UID; the UID itself when it is private."""
    entry = _REGISTERED.get(uid)
    return (entry[0] if entry else _NEWER.get(uid)) or uid


def is_registered(uid: str) -> bool:
    """Say whether the standard knows this UID; a private SOP class may be of any service."""
    return uid in _REGISTERED or uid in _NEWER


def is_storage(uid: str) -> bool:
    """Say whether a context of this abstract syntax stores: every class that is not known to do otherwise.

    Private and future storage classes arrive without our being told; PS3.4 Level 2 keeps them as they are.
    """
    return uid not in NON_STORAGE_CLASSES


def default_priority(sop_class_uid: str) -> Priority:
    """The priority of design section 4: treatment records first, volumes last, the rest between."""
    if sop_class_uid in RECORD_CLASSES:
        return Priority.RECORD
    if sop_class_uid in BULK_CLASSES:
        return Priority.BULK
    return Priority.IMAGE
