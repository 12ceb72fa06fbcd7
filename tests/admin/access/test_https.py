"""The page's certificate: made once, kept, renewed in time; and a TLS that accepts nothing old."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.admin.access.addresses import local_addresses, local_names
from gateway.admin.access.https import (
    EARLIEST,
    FILE,
    RENEW_BEFORE,
    VALID,
    CertificateUnusable,
    Https,
    fingerprint_of,
)
from tests.support.certs import Authority

NOW = EARLIEST.timestamp() + 30 * 86400
DAY = 86400.0


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def served(https: Https, **client: object) -> tuple[bytes, str, str]:
    """Shake hands with it; return the certificate it showed, the TLS version and the cipher."""
    ours, theirs = socket.socketpair()
    failures: list[Exception] = []

    def serve() -> None:
        try:
            https.context.wrap_socket(theirs, server_side=True).close()
        except (ssl.SSLError, OSError) as error:
            failures.append(error)
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in client.items():
        setattr(context, name, value)
    try:
        with context.wrap_socket(ours) as tls:
            cipher = tls.cipher()
            return tls.getpeercert(binary_form=True) or b"", tls.version() or "", cipher[0] if cipher else ""
    finally:
        ours.close()
        thread.join()


def test_a_first_start_makes_one_that_browsers_take(tmp_path: Path) -> None:
    https = Https(tmp_path, name="clinic-07", clock=Clock())
    found = x509.load_pem_x509_certificate((tmp_path / FILE).read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = names.get_values_for_type(x509.DNSName)
    assert {"localhost", *local_names()} == set(hosts)
    assert set(local_addresses()) == set(names.get_values_for_type(x509.IPAddress))
    assert found.not_valid_after_utc - found.not_valid_before_utc <= datetime.timedelta(days=825)
    assert found.not_valid_after_utc.timestamp() == pytest.approx(NOW + VALID.total_seconds(), abs=2)
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "clinic-07" in found.subject.rfc4514_string()
    assert https.certificate.self_made


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    Https(tmp_path, clock=Clock())
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_the_fingerprint_is_of_what_is_served(tmp_path: Path) -> None:
    https = Https(tmp_path, clock=Clock())
    der, version, cipher = served(https)
    assert fingerprint_of(der) == https.certificate.fingerprint
    assert len(https.certificate.fingerprint) == 95
    assert version == "TLSv1.3"
    _, version, cipher = served(https, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert version == "TLSv1.2"
    assert cipher.startswith("ECDHE-ECDSA-")
    assert "GCM" in cipher or "CHACHA20" in cipher


def test_old_tls_is_refused(tmp_path: Path) -> None:
    https = Https(tmp_path, clock=Clock())
    assert https.context.minimum_version is ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, OSError)), pytest.warns(DeprecationWarning, match="TLSv1_1"):
        served(https, minimum_version=ssl.TLSVersion.TLSv1_1, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_a_restart_keeps_it(tmp_path: Path) -> None:
    first = Https(tmp_path, clock=Clock()).certificate
    assert Https(tmp_path, clock=Clock(NOW + 300 * DAY)).certificate == first


@pytest.mark.parametrize("running", [True, False])
def test_it_is_renewed_before_it_ends(tmp_path: Path, running: bool) -> None:
    clock = Clock()
    https = Https(tmp_path, clock=clock)
    first = https.certificate
    clock.now = first.not_after - RENEW_BEFORE.total_seconds() - 60
    assert not https.refresh()
    clock.now += 120
    if running:
        assert https.refresh()
    else:
        https = Https(tmp_path, clock=clock)
    assert https.certificate.fingerprint != first.fingerprint
    assert https.certificate.not_after > clock.now + 700 * DAY
    assert fingerprint_of(served(https)[0]) == https.certificate.fingerprint  # without a restart
    assert not https.refresh()


def test_a_board_without_a_clock_makes_one_that_is_good_later(tmp_path: Path) -> None:
    certificate = Https(tmp_path, clock=Clock(0.0)).certificate  # 1970
    assert certificate.not_before < EARLIEST.timestamp() < certificate.not_after
    assert Https(tmp_path, clock=Clock(NOW)).certificate == certificate


def test_one_that_was_made_by_a_clock_ahead_is_replaced(tmp_path: Path) -> None:
    first = Https(tmp_path, clock=Clock(NOW + 3000 * DAY)).certificate
    assert Https(tmp_path, clock=Clock(NOW)).certificate.fingerprint != first.fingerprint


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_damaged_one_is_made_anew(tmp_path: Path, content: bytes) -> None:
    Https(tmp_path, clock=Clock())
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content or whole[: whole.index(b"-----BEGIN PRIVATE")])
    https = Https(tmp_path, clock=Clock())
    assert served(https)[0]


def test_a_configured_one_is_used_and_read_again_when_it_changes(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    one, two = authority.issue("one"), authority.issue("two")
    certificate, key = tmp_path / "page-cert.pem", tmp_path / "page-key.pem"

    def install(material: object) -> None:
        shutil.copy(material.certificate, certificate)  # type: ignore[attr-defined]
        shutil.copy(material.key, key)  # type: ignore[attr-defined]

    install(one)
    https = Https(tmp_path / "state", certificate, key, clock=Clock())
    assert not https.certificate.self_made
    first = https.certificate.fingerprint
    assert fingerprint_of(served(https)[0]) == first
    assert not https.refresh()
    install(two)
    assert https.refresh()
    assert fingerprint_of(served(https)[0]) == https.certificate.fingerprint != first
    assert not (tmp_path / "state").exists()


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    one, two = authority.issue("one"), authority.issue("two")
    with pytest.raises(CertificateUnusable, match=r"nowhere\.pem"):
        Https(tmp_path, tmp_path / "nowhere.pem", tmp_path / "nowhere.key")
    with pytest.raises(CertificateUnusable, match="certificate"):
        Https(tmp_path, one.certificate, two.key)
    with pytest.raises(CertificateUnusable, match="cannot be kept"):
        Https(tmp_path / "no folder")


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    material = Authority.create(tmp_path).issue("one")
    assert material.key is not None
    key = serialization.load_pem_private_key(material.key.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(CertificateUnusable, match="encrypted"):
        Https(tmp_path, material.certificate, locked)


def test_a_renewal_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    material = authority.issue("one")
    certificate = tmp_path / "page.crt"
    shutil.copy(material.certificate, certificate)
    https = Https(tmp_path, certificate, material.key, clock=Clock())
    certificate.write_text("half written")
    with pytest.raises(CertificateUnusable):
        https.refresh()
    assert fingerprint_of(served(https)[0]) == https.certificate.fingerprint


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("gw07", ["localhost", "gw07", "gw07.local"]),
        ("gw07.clinic.example", ["localhost", "gw07.clinic.example", "gw07.local"]),
        ("Bad_Name", ["localhost"]),
        ("", ["localhost"]),
        ("localhost", ["localhost"]),
    ],
)
def test_names_of_the_device(host: str, names: list[str]) -> None:
    assert local_names(host) == names


def test_addresses_of_the_device() -> None:
    found = local_addresses()
    assert found[:2] == [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    assert not any(address.is_link_local for address in found)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # sends nothing
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return  # this machine has no other address
        assert ipaddress.ip_address(probe.getsockname()[0]) in found


def test_a_machine_that_tells_nothing_still_gets_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refused)
    monkeypatch.setattr(Path, "read_text", refused)
    assert [str(address) for address in local_addresses()] == ["127.0.0.1", "::1"]
    assert "127.0.0.1" in Https(tmp_path, clock=Clock()).certificate.names
