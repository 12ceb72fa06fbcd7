"""Servers of DCMTK that fork for each association: killing the parent alone leaves the children talking."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.support.processes import Program


def kill_with_children(program: Program) -> None:
    """End `program` and every child it has forked (SIGKILL, by process id)."""
    # Stopped first: what forks while we look would be missed.
    if program.running:
        program.signal(signal.SIGSTOP)
    children = _children(program.pid)
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    program.kill()


def _children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
