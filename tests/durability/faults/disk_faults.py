"""One errand on a disk that goes wrong at one call (or from one call on), and what is left of it judged.

The calls of an errand on a well disk are counted first. Then any of them can be made to fail: by its number
among all calls that change something or make it durable, or among the calls of one kind. The filesystem is
that of tests/durability/fuse: after the errand the power can be cut, and what a failed sync left is gone.
"""

from __future__ import annotations

import contextlib
import errno
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.durability.campaign import Failure, Tally
from tests.durability.disk.crash import Policy
from tests.durability.faults.judge import judge
from tests.durability.faults.nursery import Nursery
from tests.durability.fuse.mount import Mounted
from tests.durability.fuse.rules import CHANGING, FAIL, FAIL_AFTER, SHORT

ERRORS = (errno.EIO, errno.ENOSPC)
ALL = "*"


@dataclass(frozen=True)
class Fault:
    """Which call goes wrong, and how. `times` None: that call and all that follow."""

    operation: str  # ALL: of those that change something
    nth: int
    error: int
    times: int | None = 1
    action: str = FAIL

    def __str__(self) -> str:
        """In words, as a failure names it."""
        how = "is short" if self.action == SHORT else errno.errorcode[self.error]
        after = ", though done" if self.action == FAIL_AFTER else ""
        more = " and all that follow" if self.times is None else ""
        name = "call" if self.operation == ALL else self.operation
        return f"{name} {self.nth}{more}: {how}{after}"


@dataclass
class FaultyDisk:
    """A mounted filesystem, a nursery of errands, and how many calls of each kind an errand makes."""

    mounted: Mounted
    nursery: Nursery
    ledgers: Path
    calls: Counter[str] = field(default_factory=Counter)
    _runs: int = 0

    @classmethod
    @contextmanager
    def ready(cls, folder: Path, seed: int) -> Iterator[Self]:
        """Mount it, and run one errand without a fault to count its calls."""
        with Mounted(folder, seed=seed) as mounted, Nursery() as nursery:
            disk = cls(mounted, nursery, folder)
            disk.run(None, cut=None, tally=Tally())
            yield disk

    def run(self, fault: Fault | None, *, cut: Policy | None, tally: Tally) -> None:
        """Run one errand with `fault`, judge it, clear up. `cut`: after it the power is cut.

        Raises Failure with what is left of it.
        """
        if fault is not None and fault.action == FAIL_AFTER and cut is None:
            cut = Policy.ORDERED  # what the kernel remembers of a call that failed is not what the disk has
        self._runs += 1
        directory = self.mounted.path / f"spool-{self._runs}"
        ledger = self.ledgers / f"ledger-{self._runs}"
        if fault is not None:
            self.mounted.fail(
                fault.operation,
                path=f"/{directory.name}*",
                error=fault.error,
                nth=fault.nth,
                times=fault.times,
                action=fault.action,
            )
        before = Counter(self.mounted.stats().calls)
        self.nursery.begin(directory, ledger)
        code = self.nursery.ended()
        if fault is None:
            self.calls = Counter(self.mounted.stats().calls) - before
            self.calls[ALL] = sum(self.calls[name] for name in CHANGING)
        struck = sum(self.mounted.struck().values())
        if cut is None:
            self.mounted.mend()
        else:
            self.mounted.cut(policy=cut)
            self.mounted.power_on()
        strict = fault is not None and fault.times == 1
        report = judge(directory, ledger, code, struck=struck > 0, strict=strict)
        tally += report.tally
        tally.add("faults injected", int(struck > 0))
        tally.add("calls that failed", struck)
        if cut is not None:
            tally.add("power cuts after them")
        if report.wrong:
            evidence = Path(tempfile.mkdtemp(prefix="faults-"))
            with contextlib.suppress(OSError):  # what can be had
                shutil.copytree(directory, evidence / "spool", dirs_exist_ok=True)
            shutil.copy(ledger, evidence / "ledger")
            raise Failure(
                "; ".join(report.wrong)[:6000],
                history=f"errand, {'cut' if cut else 'no cut'} after",
                step=str(fault),
                evidence=str(evidence),
            )
        shutil.rmtree(directory)
        ledger.unlink()

    def every_fault(self) -> list[Fault]:
        """Every call with every error, each write short, and each moment from which the disk may be dead."""
        faults = [
            Fault(ALL, nth, error, action=action)
            for nth in range(1, self.calls[ALL] + 1)
            for error in ERRORS
            for action in (FAIL, FAIL_AFTER)
        ]
        faults += [Fault("write", nth, errno.EIO, action=SHORT) for nth in range(1, self.calls["write"] + 1)]
        faults += [
            Fault(operation, nth, error)
            for operation in ("open", "read", "readdir", "statfs")
            for nth in range(1, self.calls[operation] + 1)
            for error in ERRORS
        ]
        faults += [
            Fault(ALL, nth, error, times=None)
            for nth in range(1, self.calls[ALL] + 1)
            for error in (errno.EIO, errno.ENOSPC, errno.EROFS)
        ]
        return faults


def sample(faults: list[Fault], count: int, seed: int) -> list[Fault]:
    """Choose `count` of them, evenly over the list and different for every seed."""
    dice = random.Random(seed)
    if count >= len(faults):
        return faults
    width = len(faults) / count
    return [faults[min(len(faults) - 1, int((place + dice.random()) * width))] for place in range(count)]
