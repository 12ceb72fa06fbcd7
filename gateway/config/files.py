"""What only shows on this machine: the folders and the TLS files the configuration points at."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.checks import Finding
from gateway.config.dicomweb import DicomWeb
from gateway.config.linking import LinkTls
from gateway.config.problems import Severity
from gateway.config.schema import Config, ListenerTls
from gateway.config.toml_lines import KeyPath

if TYPE_CHECKING:
    from cryptography import x509

_SOON = 30 * 86400.0
_MAX_PEM_BYTES = 1 << 20


def run(config: Config, now: float | None = None) -> Iterator[Finding]:
    """Yield what is wrong with the files and folders named in `config`. `now`: wall clock, for validity."""
    now = time.time() if now is None else now
    yield from _folder(("gateway", "state_dir"), config.gateway.state_dir)
    yield from _folder(("operator", "socket"), config.operator.socket.parent)
    for number, listener in enumerate(config.listeners):
        if listener.tls is not None:
            yield from _tls(("listener", number, "tls"), listener.tls, now)
    for number, peer in enumerate(config.peers):
        if peer.tls is not None:
            yield from _tls(("peer", number, "tls"), peer.tls, now)
        if peer.dicomweb is not None:
            yield from _web(("peer", number, "dicomweb"), peer.dicomweb, now)
    if config.link is not None:
        yield from _tls(("link", "tls"), config.link.tls, now)


def _folder(path: KeyPath, folder: Path) -> Iterator[Finding]:
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        yield Finding(path, f"{nearest} is not a folder")
    elif not os.access(nearest, os.W_OK | os.X_OK):
        act = "written to" if nearest == folder else "created"
        yield Finding(path, f"cannot be {act} by this user: no permission in {nearest}")


def _web(path: KeyPath, web: DicomWeb, now: float) -> Iterator[Finding]:
    if web.certificate is not None and web.key is not None:
        yield from _ours(path, web.certificate, web.key, now)
    if web.ca is not None:
        yield from _authorities(path, web.ca, now)
    if web.secret is not None:
        findings: list[Finding] = []
        if _read((*path, "secret"), web.secret, findings) is not None:
            _is_private((*path, "secret"), web.secret, findings)
        yield from findings


def _tls(path: KeyPath, tls: ListenerTls | LinkTls, now: float) -> Iterator[Finding]:
    yield from _ours(path, tls.certificate, tls.key, now)
    yield from _authorities(path, tls.ca, now)


def _ours(path: KeyPath, file: Path, key: Path, now: float) -> Iterator[Finding]:
    # Imported on use: cryptography costs megabytes, and many configurations are read without it.
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    findings: list[Finding] = []
    chain = _certificates((*path, "certificate"), file, findings)
    public = _public_key((*path, "key"), key, findings)
    yield from findings
    if chain and public is not None:
        ours = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if ours != public:
            yield Finding((*path, "key"), f"is not the key of the certificate in {file}")
    for certificate in chain[:1]:
        yield from _validity((*path, "certificate"), certificate, now)


def _authorities(path: KeyPath, file: Path, now: float) -> Iterator[Finding]:
    findings: list[Finding] = []
    authorities = _certificates((*path, "ca"), file, findings)
    yield from findings
    if authorities and all(_expired(authority, now) for authority in authorities):
        yield Finding((*path, "ca"), "every certificate in it has expired", severity=Severity.WARNING)


def _read(path: KeyPath, file: Path, findings: list[Finding]) -> bytes | None:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_PEM_BYTES + 1)
    except OSError as error:
        findings.append(Finding(path, f"{file} cannot be read: {error.strerror}"))
        return None
    if len(data) > _MAX_PEM_BYTES:
        findings.append(Finding(path, f"{file} is far too large to be a PEM file"))
        return None
    return data


def _certificates(path: KeyPath, file: Path, findings: list[Finding]) -> list[x509.Certificate]:
    from cryptography import x509

    data = _read(path, file, findings)
    if data is None:
        return []
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        findings.append(
            Finding(path, f"{file} holds no readable certificate", "PEM (-----BEGIN CERTIFICATE-----)")
        )
        return []


def _public_key(path: KeyPath, file: Path, findings: list[Finding]) -> bytes | None:
    """Return the public half of the private key in `file`, as SubjectPublicKeyInfo."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    data = _read(path, file, findings)
    if data is None:
        return None
    _is_private(path, file, findings)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        findings.append(
            Finding(
                path, f"the key in {file} has a passphrase", "a key without one, readable by the gateway only"
            )
        )
        return None
    except (ValueError, UnsupportedAlgorithm):
        findings.append(
            Finding(path, f"{file} holds no readable private key", "PEM (-----BEGIN PRIVATE KEY-----)")
        )
        return None
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _expired(certificate: x509.Certificate, now: float) -> bool:
    return certificate.not_valid_after_utc.timestamp() < now


def _validity(path: KeyPath, certificate: x509.Certificate, now: float) -> Iterator[Finding]:
    # Warnings only: many boards start without a clock, and a gateway that does not start stores nothing.
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if _expired(certificate, now):
        yield Finding(path, f"has expired on {end:%Y-%m-%d}", severity=Severity.WARNING)
    elif end.timestamp() < now + _SOON:
        yield Finding(path, f"expires soon, on {end:%Y-%m-%d}", severity=Severity.WARNING)
    elif start.timestamp() > now:
        words = f"is not valid before {start:%Y-%m-%d}: is the clock right?"
        yield Finding(path, words, severity=Severity.WARNING)


def _is_private(path: KeyPath, file: Path, findings: list[Finding]) -> None:
    """Add what is wrong with the permissions of a file that nobody else may read."""
    mode = file.stat().st_mode
    if mode & stat.S_IRWXO:
        findings.append(
            Finding(
                path, f"everybody on this machine may read it (mode {stat.S_IMODE(mode):04o})", "0600 or 0640"
            )
        )
    elif mode & (stat.S_IWGRP | stat.S_IXGRP):
        findings.append(
            Finding(
                path,
                f"its group may change it (mode {stat.S_IMODE(mode):04o})",
                "0600 or 0640",
                Severity.WARNING,
            )
        )
