"""A process that has everything imported and forks an errand in a moment: hundreds of them are run.

    python -m tests.durability.faults.nursery

One line of JSON in: where the spool is, where the ledger goes, whether to stop before beginning. Two lines
out: the process id, and how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.durability.faults import errand

_REPOSITORY = Path(__file__).parents[3]


class Nursery:
    """The other end: starts errands one after the other."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.durability.faults.nursery"],
            cwd=_REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def begin(self, directory: Path, ledger: Path, *, stopped: bool = False) -> int:
        """Start an errand, return its process id. `stopped`: it waits for SIGCONT before it begins."""
        assert self._process is not None
        assert self._process.stdin is not None
        order = {"directory": str(directory), "ledger": str(ledger), "stopped": stopped}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def ended(self) -> int:
        """Wait for its end; return its exit code, or minus the signal that ended it."""
        return int(self._read())

    def _read(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that starts the errands has ended"
        return line


def _child(order: dict[str, object]) -> None:
    if order["stopped"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    signal.alarm(60)  # whoever hangs for so long ends with a signal, which is a defect
    os._exit(errand.run(Path(str(order["directory"])), Path(str(order["ledger"]))))


def main() -> None:
    """Serve until the other end hangs up."""
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(order)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
