"""kill -9 at any moment: what was acknowledged is there, whole; what is there is whole."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.model import DeliveryState
from gateway.spool import Spool
from tests.durability.campaign import ACKNOWLEDGED, LOST, Tallies, Tally
from tests.support.spooling import Heard, an_instance

KILLS = 10


def run_and_kill(directory: Path, first: int, seconds: float) -> dict[int, str]:
    """Let a process store objects for about `seconds`, kill it, return what it had acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.spool_writer", str(directory), str(first)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    acknowledged: dict[int, str] = {}
    timer: threading.Timer | None = None
    # Its last line may be cut short by the kill: it is no acknowledgement then.
    for line in process.stdout:
        if timer is None:  # it is at work: the time runs from here
            timer = threading.Timer(seconds, process.kill)
            timer.start()
        if line.endswith("\n"):
            number, digest = line.split()
            acknowledged[int(number)] = digest
    process.stdout.close()
    assert process.wait() == -9
    return acknowledged


@pytest.mark.slow
async def test_nothing_acknowledged_is_lost(directory: Path, heard: Heard, tallies: Tallies) -> None:
    dice = random.Random(time.time_ns())
    ledger: dict[int, str] = {}
    for kill in range(KILLS):
        ledger.update(run_and_kill(directory, kill * 1_000_000, dice.uniform(0.0, 0.4)))
        spool = Spool.open(directory, notices=heard.notices)
        try:
            await check(spool, ledger)
        finally:
            await spool.close()
    assert len(ledger) > KILLS
    assert heard.alarms() == []
    tallies.add("kill -9 of a writer", Tally.of({"kills": KILLS, ACKNOWLEDGED: len(ledger), LOST: 0}))


async def check(spool: Spool, ledger: dict[int, str]) -> None:
    assert spool.recovery.missing == ()
    summary = await spool.summary()
    assert summary.count(DeliveryState.SENDING) == 0
    rows, after = [], 0
    while page := await spool.list_deliveries(after=after, limit=1000):
        rows += page
        after = page[-1].delivery.number
    here = {row.object.instance.sop_instance_uid: row.object for row in rows}
    assert len(here) == len(rows) == summary.objects
    for number, digest in ledger.items():
        assert here[an_instance(number).sop_instance_uid].digest.hex() == digest
    for stored in here.values():
        with spool.open_data(stored.number) as reader:
            digest = hashlib.sha256()
            while chunk := reader.read(1 << 20):
                digest.update(chunk)
        assert digest.digest() == stored.digest
