"""The console's whole conversation through the gateway, as the README has it typed."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.readme_script import run_script, script_of

_PORTS = ("11112", "11113", "12104", "12042", "13042")


@pytest.mark.peers
@pytest.mark.slow
def test_the_conversation_works_as_typed(tmp_path: Path) -> None:
    environment = Path(sys.prefix)
    if not (environment / "bin" / "dicom-gateway").exists():
        pytest.skip(f"dicom-gateway is not installed in {environment}: run the tests with `make test`")
    if shutil.which("curl") is None:
        assert os.environ.get("GATEWAY_REQUIRE_PEERS") != "1", "curl is not installed"
        pytest.skip("curl is not installed (sudo apt install curl)")
    (tmp_path / ".venv").symlink_to(environment)
    code = run_script(script_of("conversation", _PORTS), tmp_path)
    out, err = ((tmp_path / name).read_text(errors="replace") for name in ("out", "err"))
    place = tmp_path / "conversation"
    logs = [path.read_text(errors="replace") for path in sorted(place.glob("*.log"))]
    said = "\n".join([out, err, *logs])
    assert code == 0, said
    assert "Received Echo Response (Success)" in err, said
    assert "TEST^Synthetic 01" in err, said  # the worklist's answer, and the archive's
    assert re.search(r"\(0008,0060\) CS \[RTPLAN\]", err), said
    assert len(list((place / "got").iterdir())) == 1, said
    assert '"CountInstances" : 1' in out, said  # the console's own archive has the plan as well
    assert '"Status" : "Success"' in out, said
    # It was the gateway that asked the centre, once the record was there.
    listed = out[out.index('"Status" : "Success"') :]
    assert "RT Beams Treatment Record" in listed, said
    assert "confirmed" in listed, said
