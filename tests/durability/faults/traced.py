"""One errand on a real filesystem, with a system call that the kernel answers with an error (strace).

The calls of the threads that work for a spool are counted first: those that name something of the spool, by
path or by descriptor. Then the N-th call of a kind gets an error instead of being carried out. strace counts
for each thread, so that every thread that makes N such calls meets the fault.

`close` is not among them: Linux lets go of the descriptor whatever the answer is, and strace would keep it.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.spool.recovery import JOURNAL, OBJECTS
from tests.durability.campaign import Failure, Tally
from tests.durability.faults.judge import judge
from tests.durability.faults.nursery import Nursery
from tests.support import machine

KINDS = (
    "fchown",
    "fcntl",
    "fdatasync",
    "flock",
    "fsync",
    "ftruncate",
    "getdents64",
    "mkdir",
    "mmap",
    "newfstatat",
    "openat",
    "pread64",
    "pwrite64",
    "statfs",
    "sync_file_range",
    "unlink",
    "write",
)
"""What an errand asks of the kernel for its spool."""
ERRORS = (errno.EIO, errno.ENOSPC)
_FILES = 60
_CALL = re.compile(r"(\d+) +(\w+)\(")
_PATIENCE = 20.0


@dataclass(frozen=True)
class TracedFault:
    """The `nth` call of a kind, of every thread that makes so many."""

    kind: str
    nth: int
    error: int

    def __str__(self) -> str:
        """In words, as a failure names it."""
        return f"{self.kind} {self.nth}: {errno.errorcode[self.error]}"


@dataclass
class Traced:
    """Errands in a folder, one after the other. `calls`: how many of each kind one thread makes at most."""

    nursery: Nursery
    folder: Path
    calls: Counter[str] = field(default_factory=Counter)

    def count(self) -> None:
        """Run an errand without a fault, and count."""
        log = self.folder / "strace.log"
        self._run(["-o", str(log)])
        per_thread = Counter(
            match.groups() for match in map(_CALL.match, log.read_text().splitlines()) if match
        )
        for (_, kind), count in per_thread.items():
            self.calls[kind] = max(self.calls[kind], count)
        self._judge("no fault", 0, struck=False, tally=Tally())

    def every_fault(self) -> list[TracedFault]:
        """Every call with every error."""
        return [
            TracedFault(kind, nth, error)
            for kind in KINDS
            for nth in range(1, self.calls[kind] + 1)
            for error in ERRORS
        ]

    def run(self, fault: TracedFault, tally: Tally) -> None:
        """Run an errand with `fault` and judge it. Raises Failure with what is left of it."""
        log = self.folder / "strace.log"
        inject = f"{fault.kind}:error={errno.errorcode[fault.error]}:when={fault.nth}"
        code = self._run(["-o", str(log), "-e", f"trace={fault.kind}", "-e", f"inject={inject}"])
        struck = log.read_text().count("(INJECTED)")
        tally.add("system calls that failed", struck)
        self._judge(str(fault), code, struck=struck > 0, tally=tally)

    def _run(self, options: list[str]) -> int:
        directory = self.folder / "spool"
        pid = self.nursery.begin(directory, self.folder / "ledger", stopped=True)
        _wait(lambda: _state(pid) in "Tt")
        paths = [directory.parent, directory, *(directory / name for name in _names())]
        with subprocess.Popen(
            [
                machine.program("strace"),
                *("-f", "-qq", "-p", str(pid)),
                *options,
                *(part for path in paths for part in ("-P", str(path))),
            ],
            stderr=subprocess.PIPE,
        ) as strace:
            try:
                _wait(lambda: strace.poll() is not None or _tracer(pid) != 0)
                assert strace.poll() is None, f"strace ended: {strace.communicate()[1]!r}"
            finally:
                os.kill(pid, signal.SIGCONT)
            code = self.nursery.ended()
            strace.communicate(timeout=_PATIENCE)
        return code

    def _judge(self, step: str, code: int, *, struck: bool, tally: Tally) -> None:
        directory, ledger = self.folder / "spool", self.folder / "ledger"
        report = judge(directory, ledger, code, struck=struck)
        tally += report.tally
        if report.wrong:
            raise Failure("; ".join(report.wrong)[:6000], history="errand, traced", step=step)
        subprocess.run(["rm", "-r", str(directory), str(ledger)], check=True)


def _names() -> list[str]:
    files = [f"{OBJECTS}/000000/{number:09d}.dcm" for number in range(_FILES)]
    return ["lock", JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm", OBJECTS, f"{OBJECTS}/000000", *files]


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def _tracer(pid: int) -> int:
    found = re.search(r"^TracerPid:\s*(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _wait(done: Callable[[], bool]) -> None:
    """The kernel tells nobody that a process has been stopped, or is traced: look until it is."""
    give_up = time.monotonic() + _PATIENCE
    while not done():
        assert time.monotonic() < give_up, "a process was not stopped, or strace did not come"
        time.sleep(0.002)
