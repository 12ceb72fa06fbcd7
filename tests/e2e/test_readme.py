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
    lines = block[1].splitlines()
    # The first line installs; here that is done. The ports may be taken on this machine.
    assert lines[0].startswith("make venv && ")
    console, centre = free_port(), free_port()
    script = "\n".join(lines[1:]).replace("11112", str(console)).replace("12762", str(centre))
    assert str(console) in script
    assert str(centre) in script
    ended = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            # As after `make venv && PATH=...`; pynetdicom puts a storescu of its own there.
            "PATH": f"{_only_ours(tmp_path)}:/usr/bin:/bin:/usr/sbin",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(_REPOSITORY),
        },
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


def _only_ours(tmp_path: Path) -> Path:
    """A bin directory with the commands that the README takes from the virtual environment."""
    directory = tmp_path / "bin"
    directory.mkdir()
    here = Path(sys.executable).parent
    for name in ("python", "dicom-gateway"):
        (directory / name).write_text(f'#!/bin/sh\nexec "{here / "python"}" "$@"\n')
    (directory / "dicom-gateway").write_text(f'#!/bin/sh\nexec "{here / "python"}" -m gateway.cli "$@"\n')
    for script in directory.iterdir():
        script.chmod(0o755)
    return directory
