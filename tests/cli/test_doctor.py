from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import cli
from gateway.health import report, time_sources
from gateway.health.machine import Machine
from tests.support.machine_tree import CHRONY, make


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text('[gateway]\nname = "clinic"\nae_title = "CLINIC"\nstate_dir = "/var/lib/dicom gateway"\n')
    return path


def on(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    read = report.read
    kernel = time_sources.KernelClock(True, 0.01, 0.0)
    monkeypatch.setattr(report, "read", lambda folders: read(folders, machine, lambda: kernel))


def test_a_good_machine(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(make(tmp_path / "m", commands={"chronyc": CHRONY}), monkeypatch)
    result = CliRunner().invoke(cli, ["doctor", "--config", str(config)])
    assert result.exit_code == 0, result.output
    assert "The clock follows 192.0.2.1." in result.stdout
    assert "At most 20 % of the life of the flash memory is used." in result.stdout
    assert "Raspberry" not in result.stderr


def test_what_needs_a_person_is_an_exit_code(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(make(tmp_path / "m", {"/sys/fs/ext4/mmcblk0p3/errors_count": "3"}), monkeypatch)
    result = CliRunner().invoke(cli, ["doctor", "--config", str(config)])
    assert result.exit_code == 6
    assert "has counted 3 errors" in result.stdout
    assert "Disk: Have the file system checked" in result.stdout


def test_facts(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(make(tmp_path / "m", commands={"chronyc": CHRONY}), monkeypatch)
    found = json.loads(CliRunner().invoke(cli, ["doctor", "--config", str(config), "--json"]).stdout)
    assert found["board"]["model"].startswith("Raspberry")
    assert found["disks"][0]["folders"] == ["/var/lib/dicom gateway"]


def test_this_machine_without_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DICOM_GATEWAY_CONFIG", raising=False)
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code in (0, 6)
    assert "Memory" in result.stdout
