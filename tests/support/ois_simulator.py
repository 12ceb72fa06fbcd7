"""The oncology information system of tests/support/ois (dcmjs-dimse on Node.js), as a program under control.

Its packages are installed by npm, exactly as locked and without running any of their scripts, on first use.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.npm_packages import install
from tests.support.ports import free_port
from tests.support.processes import Program, ProgramFailed

_HOME = Path(__file__).parent / "ois"


def missing() -> str | None:
    """Say in words why it cannot run here, having tried to install its packages; None: it can."""
    absent = [name for name in ("node", "npm") if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (sudo apt install nodejs npm)"
    return install(_HOME)


def required() -> None:
    """Skip the test, with the reason, where the simulator cannot run; fail where every peer must be there."""
    words = missing()
    if words is None:
        return
    if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
        pytest.fail(words, pytrace=False)
    pytest.skip(words)


class Ois:
    """One simulator on its own port. Call `required()` first."""

    def __init__(self, *, port: int | None = None, ae_title: str = "OIS") -> None:
        self.port = port or free_port()
        self.ae_title = ae_title  # what it is called by here; it answers to any title
        self.program: Program | None = None

    def start(self) -> Ois:
        """Start it and return once it listens."""
        node = shutil.which("node")
        assert node is not None, "call required() first"
        self.program = Program([node, "ois.js", str(self.port)], stdin=True, cwd=_HOME)
        self.program.wait_line('"ready"', timeout=30)
        self._after = 0
        return self

    def stop(self) -> None:
        """Kill it."""
        if self.program is not None:
            self.program.kill()
            self.program = None

    def reset(self) -> None:
        """Let it forget every instance and subscription; what it said before is not in `events` any more."""
        assert self.program is not None
        self._after = self.program.line_count()
        self.program.tell("reset")
        self.program.wait_line('"reset"', after=self._after)

    def answer_stores(self, status: int) -> None:
        """Answer each C-STORE with `status` from now on."""
        assert self.program is not None
        seen = self.program.line_count()
        self.program.tell(f"store {status}")
        self.program.wait_line('"store"', after=seen)

    _after = 0

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Everything of one kind that was said since the last reset."""
        assert self.program is not None
        lines = self.program.output.splitlines()[self._after :]
        said = (json.loads(line) for line in lines if line.startswith('{"event"'))
        return [event for event in said if event["event"] == kind]

    def wait(self, kind: str, condition: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Return the events of `kind` once `condition` holds for them; look again at each line said."""
        assert self.program is not None
        for _ in range(1000):
            seen = self.program.line_count()
            events = self.events(kind)
            if condition(events):
                return events
            self.program.wait_line("", after=seen)
        raise ProgramFailed(f"the simulator never said what was wanted of {kind!r}\n{self.program.output}")

    def __enter__(self) -> Ois:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
