"""A certificate as facts: names and algorithms in words, texts printable and bounded."""

from __future__ import annotations

import ipaddress
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from gateway.operator.certificate_facts import CertificateFacts
from gateway.operator.words import printable

MAX_TEXT: Final = 200  # characters of a subject or an issuer
MAX_NAMES: Final = 50
_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_ANY = x509.ObjectIdentifier("2.5.29.37.0")


def describe(certificate: x509.Certificate) -> CertificateFacts:
    """Return what there is to know of one certificate. ValueError when it is malformed inside."""
    return CertificateFacts(
        subject=name_words(certificate.subject),
        common_name=common_name(certificate.subject),
        names=tuple(names(certificate)[:MAX_NAMES]),
        issuer=name_words(certificate.issuer),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        key=key_words(certificate.public_key()),
        signature=_signature(certificate),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        authority=is_authority(certificate),
        self_signed=is_self_signed(certificate),
        client=may(certificate, ExtendedKeyUsageOID.CLIENT_AUTH),
        server=may(certificate, ExtendedKeyUsageOID.SERVER_AUTH),
    )


def name_words(name: x509.Name) -> str:
    """Return a distinguished name in one line."""
    return printable(name.rfc4514_string(), MAX_TEXT)


def common_name(name: x509.Name) -> str:
    """Return the common name; empty when there is none."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    value = found[0].value if found else ""
    return printable(value if isinstance(value, str) else "", MAX_TEXT)


def names(certificate: x509.Certificate | x509.CertificateSigningRequest) -> list[str]:
    """Return the host names and addresses it is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    hosts = [printable(host, 253) for host in found.get_values_for_type(x509.DNSName)]
    addresses = [_address(one) for one in found.get_values_for_type(x509.IPAddress)]
    return hosts + addresses


def _address(
    one: ipaddress.IPv4Address | ipaddress.IPv6Address | ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> str:
    return str(one)


def key_words(key: object) -> str:
    """Return the kind of a public key in words."""
    match key:
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {_CURVES.get(key.curve.name, printable(key.curve.name, 40))}"
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            return type(key).__name__.removesuffix("PublicKey").lstrip("_")


def _signature(certificate: x509.Certificate) -> str:
    algorithm = certificate.signature_hash_algorithm
    return printable(algorithm.name.upper(), 40) if algorithm else "without a hash of its own"


def is_authority(certificate: x509.Certificate) -> bool:
    """Say whether it may issue certificates."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        # Roots of the last century (version 1) have no extensions; nothing else is self-signed and trusted.
        return certificate.version is x509.Version.v1 and is_self_signed(certificate)


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Say whether it vouches for itself."""
    return certificate.subject == certificate.issuer and issued_by(certificate, certificate)


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether the key of `issuer` signed `certificate`."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - ValueError, InvalidSignature, UnsupportedAlgorithm: all of them mean no
        return False
    return True


def may(certificate: x509.Certificate, purpose: x509.ObjectIdentifier) -> bool:
    """Say whether it may be used for `purpose`; one that names no purpose may be used for all."""
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    except x509.ExtensionNotFound:
        return True
    return isinstance(found, x509.ExtendedKeyUsage) and (purpose in found or _ANY in found)


def public_bytes(key: object) -> bytes:
    """Return a public key (or that of a private one) in its one standard form, for comparison."""
    if hasattr(key, "public_key"):
        key = key.public_key()
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded
