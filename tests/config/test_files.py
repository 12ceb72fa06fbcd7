"""Folders and TLS files are looked at, with real files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import TypeAdapter

from gateway.config import Config, Severity
from gateway.config.files import _folder, run
from gateway.model import TlsMaterial
from tests.support.certs import Authority

DAY = 86400.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def material(authority: Authority, tmp_path: Path) -> TlsMaterial:
    """Sound files, the test's own."""
    issued = authority.issue("gateway", days=365)
    copies = [tmp_path / path.name for path in (issued.certificate, issued.key, issued.ca)]
    for source, copy in zip((issued.certificate, issued.key, issued.ca), copies, strict=True):
        copy.write_bytes(source.read_bytes())
    copies[1].chmod(0o600)
    return TlsMaterial(*copies)


def config(tmp_path: Path, material: TlsMaterial | None = None, **sections: Any) -> Config:
    tls = (
        {}
        if material is None
        else {"tls": {name: str(getattr(material, name)) for name in ("certificate", "key", "ca")}}
    )
    return TypeAdapter(Config).validate_python(
        {
            "gateway": {"name": "g", "ae_title": "G", "state_dir": str(tmp_path / "state")},
            "operator": {"socket": str(tmp_path / "operator.sock")},
            "peer": [{"name": "p", "ae_title": "P", "host": "h", "port": 104, **tls}],
            **sections,
        }
    )


def found(tmp_path: Path, material: TlsMaterial, now: float | None = None) -> list[tuple[str, str, Severity]]:
    """Return (last key, message, severity) of what is wrong."""
    return [
        (str(finding.path[-1]), finding.message.replace(f"{tmp_path}/", ""), finding.severity)
        for finding in run(config(tmp_path, material), now)
    ]


def test_sound_files_are_fine(tmp_path: Path, material: TlsMaterial) -> None:
    assert found(tmp_path, material) == []


def test_a_listeners_files_are_looked_at_too(tmp_path: Path, material: TlsMaterial) -> None:
    material.key.unlink()
    tls = {"certificate": str(material.certificate), "key": str(material.key), "ca": str(material.ca)}
    listener = {"name": "l", "address": "127.0.0.1", "port": 1, "tls": tls}
    (finding,) = run(config(tmp_path, None, listener=[listener]))
    assert finding.path == ("listener", 0, "tls", "key")


def test_missing_and_unreadable_files(tmp_path: Path, material: TlsMaterial) -> None:
    material.certificate.unlink()
    material.key.write_text("nonsense")
    material.ca.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    assert found(tmp_path, material) == [
        ("certificate", "gateway.pem cannot be read: No such file or directory", Severity.ERROR),
        ("key", "gateway.key holds no readable private key", Severity.ERROR),
        ("ca", "centre-ca.pem holds no readable certificate", Severity.ERROR),
    ]


def test_an_enormous_file_is_not_read(tmp_path: Path, material: TlsMaterial) -> None:
    with material.ca.open("wb") as file:
        file.truncate(1 << 40)
    assert found(tmp_path, material) == [
        ("ca", "centre-ca.pem is far too large to be a PEM file", Severity.ERROR)
    ]


def test_a_key_that_belongs_to_another_certificate(
    tmp_path: Path, material: TlsMaterial, authority: Authority
) -> None:
    material.key.write_bytes(authority.issue("other", days=365).key.read_bytes())
    assert found(tmp_path, material) == [
        ("key", "is not the key of the certificate in gateway.pem", Severity.ERROR)
    ]


def test_a_key_with_a_passphrase(tmp_path: Path, material: TlsMaterial) -> None:
    material.key.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert found(tmp_path, material) == [("key", "the key in gateway.key has a passphrase", Severity.ERROR)]


@pytest.mark.parametrize(
    ("mode", "words", "severity"),
    [
        (0o644, "everybody on this machine may read it (mode 0644)", Severity.ERROR),
        (0o602, "everybody on this machine may read it (mode 0602)", Severity.ERROR),
        (0o660, "its group may change it (mode 0660)", Severity.WARNING),
    ],
)
def test_a_key_that_others_can_get_at(
    tmp_path: Path, material: TlsMaterial, mode: int, words: str, severity: Severity
) -> None:
    material.key.chmod(mode)
    assert found(tmp_path, material) == [("key", words, severity)]
    material.key.chmod(0o640)
    assert found(tmp_path, material) == []


def test_validity_is_a_warning_because_the_clock_may_be_wrong(tmp_path: Path, material: TlsMaterial) -> None:
    now = time.time()
    for moment, words in (
        (now + 340 * DAY, "expires soon, on "),
        (now + 366 * DAY, "has expired on "),
        (now - 100 * DAY, "is not valid before "),
    ):
        ((key, message, severity),) = found(tmp_path, material, moment)
        assert (key, severity) == ("certificate", Severity.WARNING)
        assert message.startswith(words)


def test_authorities_that_have_all_expired(tmp_path: Path, material: TlsMaterial) -> None:
    told = found(tmp_path, material, time.time() + 20 * 365 * DAY)
    assert ("ca", "every certificate in it has expired", Severity.WARNING) in told


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wrong = config(
        tmp_path, gateway={"name": "g", "ae_title": "G", "state_dir": str(tmp_path / "file" / "x")}
    )
    (finding,) = run(wrong)
    assert finding.path == ("gateway", "state_dir")
    assert finding.message == f"{tmp_path / 'file'} is not a folder"


def test_a_folder_that_is_somebody_elses() -> None:
    def told() -> str:
        (finding,) = _folder(("gateway", "state_dir"), Path("/usr/dicom-gateway/state"))
        return finding.message

    assert as_nobody(told) == "cannot be created by this user: no permission in /usr"


def as_nobody(action: Callable[[], str]) -> str:
    """Return what `action` returns to a user without rights: root may write everywhere."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os.write(writer, action().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer
