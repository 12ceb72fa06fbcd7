"""The console's whole conversation through the gateway, as the README has it typed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port

_REPOSITORY = Path(__file__).parents[2]
_PORTS = ("11112", "11113", "12104", "12042", "13042")


def _script() -> str:
    readme = (_REPOSITORY / "README.md").read_text()
    block = re.search(
        r"<!-- conversation: begin -->\s*```sh\n(.*?)```\s*<!-- conversation: end -->", readme, re.S
    )
    assert block, "the README has no conversation"
    assert block[1].startswith("make venv && PATH=")
    # What `make venv` makes is here already; the ports may be taken on this machine.
    script = block[1].removeprefix("make venv && ")
    for port in _PORTS:
        assert port in script
        script = script.replace(port, str(free_port()))
    return script


def _run(script: str, place: Path) -> int | None:
    """Run the script to its end; return its exit code, None when it took too long. Nothing of it is left."""
    with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
        shell = subprocess.Popen(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=place,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "HOME": str(place)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            return shell.wait(110)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # A step that failed leaves the programs in the background behind.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()


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
    code = _run(_script(), tmp_path)
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
