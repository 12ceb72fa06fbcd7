"""The shipped unit: valid, well confined, and in step with the configuration's defaults."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.config import Config
from gateway.config.schema import Gateway
from gateway.model import AETitle

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "systemd/dicom-gateway.service"
# systemd-analyze's rating from 0 to 10, in tenths: it may get better, not worse.
_EXPOSURE = 20

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")


def directives() -> dict[str, list[str]]:
    """Return the values of every directive of the unit."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists on every machine."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/bin/dicom-gateway", "/bin/true"))
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


def test_it_comes_back_and_is_watched() -> None:
    told = directives()
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


def test_the_filter_lets_the_gateway_give_its_operator_socket_to_a_group() -> None:
    # @privileged, taken out of the filter, contains @chown.
    assert directives()["SystemCallFilter"] == ["@system-service", "~@privileged @resources", "@chown"]
