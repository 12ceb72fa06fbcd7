"""The certificate of the page: made by the device itself at the first start, or the one that is configured.

Nobody can issue a certificate for a box in a clinic's network on the afternoon it is installed, so browsers
warn once. What makes the warning an answerable question is the fingerprint: it is logged, printed by
`dicom-gateway admin fingerprint`, and compared with what the browser shows.

A certificate made here is valid for two years (browsers accept 825 days) and replaced a month before it ends,
with a new key: everybody has to look at the fingerprint again anyway, and a key that was copied from a card
is of no use for ever. Names and addresses are those of the day it was made; a move to another network does
not change it, because that would ask everybody to trust the device anew.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from gateway.admin.access.addresses import IpAddress, local_addresses, local_names
from gateway.admin.access.store import write_durably
from gateway.errors import LocalError

if TYPE_CHECKING:
    from cryptography import x509

    from gateway.admin.settings import AdminSettings

FILE = "page.pem"  # certificate and key in one file: they are replaced together
VALID = datetime.timedelta(days=730)
RENEW_BEFORE = datetime.timedelta(days=30)
LOOK_EVERY = 3600.0  # seconds between two looks at the dates and the files
EARLIEST = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
"""No device runs this program before this day: a board without a clock of its own may think so."""

_DAY = datetime.timedelta(days=1)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # for TLS 1.2; those of 1.3 are all good

log = logging.getLogger(__name__)


class CertificateUnusable(LocalError):
    """The page cannot be served with this certificate; the text says why."""


@dataclass(frozen=True, slots=True)
class PageCertificate:
    """What a person may want to know of it. Times are epoch seconds."""

    fingerprint: str  # SHA-256, as browsers show it: AB:CD:...
    names: tuple[str, ...]
    not_before: float
    not_after: float
    self_made: bool


class Https:
    """The TLS side of the page; keeps its certificate fresh."""

    def __init__(
        self,
        directory: Path,
        certificate: Path | None = None,
        key: Path | None = None,
        *,
        name: str = "",
        clock: Callable[[], float] = time,
    ) -> None:
        """Make or read the certificate. Blocks. CertificateUnusable in words.

        `certificate` and `key` are the configured ones; without them the page makes its own in `directory`.
        """
        self._file = certificate or directory / FILE
        self._key = key or self._file
        self._self_made = certificate is None
        self._name = name
        self._clock = clock
        self._stamp: object = None
        self.context = _context()
        self.certificate = self._load()

    def refresh(self) -> bool:
        """Renew or read again what needs it; new connections get the new one. True if it changed. Blocks."""
        due = self._self_made and _is_due(self.certificate, self._clock())
        if not due and self._stamp == self._stamp_now():
            return False
        before = self.certificate
        self.certificate = self._load()
        return before.fingerprint != self.certificate.fingerprint

    async def keep_fresh(self) -> None:
        """Look every hour, until cancelled. A problem is logged and the old certificate stays in use."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                if await asyncio.to_thread(self.refresh):
                    log.warning("the page has another certificate now: %s", self.certificate.fingerprint)
            except (LocalError, OSError):
                log.exception("the certificate of the page could not be renewed")

    def _load(self) -> PageCertificate:
        if self._self_made:
            self._make_if_due()
        self._stamp = self._stamp_now()
        try:
            self.context.load_cert_chain(self._file, self._key, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
            raise CertificateUnusable(
                f"the page cannot use its certificate {self._file} with the key {self._key}: {reason}"
            ) from error
        return read(self._file, self_made=self._self_made)

    def _make_if_due(self) -> None:
        try:
            if not _is_due(read(self._file, self_made=True), self._clock()):
                _context().load_cert_chain(self._file, password=_no_password)
                return
        except (CertificateUnusable, ssl.SSLError, OSError) as error:
            if self._file.exists():
                log.warning("the page's certificate cannot be read and is made anew: %s", error)
        now = max(datetime.datetime.fromtimestamp(self._clock(), datetime.UTC), EARLIEST)
        try:
            write_durably(self._file, make(local_names(), local_addresses(), now, self._name))
        except OSError as error:
            raise CertificateUnusable(f"the page's certificate cannot be kept: {error}") from error

    def _stamp_now(self) -> object:
        try:
            return tuple((s.st_mtime_ns, s.st_ino, s.st_size) for s in (self._file.stat(), self._key.stat()))
        except OSError:
            return None


def read(path: Path, *, self_made: bool) -> PageCertificate:
    """Return what the first certificate in a PEM file says. CertificateUnusable in words. Blocks."""
    from cryptography import x509  # heavy, and needed once

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = _names_in(found)
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"the page's certificate {path} cannot be read: {error}") from error
    return PageCertificate(
        fingerprint_of(_der(found)),
        names,
        found.not_valid_before_utc.timestamp(),
        found.not_valid_after_utc.timestamp(),
        self_made,
    )


def of_page(settings: AdminSettings) -> PageCertificate:
    """Return the certificate the page is served with. CertificateUnusable in words. Blocks."""
    own = settings.certificate is None
    return read(settings.certificate or settings.state_dir / FILE, self_made=own)


def make(names: Sequence[str], addresses: Sequence[IpAddress], now: datetime.datetime, title: str) -> bytes:
    """Return a new key and a certificate for it that nobody else has signed, in one PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    common = title.strip()[:40] or names[-1]
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "DICOM Edge Gateway"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
    alternatives = [x509.DNSName(name) for name in names] + [x509.IPAddress(ip) for ip in addresses]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def fingerprint_of(der: bytes) -> str:
    """Return the SHA-256 of a certificate as browsers show it."""
    digest = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _is_due(certificate: PageCertificate, now: float) -> bool:
    """Tell whether a certificate of ours ends soon, or was made by a clock that was ahead."""
    now = max(now, EARLIEST.timestamp())
    ends_soon = certificate.not_after - now < RENEW_BEFORE.total_seconds()
    return ends_soon or certificate.not_before > now


def _no_password() -> str:
    raise CertificateUnusable("the page's key is encrypted: nobody is there to type its password at start")


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _names_in(certificate: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    hosts = extension.value.get_values_for_type(x509.DNSName)
    return (*hosts, *(str(ip) for ip in extension.value.get_values_for_type(x509.IPAddress)))
