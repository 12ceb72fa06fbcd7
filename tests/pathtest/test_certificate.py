"""What is said of a peer's certificate, whatever it is."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest

from gateway.model import AETitle, Peer
from gateway.pathtest import certificate
from tests.support.certs import Authority
from tests.support.ports import free_port

PEER = Peer("centre", AETitle("CENTRE"), "127.0.0.1", 1)


def values(found: tuple[certificate.Detail, ...]) -> dict[str, str]:
    return {one.what: one.value for one in found}


def test_names_and_times_of_one_that_was_accepted() -> None:
    decoded = {
        "subject": ((("commonName", "centre"),), (("organizationName", "Clinic\x1b[2J"),)),
        "issuer": ((("commonName", "authority"),),),
        "notAfter": "Jan  5 09:34:43 2027 GMT",
    }
    found = values(certificate.details(decoded, b"der"))
    assert found["certificate-subject"] == "commonName=centre, organizationName=Clinic?[2J"
    assert found["certificate-issuer"] == "commonName=authority"
    assert found["certificate-until"] == "2027-01-05 09:34:43 UTC"
    assert found["certificate-sha256"].replace(":", "").lower() == hashlib.sha256(b"der").hexdigest()


def test_long_values_are_cut_and_missing_ones_left_out() -> None:
    found = values(certificate.details({"subject": ((("commonName", "x" * 5000),),)}, b"der"))
    assert len(found["certificate-subject"]) == 200
    assert set(found) == {"certificate-subject", "certificate-sha256"}


async def test_one_that_was_refused_is_read_in_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = Authority.create(tmp_path).issue("centre")
    der = ssl.PEM_cert_to_DER_cert(issued.certificate.read_text())
    answers = [der, b"rubbish", b"\x30" * 70_000, b""]

    async def fetch(_peer: Peer) -> bytes:
        return answers.pop(0)

    monkeypatch.setattr(certificate, "_fetch", fetch)
    found = values(await certificate.refused(PEER, 5))
    assert found["certificate-subject"] == "commonName=centre"
    assert found["certificate-issuer"] == "commonName=centre test authority"
    assert set(values(await certificate.refused(PEER, 5))) == {"certificate-sha256"}  # no certificate at all
    assert await certificate.refused(PEER, 5) == ()  # longer than any certificate
    assert await certificate.refused(PEER, 5) == ()


async def test_a_peer_that_shows_none() -> None:
    gone = Peer("centre", AETitle("CENTRE"), "127.0.0.1", free_port())
    assert await certificate.refused(gone, 2) == ()
