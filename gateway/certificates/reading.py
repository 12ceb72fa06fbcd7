"""Certificates out of what was pasted or uploaded: PEM with any text around it, DER, PKCS #7. Bounded."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs7

MAX_TEXT: Final = 48 * 1024
MAX_CERTIFICATES: Final = 32

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)-----END \1-----", re.DOTALL)
_CERTIFICATE_LABELS: Final = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
_PKCS7_LABELS: Final = frozenset({"PKCS7", "CMS"})


@dataclass(slots=True)
class Found:
    """What there was in a text. `trouble` has codes of `checking`, with what they are about."""

    certificates: list[x509.Certificate] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)


def read(text: str, binary: str = "") -> Found:
    """Return the certificates in PEM `text`, or in `binary` (DER or PKCS #7 in base64). Never raises."""
    found = Found()
    if len(text) > MAX_TEXT or len(binary) > MAX_TEXT:
        found.trouble.append("too-large")
        return found
    if binary:
        try:
            _take_binary(base64.b64decode(binary, validate=True), found)
        except (ValueError, binascii.Error):
            found.trouble.append("unreadable")
    for label, body in _BLOCK.findall(text):
        _take_block(label, body, found)
    if not found.certificates and not found.trouble:
        found.trouble.append("unreadable")
    if len(found.certificates) > MAX_CERTIFICATES:
        found.certificates.clear()
        found.trouble.append("too-many")
    found.certificates[:] = dict.fromkeys(found.certificates)  # the same one twice is one
    return found


def _take_block(label: str, body: str, found: Found) -> None:
    if "PRIVATE KEY" in label:
        found.trouble.append("private-key")
    elif "CERTIFICATE REQUEST" in label:
        found.trouble.append("request")
    elif label in _CERTIFICATE_LABELS or label in _PKCS7_LABELS:
        # Mail programs quote with "> " and break lines anew; neither is part of the content.
        packed = re.sub(r"[\s>]", "", body)
        try:
            _take_binary(base64.b64decode(packed, validate=True), found)
        except (ValueError, binascii.Error):
            found.trouble.append("unreadable")


def _take_binary(content: bytes, found: Found) -> None:
    for load in (_one, _several):
        try:
            found.certificates += load(content)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
            continue
        return
    if b"-----BEGIN" in content:  # PEM that was uploaded as a file of another kind
        text = content.decode("ascii", "replace")
        for label, body in _BLOCK.findall(text):
            _take_block(label, body, found)
        return
    found.trouble.append("unreadable")


def _one(content: bytes) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(content)]


def _several(content: bytes) -> list[x509.Certificate]:
    return pkcs7.load_der_pkcs7_certificates(content)
