"""After the damage: what a technician would do, and whether the gateway kept its word.

The spool is checked and opened; a journal that is damaged is rebuilt; the scrub reads everything; then all
that is offered for delivery is taken and compared with the outside account. Three things must hold, always:

- nothing ends in anything but words: no exception that is not one of ours;
- what is offered, and has the digest that its row says, is what was received: not a bit differs;
- every acknowledged object is offered, delivered, held by name, or it was said that something is lost.

And what is in a file that was not touched is found, whatever happened to the journal.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import SpoolFailure
from gateway.model import DeliveryState
from gateway.spool import Spool
from gateway.spool.offline_check import verify
from gateway.spool.salvage.rebuild import rebuild
from gateway.spool.scrub import Scrub
from gateway.spool.scrub_values import ScrubPolicy
from tests.durability.campaign import ACKNOWLEDGED, LOST, Failure, Tally
from tests.durability.damage.filled import Account
from tests.support.spooling import Heard

_ON_THE_WAY = (DeliveryState.QUEUED, DeliveryState.SENDING)


@dataclass
class Seen:
    """What came of it."""

    said: bool = False  # somebody was told that something is wrong or lost
    whole: set[str] = field(default_factory=set)  # offered, with every bit
    known: set[str] = field(default_factory=set)  # in the queue by name, in whatever state
    named: set[str] = field(default_factory=set)  # in a report
    rebuilt: bool = False


def judge(folder: Path, account: Account, *, spares_files: bool, history: str, seed: int) -> Tally:
    """Do what a technician would do with the damaged spool in `folder`. Raises Failure."""
    seen = Seen()
    try:
        asyncio.run(_work(folder, account, seen))
    except SpoolFailure as error:
        raise Failure(f"no way back into the spool: {error}", seed=seed, history=history) from error
    found = seen.whole | seen.known | seen.named
    silent = sorted(set(account.digests) - found) if not seen.said else []
    if silent:
        raise Failure(f"{len(silent)} objects are gone, and nobody was told", seed=seed, history=history)
    if spares_files:
        missed = account.in_files - seen.known
        if missed:
            raise Failure(f"{len(missed)} whole object files were not found", seed=seed, history=history)
    counts = {
        "spools damaged": 1,
        "journals rebuilt": int(seen.rebuilt),
        "objects offered whole": len(seen.whole),
        "objects reported": len(set(account.digests) - seen.whole - account.accepted),
        ACKNOWLEDGED: len(account.digests),
        LOST: len(silent),
    }
    return Tally.of(counts)


async def _work(folder: Path, account: Account, seen: Seen) -> None:
    heard = Heard()
    spool = await asyncio.to_thread(_open, folder, heard, seen)
    try:
        await _scrub(spool, folder, heard)
        seen.said = seen.said or bool(heard.alarms())
        await _take_all(spool, account, seen)
    finally:
        await spool.close()


def _open(folder: Path, heard: Heard, seen: Seen) -> Spool:
    report = verify(folder)
    seen.said = not report.sound
    seen.named |= {one.sop_instance_uid for one in report.found}
    try:
        spool = Spool.open(folder, notices=heard.notices)
    except SpoolFailure:
        seen.said = True
        _rebuild(folder, seen)
        return Spool.open(folder, notices=heard.notices)
    if report.journal_faults:
        asyncio.run(spool.close())
        _rebuild(folder, seen)
        return Spool.open(folder, notices=heard.notices)
    return spool


def _rebuild(folder: Path, seen: Seen) -> None:
    report = rebuild(folder, ["oncology"])
    seen.rebuilt = not report.whole
    seen.named |= {one.sop_instance_uid for one in report.named}


async def _scrub(spool: Spool, folder: Path, heard: Heard) -> None:
    async def no_pause(_: float) -> None:
        await asyncio.sleep(0)

    scrub = Scrub(spool, folder, heard.notices, ScrubPolicy(start_after=0.0), sleep=no_pause)
    task = asyncio.create_task(scrub.run())
    try:
        async with asyncio.timeout(60):
            while scrub.status().last is None:  # noqa: ASYNC110 - it tells when asked
                await asyncio.sleep(0.002)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _take_all(spool: Spool, account: Account, seen: Seen) -> None:
    after: int | None = None
    while rows := await spool.list_deliveries(after=after):
        seen.known |= {row.object.instance.sop_instance_uid for row in rows}
        after = rows[-1].delivery.number
    summary = await spool.summary()
    for destination in {cell.destination for cell in summary.cells}:
        while jobs := await spool.claim(destination, 50):
            for job in jobs:
                uid = job.object.instance.sop_instance_uid
                data = job.data if job.data is not None else _read(spool, job.object.number)
                digest = hashlib.sha256(data).digest()
                if digest != job.object.digest:
                    continue  # the courier finds the same, and holds it
                if account.digests.get(uid) != digest:
                    raise Failure(f"object {job.object.number} is offered with other bytes than received")
                seen.whole.add(uid)


def _read(spool: Spool, number: int) -> bytes:
    try:
        with spool.open_data(number) as reader:
            return reader.read(1 << 24)
    except SpoolFailure:
        return b""
