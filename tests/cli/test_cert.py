"""`dicom-gateway cert`, by a running gateway and without one, with openssl as the authority."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.certificates.room import CertificateRoom
from gateway.cli import cli
from gateway.operator.sections.certificates import CertificatesSection
from tests.support.fake_control import FakeControl
from tests.support.gateway_process import toml
from tests.support.openssl_ca import OpenSslAuthority, openssl
from tests.support.operator_daemon import serving

Run = Callable[..., Result]


def invoke(*arguments: str, **options: Any) -> Result:
    result = CliRunner().invoke(cli, ["cert", *arguments], prog_name="dicom-gateway", **options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(params=["daemon", "files"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `dicom-gateway cert ...` against a daemon, or against the files of a configuration."""
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.delenv("DICOM_GATEWAY_CONFIG", raising=False)
    if request.param == "daemon":
        # Made within the server's loop: its lock belongs there.
        with serving(
            FakeControl(), tmp_path / "op.sock", sections=[CertificatesSection(CertificateRoom(state, ()))]
        ):
            monkeypatch.setenv("DICOM_GATEWAY_SOCKET", str(tmp_path / "op.sock"))
            yield invoke
    else:
        config = tmp_path / "gateway.toml"
        gateway = {"name": "clinic-07", "ae_title": "CLINIC07", "state_dir": state}
        config.write_text(toml({"gateway": gateway, "operator": {"socket": tmp_path / "none.sock"}}))
        monkeypatch.setenv("DICOM_GATEWAY_CONFIG", str(config))
        yield invoke


@pytest.fixture
def authority(tmp_path: Path) -> OpenSslAuthority:
    return OpenSslAuthority.create(tmp_path / "ca")


def test_from_the_request_to_the_installed_certificate(
    run: Run, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    assert run("list").stdout == "No certificate is in use.\n"
    asked = run(
        "csr", "clinic-07", "--host", "localhost", "--host", "192.0.2.10", "--organization", "Example"
    )
    assert asked.exit_code == 0
    assert asked.stdout.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert "Fingerprint of the public key (SHA-256): " in asked.stderr
    again = run("csr", "clinic-07", "--out", str(tmp_path / "again.csr"))
    assert "waits for its answer already" in again.stderr
    assert (tmp_path / "again.csr").read_text() == asked.stdout
    answer = tmp_path / "answer.pem"
    answer.write_text(authority.sign(asked.stdout) + authority.pem)
    looked = run("install", "clinic-07", str(answer), "--check")
    assert (looked.exit_code, "This can be installed." in looked.stdout) == (0, True)
    assert "No certificate" not in looked.stdout
    done = run("install", "clinic-07", str(answer), "--trust-root")
    assert (done.exit_code, "Installed; new connections use it" in done.stdout) == (0, True)
    shown = run("show", "clinic-07").stdout
    assert "names        localhost, 192.0.2.10" in shown
    assert "trusted authority: CN=Centre CA" in shown
    assert "versions" not in shown
    assert str(tmp_path / "state/certificates/clinic-07/current/key.pem") in shown
    told = json.loads(run("show", "clinic-07", "--json").stdout)
    openssl("verify", "-CAfile", told["files"]["ca"], told["files"]["certificate"])
    listed = run("list").stdout
    assert "clinic-07" in listed
    assert " 89 " in listed


def test_what_stands_in_the_way(run: Run, authority: OpenSslAuthority, tmp_path: Path) -> None:
    run("csr", "clinic-07")
    wrong = tmp_path / "wrong.pem"
    wrong.write_text(authority.pem)
    refused = run("install", "clinic-07", str(wrong))
    assert refused.exit_code == 1
    assert "error: this is the certificate of an authority" in refused.stdout
    assert json.loads(run("install", "clinic-07", str(wrong), "--json").stdout)["ok"] is False
    wrong.write_bytes(b"x" * 50_000)
    assert "far too large" in run("install", "clinic-07", str(wrong)).stderr
    bad = run("csr", "UPPER")
    assert (bad.exit_code, "small letters" in bad.stderr) == (1, True)
    assert run("show", "nobody").exit_code == 1


def test_authorities_versions_and_removing(run: Run, authority: OpenSslAuthority, tmp_path: Path) -> None:
    other = OpenSslAuthority.create(tmp_path / "other", "Second CA")
    assert run("trust", "clinic-07", str(authority.folder / "ca.pem")).exit_code == 0
    assert run("trust", "clinic-07", "-", "--add", input=other.pem).exit_code == 0
    names = [
        one["common_name"] for one in json.loads(run("show", "clinic-07", "--json").stdout)["authorities"]
    ]
    assert names == ["Centre CA", "Second CA"]
    assert "`dicom-gateway cert back clinic-07 1`" in run("show", "clinic-07").stdout
    assert run("back", "clinic-07", "1").exit_code == 0
    names = [
        one["common_name"] for one in json.loads(run("show", "clinic-07", "--json").stdout)["authorities"]
    ]
    assert names == ["Centre CA"]
    assert run("back", "clinic-07", "9").exit_code == 1
    run("csr", "clinic-07")
    assert run("forget", "clinic-07").exit_code == 0
    assert run("forget", "clinic-07").exit_code == 1
    assert run("remove", "clinic-07", input="other\n").exit_code == 1
    assert run("remove", "clinic-07", input="clinic-07\n").exit_code == 0
    assert run("list").stdout == "No certificate is in use.\n"
