from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import cli

GOOD = """
[gateway]
name = "trial"
ae_title = "CLINIC07"
state_dir = "state"
[[peer]]
name = "centre"
ae_title = "ARIA"
host = "127.0.0.1"
port = 11113
[[listener]]
name = "console"
address = "127.0.0.1"
port = 11112
[[route]]
called = "ARIA"
to = ["centre"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def check(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli, ["check-config", "--config", str(path), *arguments], prog_name="dicom-gateway"
    )


def test_a_good_one_is_summarised(path: Path) -> None:
    path.write_text(GOOD)
    result = check(path)
    assert result.exit_code == 0, result.output
    assert "valid (1 listener, 1 peer, 1 route)." in result.stdout
    assert json.loads(check(path, "--json").stdout)["valid"] is True


def test_every_problem_is_in_the_table(path: Path) -> None:
    path.write_text(GOOD.replace("11112", "70000").replace('"ARIA"\nhost', '"' + "X" * 17 + '"\nhost'))
    result = check(path)
    assert result.exit_code == 3
    assert "2 errors; the gateway would not start." in result.stdout
    assert "what is allowed" in result.stdout
    assert "gateway.toml:" in result.stdout
    assert "70000" in result.stdout
    problems = json.loads(check(path, "--json").stdout)
    assert problems["valid"] is False
    assert len(problems["problems"]) == 2
    assert set(problems["problems"][0]) == {"severity", "file", "line", "key", "value", "message", "allowed"}


def test_a_file_that_is_not_there(path: Path) -> None:
    assert check(path).exit_code == 3


def test_other_commands_name_the_problems_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DICOM_GATEWAY_SOCKET", raising=False)
    path.write_text("[gateway]\nnam = 1\n")
    result = CliRunner().invoke(cli, ["status", "--config", str(path)])
    assert result.exit_code == 3
    assert "check-config" in result.stderr
