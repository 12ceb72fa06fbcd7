"""A mounted filesystem that forgets, as tests use it.

    with Mounted(tmp_path, seed=7) as disk:
        daemon = start(disk.path / "state")
        ...
        disk.cut(daemon.pid)        # killed and cut in one moment; what was not synced is mostly gone
        disk.power_on()
        ...
        disk.fail("fsync", path="*.dcm", error=errno.EIO)   # the next one, once

While it is frozen (`freeze`, or a rule with FREEZE), whoever touches its path hangs until the cut: do not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any, Self

from tests.durability.disk import ops
from tests.durability.disk.crash import Policy
from tests.durability.disk.disk import Disk
from tests.durability.fuse.mounts import is_mounted, unmount
from tests.durability.fuse.rules import FAIL, FREEZE, FREEZE_AFTER, SHORT
from tests.durability.fuse.steering import Cut, Stats
from tests.support.processes import Program

GIB = 1 << 30
_REPOSITORY = Path(__file__).parents[3]


class Control:
    """A connection to the filesystem's process. Any process may have one; not for two threads at a time."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._connection: Connection = Client(address, "AF_UNIX")

    def ask(self, request: str, *arguments: object) -> Any:
        """One request (steering.py), answered; what goes wrong there is raised here."""
        self._connection.send((request, arguments))
        good, answer = self._connection.recv()
        if not good:
            raise answer
        return answer

    def mark(self, text: str) -> None:
        """Note what the program says to the world now, between the operations that are recorded."""
        self.ask("mark", text)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Mounted:
    """One such filesystem in a process of its own, mounted at `path` (made in `folder`)."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 0,
        capacity: int = 32 * GIB,
        inodes: int = 1_000_000,
        cached: bool = True,
    ) -> None:
        """Nothing happens before `start`. Without `cached` every lookup comes through (faults of getattr)."""
        self.path = folder / "disk"
        self.path.mkdir(parents=True, exist_ok=True)
        # In a place with a short name: a socket's address has room for 107 bytes.
        self._place = Path(tempfile.mkdtemp(prefix="forgetting-"))
        self.address = str(self._place / "control")
        self._command = [
            sys.executable,
            "-m",
            "tests.durability.fuse.server",
            str(self.path),
            self.address,
            *("--parent", str(os.getpid())),
            *("--seed", str(seed)),
            *("--capacity", str(capacity)),
            *("--inodes", str(inodes)),
            *(() if cached else ("--uncached",)),
        ]
        self._program: Program | None = None
        self._control: Control | None = None

    @property
    def pid(self) -> int:
        """Process id of the filesystem."""
        assert self._program is not None
        return self._program.pid

    def start(self) -> Mounted:
        """Start the process, and mount."""
        self._program = Program(self._command, cwd=_REPOSITORY)
        try:
            self._program.wait_line("^ready$")
            self._control = Control(self.address)
            mounted = self._ask("wait_mounted", 20.0)
            assert mounted, f"the filesystem was not mounted\n{self._program.output}"
        except BaseException:
            self.stop()
            raise
        return self

    def _ask(self, request: str, *arguments: object) -> Any:
        assert self._control is not None
        return self._control.ask(request, *arguments)

    def stop(self) -> None:
        """Unmount and end the process, whatever state it is in."""
        program, self._program = self._program, None
        if self._control is not None:
            with contextlib.suppress(OSError, EOFError):
                self._control.ask("end")
            self._control.close()
            self._control = None
        if program is not None:
            with contextlib.suppress(AssertionError):
                program.wait(10)
            program.kill()
        if is_mounted(self.path):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                unmount(self.path)
        shutil.rmtree(self._place, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # power

    def freeze(self) -> None:
        """Answer nobody from now on: the moment of the cut. `cut` is to follow soon."""
        self._ask("freeze")

    def freeze_at(self, operation: str = "*", *, nth: int = 1, path: str = "*", after: bool = False) -> int:
        """Freeze at that call (`*`: any that changes or syncs something), before or after it is done."""
        more = {"nth": nth, "path": path, "action": FREEZE_AFTER if after else FREEZE}
        number: int = self._ask("fail", operation, more)
        return number

    def wait_frozen(self, timeout: float) -> bool:
        """Whether it froze, now or in `timeout` seconds."""
        frozen: bool = self._ask("wait_frozen", timeout)
        return frozen

    def cut(self, *pids: int, policy: Policy | None = Policy.WEAK) -> Cut:
        """Cut the power: those processes die without a word, and with them what was not durable.

        What of it survives nevertheless is drawn by chance, within `policy` (None: nothing of it). The
        processes see nothing between the moment of the cut and their death. Whoever started them reaps them.
        """
        self._ask("freeze")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        done: Cut = self._ask("cut", policy.value if policy else None)
        return done

    def power_on(self) -> None:
        """Mount again what the cut has left; rules of before are gone."""
        self._ask("power_on")

    # what goes wrong

    def fail(
        self,
        operation: str,
        *,
        path: str = "*",
        error: int = errno.EIO,
        nth: int = 1,
        times: int | None = 1,
        probability: float | None = None,
        action: str = FAIL,
    ) -> int:
        """Let calls go wrong (rules.py): by default the next such call, once. Return the rule's number."""
        more = {
            "path": path,
            "error": error,
            "nth": nth,
            "times": times,
            "probability": probability,
            "action": action,
        }
        number: int = self._ask("fail", operation, more)
        return number

    def short_writes(self, *, path: str = "*", nth: int = 1, times: int | None = None) -> int:
        """Let writes take half of what they are given."""
        return self.fail("write", path=path, nth=nth, times=times, action=SHORT)

    def mend(self) -> None:
        """No more faults, and no longer read-only."""
        self._ask("mend")

    def struck(self) -> dict[int, int]:
        """Rule number -> how often it struck."""
        counts: dict[int, int] = self._ask("struck")
        return counts

    def read_only(self) -> None:
        """As a filesystem that remounts itself after an error: nothing can be changed any more."""
        self._ask("read_only")

    def space(self, *, free: int | None = None, inodes: int | None = None) -> None:
        """Let so many bytes, so many inodes be free from now on."""
        self._ask("space", free, inodes)

    def flip(self, path: str, offset: int, bit: int = 0) -> None:
        """Turn over one bit of a file (path inside the filesystem): seen by whoever opens the file next."""
        self._ask("flip", path, offset, bit)

    # what is known

    def record(self) -> None:
        """Write down every operation from now on."""
        self._ask("record")

    def recorded(self) -> tuple[Disk, list[ops.Op]]:
        """Return the disk when recording began, and the operations since."""
        begun: tuple[Disk, list[ops.Op]] = self._ask("recorded")
        return begun

    def mark(self, text: str) -> None:
        """Note what was said to the world, between the operations. A process of its own: Control(address)."""
        self._ask("mark", text)

    def disk(self) -> Disk:
        """A copy of the disk, with everything that is pending."""
        disk: Disk = self._ask("disk")
        return disk

    def stats(self) -> Stats:
        """Calls so far, what is pending, memory."""
        stats: Stats = self._ask("stats")
        return stats
