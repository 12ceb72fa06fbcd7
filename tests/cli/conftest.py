"""A command line in this process, and a daemon with a fake Control for it to talk to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import cli
from tests.support.fake_control import FakeControl
from tests.support.operator_daemon import serving

Run = Callable[..., Result]


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def run(control: FakeControl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `dicom-gateway ...` against a daemon that answers from `control`; return click's result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DICOM_GATEWAY_CONFIG", raising=False)
    with serving(control, tmp_path / "op.sock") as daemon:
        monkeypatch.setenv("DICOM_GATEWAY_SOCKET", str(daemon.path))

        def invoke(*arguments: str, **options: Any) -> Result:
            result = CliRunner().invoke(cli, list(arguments), prog_name="dicom-gateway", **options)
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            return result

        yield invoke


@pytest.fixture
def facts_of(run: Run) -> Callable[..., Any]:
    """Run a command with --json that must succeed; return what it printed."""

    def ask(*arguments: str) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return ask
