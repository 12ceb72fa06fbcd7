"""The set-up of a hub in the README, run as it is written there."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port

_REPOSITORY = Path(__file__).parents[2]
_PORTS = ("8443", "11104", "11112", "11113", "12104")


def _script() -> str:
    readme = (_REPOSITORY / "README.md").read_text()
    block = re.search(r"<!-- hub: begin -->\s*```sh\n(.*?)```\s*<!-- hub: end -->", readme, re.S)
    assert block, "the README sets up no hub"
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
def test_a_hub_is_set_up_as_typed(tmp_path: Path) -> None:
    environment = Path(sys.prefix)
    if not (environment / "bin" / "dicom-gateway").exists():
        pytest.skip(f"dicom-gateway is not installed in {environment}: run the tests with `make test`")
    (tmp_path / ".venv").symlink_to(environment)
    code = _run(_script(), tmp_path)
    place = tmp_path / "hub-try"
    texts = [tmp_path / "out", tmp_path / "err", place / "hub.log", place / "site.log"]
    said = "\n".join(f"--- {path.name}\n{path.read_text()}" for path in texts if path.exists())
    assert code == 0, said
    sent = [path for path in (place / "patients").rglob("*") if path.is_file()]
    assert len(list((place / "received").iterdir())) == len(sent) > 0, said
    plans = [path for path in sent if path.name.startswith("plan-")]
    assert len(list((place / "console").iterdir())) == len(plans) > 0, said
