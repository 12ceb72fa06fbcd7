"""The set-up of a hub in the README, run as it is written there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.readme_script import run_script, script_of

_PORTS = ("8443", "11104", "11112", "11113", "12104")


@pytest.mark.peers
@pytest.mark.slow
def test_a_hub_is_set_up_as_typed(tmp_path: Path) -> None:
    environment = Path(sys.prefix)
    if not (environment / "bin" / "dicom-gateway").exists():
        pytest.skip(f"dicom-gateway is not installed in {environment}: run the tests with `make test`")
    (tmp_path / ".venv").symlink_to(environment)
    code = run_script(script_of("hub", _PORTS), tmp_path)
    place = tmp_path / "hub-try"
    texts = [tmp_path / "out", tmp_path / "err", place / "hub.log", place / "site.log"]
    said = "\n".join(f"--- {path.name}\n{path.read_text()}" for path in texts if path.exists())
    assert code == 0, said
    sent = [path for path in (place / "patients").rglob("*") if path.is_file()]
    assert len(list((place / "received").iterdir())) == len(sent) > 0, said
    plans = [path for path in sent if path.name.startswith("plan-")]
    assert len(list((place / "console").iterdir())) == len(plans) > 0, said
