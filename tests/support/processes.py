"""Other programs under a test's control: start, wait for what they say or do, stop by process id."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TCP_LISTEN = "0A"


class ProgramFailed(AssertionError):
    """A program ended, or stayed silent, where the test counted on it. Carries the last of its output."""


class Program:
    """One running program. Its output (both streams) is kept and can be waited for, line by line."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bool = False,
        log: Path | None = None,
    ) -> None:
        """Start `command`. With `log`, output goes to that file, at no cost to us; do not wait for lines."""
        self.command = [str(part) for part in command]
        self._log = log.open("wb") if log is not None else None
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=self._log or subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        self._lines: list[str] = []
        self._said = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, name=f"output of {self.command[0]}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True until the program has ended."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """Everything said so far."""
        if self._log is not None:
            return Path(self._log.name).read_text(errors="replace")
        with self._said:
            return "\n".join(self._lines)

    def _read(self) -> None:
        for raw in self._process.stdout or ():
            with self._said:
                self._lines.append(raw.decode("utf-8", "replace").rstrip("\r\n"))
                self._said.notify_all()
        with self._said:
            self._ended = True
            self._said.notify_all()

    def tell(self, line: str) -> None:
        """Write one line to the program's standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def wait_line(self, pattern: str, *, timeout: float = 20.0, after: int = 0) -> re.Match[str]:
        """Return the first match of `pattern` in a line numbered `after` or later; wait for it if need be."""
        wanted = re.compile(pattern)
        deadline = time.monotonic() + timeout
        position = after
        with self._said:
            while True:
                while position < len(self._lines):
                    found = wanted.search(self._lines[position])
                    position += 1
                    if found:
                        return found
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    what = "ended" if self._ended else f"said nothing of it in {timeout:g} s"
                    raise ProgramFailed(f"{self.command[0]} {what}; wanted {pattern!r}\n{self._tail()}")
                self._said.wait(left)

    def line_count(self) -> int:
        """How many lines were said so far; pass it as `after` to wait for news only."""
        with self._said:
            return len(self._lines)

    def _tail(self) -> str:
        return "\n".join(self._lines[-40:])

    def wait_listening(self, port: int, *, timeout: float = 20.0) -> None:
        """Return once the program listens on `port`. Looks at the kernel's table: no connection is made."""
        deadline = time.monotonic() + timeout
        while not listening(port):
            if not self.running:
                self._reader.join(5)
                raise ProgramFailed(f"{self.command[0]} ended with {self._process.poll()}\n{self.output}")
            if time.monotonic() > deadline:
                raise ProgramFailed(f"{self.command[0]} does not listen on {port}\n{self.output}")
            # The kernel offers no event for another process's listen(2).
            threading.Event().wait(0.01)

    def wait(self, timeout: float = 20.0) -> int:
        """Wait for the end and return the exit code (negative: the signal that ended it)."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{self.command[0]} did not end in {timeout:g} s\n{self.output}") from None
        self._reader.join(5)
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would, and wait until the kernel has buried it."""
        if self.running:
            self._process.kill()
        self._process.wait()
        self._close()

    def stop(self, timeout: float = 20.0) -> int:
        """End it with SIGTERM; if that does not help in time, with SIGKILL. Return the exit code."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._close()
        return self._process.returncode

    def _close(self) -> None:
        self._reader.join(5)
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(5)


def listening(port: int) -> bool:
    """Say whether any process listens on TCP `port`, in the network namespace where this thread is."""
    suffix = f":{port:04X}"
    for table in ("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"):
        path = Path(table)
        if not path.exists():
            continue
        for row in path.read_text().splitlines()[1:]:
            fields = row.split()
            if fields[1].endswith(suffix) and fields[3] == _TCP_LISTEN:
                return True
    return False


def resident_kib(pid: int) -> int:
    """Resident set size of a process, in KiB."""
    return _status_kib(pid, "VmRSS")


def peak_resident_kib(pid: int) -> int:
    """Largest resident set size so far, in KiB (see reset_peak)."""
    return _status_kib(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Start counting the largest resident set size anew (Linux: 5 into clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status_kib(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise ProgramFailed(f"process {pid} shows no {key}")


def descriptors(pid: int) -> int:
    """How many file descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used, user and system, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
