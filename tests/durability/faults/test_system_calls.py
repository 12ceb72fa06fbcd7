"""A system call of the spool that the kernel refuses, on a real filesystem."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.campaign import ACKNOWLEDGED, Tallies, Tally
from tests.durability.faults.nursery import Nursery
from tests.durability.faults.traced import ERRORS, KINDS, Traced, TracedFault

pytestmark = pytest.mark.trace

OPENING = ("fchown", "flock", "mkdir", "mmap", "openat", "getdents64", "ftruncate", "fsync")
"""Kinds that come seldom, or first of all when the spool is opened: of these the first call, too."""


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    with tempfile.TemporaryDirectory(prefix="traced-") as folder, Nursery() as nursery:
        ready = Traced(nursery, Path(folder))
        ready.count()
        yield ready


def test_every_kind_of_call_is_made(traced: Traced) -> None:
    """What is never called cannot fail: the numbers below would mean nothing."""
    assert set(KINDS) <= set(traced.calls)
    assert {kind for kind in traced.calls if kind not in KINDS} <= {"close", "fstat", "lseek", "rmdir"}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_acknowledged_is_lost_when_the_kernel_refuses(
    traced: Traced, tallies: Tallies, kind: str
) -> None:
    tally = Tally()
    calls = traced.calls[kind]
    numbers = {max(1, calls // 2)} | ({1} if kind in OPENING else set())
    for place, nth in enumerate(sorted(numbers)):
        traced.run(TracedFault(kind, nth, ERRORS[place % 2] if calls > 1 else errno.EIO), tally)
    tallies.add("faults", tally)
    assert tally.counts["system calls that failed"] > 0
    assert ACKNOWLEDGED in tally.counts
