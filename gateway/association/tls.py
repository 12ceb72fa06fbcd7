"""TLS contexts for DICOM, and what went wrong with a handshake in words a hospital engineer can act on.

The profile is BCP 195 (PS3.15 B.9 to B.12): TLS 1.2 as the floor, TLS 1.3 where the peer has it, forward
secrecy and authenticated encryption only, and a certificate from both sides.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.association.errors import ConnectFailed
from gateway.errors import LocalError
from gateway.model import Peer, TlsMaterial

# TLS 1.2 suites of BCP 195: (EC)DHE key exchange with AEAD. TLS 1.3 suites are all of that kind already.
_TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"

# X509_V_ERR_* numbers (OpenSSL x509_vfy.h) that an engineer meets, and what each means here.
_VERIFY_WORDS = {
    9: "the peer's certificate is not valid yet (check both clocks)",
    10: "the peer's certificate has expired (or this machine's clock is wrong)",
    18: "the peer's certificate is self-signed and not among the trusted ones",
    19: "the peer's certificate chain ends in a root that is not trusted here",
    20: "the peer's certificate was issued by an authority that is not trusted here",
    21: "the peer's certificate was issued by an authority that is not trusted here",
    23: "the peer's certificate has been revoked",
    26: "the peer's certificate is not meant for this use (extended key usage)",
    62: "the peer's certificate is for another host name",
    64: "the peer's certificate is for another IP address",
}

# Reasons of OpenSSL (ssl.SSLError.reason), most of them alerts that the peer sent.
_REASON_WORDS = {
    "CERTIFICATE_REQUIRED": "the peer demands a certificate and got none",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer demands a certificate and got none",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer showed no certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not trust the authority that issued our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer refused our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that our certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the peer says that our certificate has been revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer could not accept our certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the peer does not support our kind of certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the peer found no TLS parameters in common",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the peer does not accept our TLS versions",
    "TLSV1_ALERT_ACCESS_DENIED": "the peer denied us access on grounds of our certificate",
    "TLSV1_ALERT_DECRYPT_ERROR": "the peer could not verify our handshake (is our key the wrong one?)",
    "NO_SHARED_CIPHER": "the peer offers no acceptable cipher suite",
    "UNSUPPORTED_PROTOCOL": "the peer speaks only TLS versions that are no longer accepted",
    "WRONG_VERSION_NUMBER": "the peer does not speak TLS on this port",
    "HTTP_REQUEST": "the peer spoke HTTP, not TLS",
    "UNEXPECTED_EOF_WHILE_READING": "the peer closed the connection during the TLS exchange",
}


def server_context(material: TlsMaterial) -> ssl.SSLContext:
    """Return the context of a listener: the client must show a certificate that chains to `material.ca`.

    Raises LocalError, naming the file, when a file is missing or is not what it should be.
    """
    return _prepared(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), material)


def client_context(material: TlsMaterial) -> ssl.SSLContext:
    """Return the context for dialling a peer: our certificate is shown, the peer's must chain to `ca`.

    The peer's certificate is also checked for its name unless `material.check_name` is false. Raises
    LocalError, naming the file, when a file is missing or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = material.check_name
    return _prepared(context, material)


class ClientContexts:
    """The TLS contexts of the peers we dial: read from their files when first needed, and when those change.

    So a certificate that is replaced holds from the next association on; those that are open go on.
    """

    def __init__(self) -> None:
        self._contexts: dict[TlsMaterial, tuple[_Stamp, ssl.SSLContext]] = {}

    def of(self, peer: Peer) -> ssl.SSLContext | None:
        """Return the context for `peer`; None for plain DICOM.

        Raises ConnectFailed, naming the file, when our certificate cannot be read: this peer cannot be
        dialled, and no other is to suffer from that.
        """
        if peer.tls is None:
            return None
        stamp = _stamp(peer.tls)
        known = self._contexts.get(peer.tls)
        if known is None or known[0] != stamp:
            try:
                known = stamp, client_context(peer.tls)
            except LocalError as error:
                raise ConnectFailed("tls", str(error)) from error
            self._contexts[peer.tls] = known
        return known[1]


class ServerContext:
    """The TLS context of a listener, read again when its files change."""

    def __init__(self, material: TlsMaterial) -> None:
        """Read the files. Raises LocalError, naming the file at fault."""
        self._material = material
        self._stamp = _stamp(material)
        self._context = server_context(material)

    def current(self) -> tuple[ssl.SSLContext, str]:
        """Return the context for the next connection, and what is wrong with files that changed meanwhile.

        What is wrong is told once; the context of before stays in use, since consoles depend on it.
        """
        stamp = _stamp(self._material)
        if stamp == self._stamp:
            return self._context, ""
        self._stamp = stamp
        try:
            self._context = server_context(self._material)
        except LocalError as error:
            return self._context, str(error)
        return self._context, ""


_Stamp = tuple[tuple[int, int, int] | None, ...]
"""What changes when a file is replaced: time of change, inode and length; None when it is not there."""


def _stamp(material: TlsMaterial) -> _Stamp:
    return tuple(_file_stamp(path) for path in (material.certificate, material.key, material.ca))


def _file_stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def words_for(error: BaseException) -> str:
    """Return one plain phrase for what ended a TLS handshake or session."""
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _VERIFY_WORDS.get(error.verify_code)
        return known or f"the peer's certificate was refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or ""  # absent when OpenSSL gave none
        return _REASON_WORDS.get(reason) or _fallback(reason, error)
    if isinstance(error, TimeoutError) or (isinstance(error, ConnectionAbortedError) and not error.errno):
        # asyncio reports its own handshake deadline as a ConnectionAbortedError without an error number.
        return "the peer did not complete the TLS handshake in time"
    if isinstance(error, ConnectionError):
        return "the peer closed the connection during the TLS handshake"
    return f"the TLS exchange failed ({type(error).__name__})"


def session_words(version: str | None, cipher: tuple[str, str, int] | None) -> str:
    """Return "TLSv1.3 TLS_AES_256_GCM_SHA384" for an established session."""
    return " ".join(part for part in (version, cipher[0] if cipher else None) if part)


def _fallback(reason: str, error: ssl.SSLError) -> str:
    if reason:
        return f"the TLS exchange failed: {reason.lower().replace('_', ' ')}"
    return f"the TLS exchange failed ({type(error).__name__})"


def _prepared(context: ssl.SSLContext, material: TlsMaterial) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_CIPHERS)
    context.verify_mode = ssl.CERT_REQUIRED
    # Compression leaks (CRIME); renegotiation by the peer is a way to burn our CPU.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(material.certificate, material.key)
    except ssl.SSLError as error:
        raise LocalError(
            f"{material.certificate} and {material.key} are not a PEM certificate with its private key "
            f"({(error.reason or 'unreadable').lower().replace('_', ' ')})"
        ) from error
    except OSError as error:
        raise LocalError(f"cannot read {material.certificate} or {material.key}: {error.strerror}") from error
    try:
        context.load_verify_locations(material.ca)
    except ssl.SSLError as error:
        raise LocalError(f"{material.ca} holds no PEM certificate of an authority") from error
    except OSError as error:
        raise LocalError(f"cannot read {material.ca}: {error.strerror}") from error
    return context
