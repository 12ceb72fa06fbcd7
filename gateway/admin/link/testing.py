"""Path tests on the page: the choice of classes, and each step in words that can be translated."""

from __future__ import annotations

from typing import Final

from gateway.admin.page import N_
from gateway.operator.sections.path_test import PathReport, PathStep

CLASSES: Final = {
    "rt-record": N_("RT Beams Treatment Record"),
    "rt-image": N_("RT Image"),
    "rt-plan": N_("RT Plan"),
    "rt-structures": N_("RT Structure Set"),
    "rt-dose": N_("RT Dose"),
    "ct": N_("CT Image"),
}

STEPS: Final = {
    "name": N_("Name of the host"),
    "tcp": N_("TCP connection"),
    "tls": N_("TLS and certificates"),
    "association": N_("DICOM association"),
    "echo": N_("Verification (C-ECHO)"),
    "store": N_("Storage (C-STORE)"),
    "commitment-request": N_("Request for storage commitment"),
    "commitment-result": N_("Result of storage commitment"),
}

DETAILS: Final = {
    "protocol": N_("Protocol"),
    "cipher": N_("Cipher suite"),
    "certificate-subject": N_("Certificate of"),
    "certificate-issuer": N_("Issued by"),
    "certificate-until": N_("Valid until"),
    "certificate-sha256": N_("Fingerprint (SHA-256)"),
    "address": N_("Address"),
    "implementation": N_("Implementation"),
    "max-pdu": N_("Longest PDU it takes"),
    "refused": N_("Refused"),
    "bytes": N_("Bytes sent"),
}

KIND: Final = {
    "ok": "ok",
    "warning": "waiting",
    "failed": "failed",
    "skipped": "skipped",
    "running": "running",
}
"""Outcome of a step -> how the list of steps shows it."""


def place(step: PathStep) -> str:
    """Return where a step stands in the list: a later one with the same place takes it."""
    return f"step-{step.step}-{step.subject}" if step.subject else f"step-{step.step}"


def find(reports: tuple[PathReport, ...], wanted: str) -> PathReport | None:
    """Return the report with that ID."""
    return next((one for one in reports if one.id == wanted), None)
