"""What is to be said of the certificate that a peer shows, trusted here or not.

A certificate that our checks refuse is the one an engineer most wants to read, and `ssl` shows none of it. So
it is fetched once more without a check, to be looked at and nothing else: the connection is closed at once.
Reading it needs cryptography, which the daemon never imports; a child process does it:

    python -m gateway.pathtest.certificate < certificate.der > facts.json
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.model import Peer
from gateway.pathtest.steps import Detail

_MOST_BYTES: Final = 64 * 1024
_MOST_TEXT: Final = 200  # characters of one value: a peer chooses them
_PATIENCE: Final = 10.0  # seconds for the child


def details(decoded: Mapping[str, Any], der: bytes) -> tuple[Detail, ...]:
    """Say what a certificate that was accepted is: subject, issuer, until when, fingerprint."""
    found = {
        "certificate-subject": _name(decoded.get("subject", ())),
        "certificate-issuer": _name(decoded.get("issuer", ())),
        "certificate-until": _moment(str(decoded.get("notAfter", ""))),
    }
    return (*_printable(found), fingerprint(der))


def fingerprint(der: bytes) -> Detail:
    """SHA-256 of the certificate, as everybody writes it."""
    digest = hashlib.sha256(der).hexdigest().upper()
    return Detail("certificate-sha256", ":".join(digest[at : at + 2] for at in range(0, len(digest), 2)))


async def refused(peer: Peer, patience: float) -> tuple[Detail, ...]:
    """Say what the certificate is that `peer` shows and that was not accepted; nothing when it shows none.

    `patience`: seconds.
    """
    der = b""
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(patience):
            der = await _fetch(peer)
    if not der or len(der) > _MOST_BYTES:
        return ()
    return (*_printable(await _read(der)), fingerprint(der))


async def _fetch(peer: Peer) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # looked at, never trusted: nothing is said on this connection
    name = (peer.tls.server_name if peer.tls else None) or peer.host
    _, writer = await asyncio.open_connection(peer.host, peer.port, ssl=context, server_hostname=name)
    try:
        tls = writer.get_extra_info("ssl_object")
        return bytes(tls.getpeercert(True) or b"")
    finally:
        writer.transport.abort()


async def _read(der: bytes) -> dict[str, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway.pathtest.certificate"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            output, _ = await child.communicate(der)
        found = json.loads(output)
    except (TimeoutError, ValueError):
        return {}  # the fingerprint alone says which one it is
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return {str(what): str(value) for what, value in found.items()} if isinstance(found, dict) else {}


def _printable(found: Mapping[str, str]) -> tuple[Detail, ...]:
    return tuple(
        Detail(what, "".join(one if one.isprintable() else "?" for one in value[:_MOST_TEXT]))
        for what, value in found.items()
        if value
    )


def _name(rdns: Sequence[Sequence[tuple[str, str]]]) -> str:
    """`(((commonName, centre),), ...)`, as ssl has it, to `commonName=centre, ...`."""
    return ", ".join(f"{kind}={value}" for rdn in rdns for kind, value in rdn)


def _moment(text: str) -> str:
    """`Jan 5 09:34:43 2027 GMT` to `2027-01-05 09:34:43 UTC`."""
    try:
        seconds = ssl.cert_time_to_seconds(text)
    except ValueError:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _facts(der: bytes) -> dict[str, str]:
    """In the child: read a certificate, whatever may be in it."""
    from cryptography import x509

    read = x509.load_der_x509_certificate(der)
    return {
        "certificate-subject": _x509_name(read.subject),
        "certificate-issuer": _x509_name(read.issuer),
        "certificate-until": read.not_valid_after_utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
    }


def _x509_name(name: Any) -> str:
    return ", ".join(f"{one.oid._name}={one.value}" for rdn in name.rdns for one in rdn)


if __name__ == "__main__":
    print(json.dumps(_facts(sys.stdin.buffer.read(_MOST_BYTES))))
