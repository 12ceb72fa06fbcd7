"""The shipped units: valid, well confined, and in step with the configuration's defaults."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.admin.exports.drives import PLACES
from gateway.config import Config
from gateway.config.schema import Gateway
from gateway.model import AETitle

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "systemd/dicom-gateway.service"
PAGE = ROOT / "systemd/dicom-gateway-admin.service"
TMPFILES = (ROOT / "systemd/dicom-gateway.tmpfiles.conf").read_text()
# systemd-analyze's rating from 0 to 10, in tenths: it may get better, not worse.
_EXPOSURE = 20

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")


def directives(unit: Path = UNIT) -> dict[str, list[str]]:
    """Return the values of every directive of a unit."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture(params=[UNIT, PAGE], ids=["gateway", "page"])
def unit(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Each unit with a program that exists on every machine."""
    copy = tmp_path / request.param.name
    copy.write_text(request.param.read_text().replace("/usr/bin/dicom-gateway", "/bin/true"))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, timeout=60)


@needs_systemd
def test_systemd_understands_every_line(unit: Path) -> None:
    answer = analyze("verify", str(unit))
    assert (answer.returncode, answer.stderr) == (0, "")


@needs_systemd
def test_the_confinement_is_rated_well(unit: Path) -> None:
    help_text = analyze("--help").stdout
    if "--offline" not in help_text:
        pytest.skip("this systemd-analyze cannot rate a file")
    answer = analyze("security", "--offline=yes", f"--threshold={_EXPOSURE}", "--no-pager", str(unit))
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("unit_file", [UNIT, PAGE], ids=["gateway", "page"])
def test_it_comes_back_and_is_watched(unit_file: Path) -> None:
    told = directives(unit_file)
    assert told["Type"] == ["notify"]
    assert told["Restart"] == ["always"]
    assert told["StartLimitIntervalSec"] == ["0"]
    assert told["WatchdogSec"] == ["30"]


def test_its_folders_are_the_defaults_of_the_configuration() -> None:
    told = directives()
    config = Config(gateway=Gateway(name="x", ae_title=AETitle("X")))
    assert config.gateway.state_dir == Path("/var/lib") / told["StateDirectory"][0]
    assert config.operator.socket.parent == Path("/run") / told["RuntimeDirectory"][0]
    assert f"/etc/{told['ConfigurationDirectory'][0]}/gateway.toml" in told["ExecStart"][0]


def test_the_gateway_may_change_its_configuration_and_nothing_that_is_roots() -> None:
    assert directives()["ReadWritePaths"] == ["/etc/dicom-gateway"]
    rows = {line.split()[1]: line.split()[2:5] for line in TMPFILES.splitlines() if not line.startswith("#")}
    # Sticky and root's: who is in the group may add files, and change those of its own only.
    assert rows["/etc/dicom-gateway"] == ["1770", "root", "dicom-gateway"]
    assert rows["/etc/dicom-gateway/tls"] == ["0750", "root", "dicom-gateway"]
    for own in ("gateway.toml", "conf.d/*.toml"):
        assert rows[f"/etc/dicom-gateway/{own}"] == ["0640", "dicom-gateway", "dicom-gateway"]


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd-tmpfiles is not here")
def test_systemd_makes_the_folders_as_told(tmp_path: Path) -> None:
    ours = (str(os.getuid()), str(os.getgid()))  # the users of the product are not on this machine
    told = re.sub(r" (root|dicom-gateway) dicom-gateway -", f" {ours[0]} {ours[1]} -", TMPFILES)
    answer = subprocess.run(
        ["systemd-tmpfiles", "--create", f"--root={tmp_path}", "-"],
        input=told,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "etc").rglob("*")}
    assert modes == {"dicom-gateway": 0o1770, "conf.d": 0o750, "tls": 0o750}


def test_the_filter_lets_the_gateway_give_its_operator_socket_to_a_group() -> None:
    # @privileged, taken out of the filter, contains @chown; @resources contains setpriority.
    assert directives()["SystemCallFilter"] == [
        "@system-service",
        "~@privileged @resources",
        "@chown setpriority",
    ]


def test_the_page_cannot_starve_the_gateway() -> None:
    gateway, page = directives(), directives(PAGE)
    assert int(page["CPUWeight"][0]) <= 20  # the gateway's is systemd's own 100
    assert int(page["IOWeight"][0]) <= 20
    assert "CPUWeight" not in gateway
    assert page["MemoryMax"] == ["256M"]
    assert int(page["OOMScoreAdjust"][0]) > 0 > int(gateway["OOMScoreAdjust"][0])


def test_neither_takes_the_other_down() -> None:
    for told in (directives(), directives(PAGE)):
        assert not {"Requires", "BindsTo", "PartOf", "Requisite", "Upholds"} & set(told)


def test_the_page_has_a_user_of_its_own_and_sees_no_keys() -> None:
    page = directives(PAGE)
    users = (ROOT / "systemd/dicom-gateway.sysusers.conf").read_text()
    assert page["User"] == ["dicom-gateway-admin"]
    assert "u dicom-gateway-admin " in users
    assert page["SupplementaryGroups"] == ["dicom-gateway"]
    assert page["CapabilityBoundingSet"] == [""]
    hidden = page["InaccessiblePaths"][0].split()
    assert {"-/etc/dicom-gateway/tls", "-/var/lib/dicom-gateway"} <= set(hidden)


def test_the_page_may_write_to_the_drives_it_offers_and_to_nothing_else() -> None:
    page = directives(PAGE)
    (writable,) = page["ReadWritePaths"]
    assert page["ProtectSystem"] == ["strict"]
    # "-": a place that is not there yet is no reason not to start.
    assert writable.split() == [f"-{place.rstrip('/')}" for place in PLACES]
    # With a root of its own it would not see what is mounted after its start.
    assert not {"TemporaryFileSystem", "RootDirectory", "RootImage"} & set(page)
    assert not [place for place in page["InaccessiblePaths"][0].split() if "media" in place or "mnt" in place]


def test_the_folder_of_the_page_is_the_default_of_the_configuration() -> None:
    page = directives(PAGE)
    config = Config(gateway=Gateway(name="x", ae_title=AETitle("X")))
    assert config.admin.state_dir == Path("/var/lib") / page["StateDirectory"][0]
