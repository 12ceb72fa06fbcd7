"""The throw-away certificates satisfy OpenSSL in its strict mode, and only among themselves."""

from __future__ import annotations

import datetime
import ssl
import stat
from pathlib import Path

import pytest

from gateway.demo.pki import Authority, Endpoint


def handshake(server: Endpoint, client: Endpoint, host: str) -> str | None:
    """Shake hands in memory, mutually and strictly; return the TLS version."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context, endpoint in ((server_context, server), (client_context, client)):
        context.load_cert_chain(endpoint.certificate, endpoint.key)
        context.load_verify_locations(endpoint.ca)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client_context.wrap_bio(down, up, server_hostname=host)
    there = server_context.wrap_bio(up, down, server_side=True)
    for side in (here, there, here, there):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return there.version()


def authority(directory: Path, name: str = "Demo CA") -> Authority:
    return Authority(directory, now=datetime.datetime.now(datetime.UTC), name=name)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_both_ends_trust_each_other(tmp_path: Path, host: str) -> None:
    ca = authority(tmp_path)
    assert handshake(ca.issue("centre"), ca.issue("gateway"), host) == "TLSv1.3"


def test_other_names_are_not_covered(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(ca.issue("centre"), ca.issue("gateway"), "elsewhere.example")


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    mine, theirs = authority(tmp_path / "a"), authority(tmp_path / "b", "Other CA")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(theirs.issue("centre"), mine.issue("gateway"), "localhost")


def test_keys_are_private_and_the_authority_has_none_on_disk(tmp_path: Path) -> None:
    endpoint = authority(tmp_path).issue("gateway")
    assert stat.S_IMODE(endpoint.key.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"demo-ca.pem", "gateway.pem", "gateway.key"}
