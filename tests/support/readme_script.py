"""A block of the README's commands, run as it is written there; only the ports are others."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.ports import free_port

_README = Path(__file__).parents[2] / "README.md"


def script_of(name: str, ports: Sequence[str]) -> str:
    """Return the block that is marked `name`, with free ports in place of `ports`."""
    block = re.search(
        rf"<!-- {name}: begin -->\s*```sh\n(.*?)```\s*<!-- {name}: end -->", _README.read_text(), re.S
    )
    assert block, f"the README has no {name}"
    assert block[1].startswith("make venv && PATH=")
    script = block[1].removeprefix("make venv && ")  # what that makes is here already
    for port in ports:
        assert port in script
        script = script.replace(port, str(free_port()))
    return script


def run_script(script: str, place: Path) -> int | None:
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
