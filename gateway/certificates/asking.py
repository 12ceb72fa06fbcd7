"""A key and a request (PKCS #10) for a certificate. The key is made here and never leaves."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.certificates.store import StoreError
from gateway.operator.certificate_facts import CertificateWanted

MAX_NAMES: Final = 20
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def ask(wanted: CertificateWanted) -> tuple[bytes, bytes]:
    """Return the key and the request, both in PEM. StoreError "invalid", in words, for what cannot be asked.

    ECDSA P-256 keeps the request small enough for one QR code; RSA 3072 is for authorities that know nothing
    else.
    """
    subject = _subject(wanted)
    hosts = [_general_name(name) for name in wanted.names]
    if len(hosts) > MAX_NAMES:
        raise StoreError("invalid", f"{MAX_NAMES} names and addresses are the most")
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if wanted.key == "rsa-3072":
        key = rsa.generate_private_key(65537, 3072)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    request = builder.sign(key, hashes.SHA256())
    return (
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        request.public_bytes(serialization.Encoding.PEM),
    )


def _subject(wanted: CertificateWanted) -> x509.Name:
    attributes = []
    for oid, value, what in (
        (NameOID.ORGANIZATION_NAME, wanted.organization, "organisation"),
        (NameOID.COMMON_NAME, wanted.common_name, "name"),
    ):
        text = value.strip()
        if not text and oid is NameOID.ORGANIZATION_NAME:
            continue
        if not 1 <= len(text) <= 64 or not text.isprintable():
            raise StoreError("invalid", f"the {what} has 1 to 64 printable characters")
        attributes.append(x509.NameAttribute(oid, text))
    return x509.Name(attributes)


def _general_name(name: str) -> x509.GeneralName:
    text = name.strip()
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    labels = text.removesuffix(".").split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise StoreError("invalid", f"not a host name or an address: {text[:60]!r}")
    return x509.DNSName(text.removesuffix("."))
