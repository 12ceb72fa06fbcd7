"""A disk that goes wrong at any call: answers are honest, nothing acknowledged is lost, and it goes on."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from tests.durability.campaign import ACKNOWLEDGED, Tallies, Tally
from tests.durability.disk.crash import Policy
from tests.durability.faults.disk_faults import ALL, Fault, FaultyDisk, sample
from tests.durability.fuse.rules import FAIL_AFTER, SHORT

pytestmark = pytest.mark.fuse

SAMPLE = 40
"""Faults of the short form; `make torture` goes through all of them."""
SEED = 20260305
CUTS = (None, Policy.WEAK)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyDisk]:
    with FaultyDisk.ready(tmp_path_factory.mktemp("faults"), SEED) as ready:
        yield ready


def test_an_errand_makes_every_kind_of_call(disk: FaultyDisk) -> None:
    """What is never called cannot fail: the numbers below would mean nothing."""
    for operation in (
        "create",
        "mkdir",
        "write",
        "truncate",
        "unlink",
        "fsync",
        "fsyncdir",
        "statfs",
        "read",
    ):
        assert disk.calls[operation] > 0, operation
    assert disk.calls[ALL] > 500
    kinds = {(one.operation, one.error, one.action, one.times) for one in disk.every_fault()}
    assert {
        (ALL, errno.EIO, FAIL_AFTER, 1),
        (ALL, errno.ENOSPC, "fail", 1),
        ("write", errno.EIO, SHORT, 1),
        (ALL, errno.EROFS, "fail", None),
        ("read", errno.EIO, "fail", 1),
    } <= kinds


def test_nothing_acknowledged_is_lost_whichever_call_fails(disk: FaultyDisk, tallies: Tallies) -> None:
    tally = Tally()
    for place, fault in enumerate(sample(disk.every_fault(), SAMPLE, SEED)):
        disk.run(fault, cut=CUTS[place % 2], tally=tally)
    tallies.add("faults", tally)
    assert tally.counts["faults injected"] >= SAMPLE // 2
    assert tally.counts[ACKNOWLEDGED] > SAMPLE
    assert tally.counts["answers refused"] > 0
    assert tally.counts["alarms raised"] > 0


@pytest.mark.parametrize("operation", ["fsync", "fsyncdir"])
def test_a_sync_that_fails_is_believed(disk: FaultyDisk, tallies: Tallies, operation: str) -> None:
    """What it was to make durable is gone at the next power cut: nothing acknowledged rests on it."""
    tally = Tally()
    calls = disk.calls[operation]
    for nth in range(1, calls + 1, max(1, calls // 12)):
        disk.run(Fault(operation, nth, errno.EIO), cut=Policy.WEAK, tally=tally)
    tallies.add("faults", tally)
    assert tally.counts["faults injected"] >= min(calls, 10)


def test_every_write_is_short(disk: FaultyDisk, tallies: Tallies) -> None:
    tally = Tally()
    disk.run(Fault("write", 1, errno.EIO, times=None, action=SHORT), cut=Policy.WEAK, tally=tally)
    tallies.add("faults", tally)
    assert tally.counts["calls that failed"] > 500
    assert tally.counts["answers refused"] == 0
    assert tally.counts["alarms raised"] == 0
