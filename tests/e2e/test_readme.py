"""The five-minute set-up of the README, run as it is written there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port

_REPOSITORY = Path(__file__).parents[2]


@pytest.mark.peers
@pytest.mark.slow
def test_the_five_minute_set_up_works_as_typed(tmp_path: Path) -> None:
    readme = (_REPOSITORY / "README.md").read_text()
    block = re.search(
        r"<!-- five-minute: begin -->\s*```sh\n(.*?)```\s*<!-- five-minute: end -->", readme, re.S
    )
    assert block, "the README has no five-minute block"
    assert block[1].startswith("make venv && PATH=")
    environment = Path(sys.prefix)
    if not (environment / "bin" / "dicom-gateway").exists():
        pytest.skip(f"dicom-gateway is not installed in {environment}: run the tests with `make test`")
    # What `make venv` makes is here already; the ports may be taken on this machine.
    (tmp_path / ".venv").symlink_to(environment)
    console, centre = free_port(), free_port()
    script = block[1].removeprefix("make venv && ")
    script = script.replace("11112", str(console)).replace("12762", str(centre))
    assert str(console) in script
    assert str(centre) in script
    ended = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    log = tmp_path / "try" / "gateway.log"
    said = f"{ended.stdout}\n{ended.stderr}\n{log.read_text() if log.exists() else ''}"
    assert ended.returncode == 0, said
    received = list((tmp_path / "try" / "received").iterdir())
    sent = [path for path in (tmp_path / "try" / "patients").rglob("*") if path.is_file()]
    assert len(received) == len(sent) > 0, said


def test_every_file_that_the_readme_names_is_there() -> None:
    readme = (_REPOSITORY / "README.md").read_text()
    named = re.findall(r"\]\(([^)#:]+)\)", readme)
    assert named
    assert [name for name in named if not (_REPOSITORY / name).exists()] == []
