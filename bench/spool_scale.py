"""The spool with a million queued rows against an empty one: put, claim and settle, and start-up.

`python -m bench.spool_scale --rows 1000000` runs it alone. The rows in the background are made by SQL from
one object that went the ordinary way: a million syncs would take longer than everything else here.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.model import AETitle, Instance, Origin, Priority, Receipt
from gateway.notices import Notices
from gateway.spool import Accepted, Spool

DESTINATION = "centre"
CONSOLES = 4  # associations that put at the same time; the journal commits them in groups
CLAIM = 16  # as the courier claims

_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.481.4"
_SYNTAX = "1.2.840.10008.1.2.1"
_ORIGIN = Origin("console", "192.0.2.20", AETitle("LINAC1"), AETitle("CENTRE"), "bench")


@dataclass(frozen=True, slots=True)
class Scale:
    """One round on one spool. Rates in objects per second, start-up in seconds."""

    rows: int  # in the background
    put_rate: float
    claim_rate: float  # claimed, and settled as accepted
    startup: float


async def _put(spool: Spool, count: int, data: bytes, priority: Priority) -> None:
    for _ in range(count):
        uid = f"2.25.{secrets.randbits(127)}"
        incoming = spool.receive(Instance(_SOP_CLASS, uid, _SYNTAX), _ORIGIN, priority, [DESTINATION])
        incoming.write(data)
        await incoming.commit()


async def _drain(spool: Spool, count: int) -> None:
    done = 0
    while done < count:
        jobs = await spool.claim(DESTINATION, CLAIM, max_priority=Priority.RECORD)
        await spool.settle(
            [
                Accepted(
                    job.delivery.number,
                    Receipt(DESTINATION, 0, "", _SYNTAX, job.object.digest, time.time()),
                )
                for job in jobs
            ]
        )
        done += len(jobs)


async def _timed(action: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await action()
    return time.perf_counter() - started


async def _round(directory: Path, rows: int, count: int) -> Scale:
    started = time.perf_counter()
    spool = Spool.open(directory, notices=Notices())
    startup = time.perf_counter() - started
    try:
        data = secrets.token_bytes(20_000)
        await _put(spool, 50, data, Priority.RECORD)  # warm caches: both spools get the same
        await _drain(spool, 50)
        consoles = [_put(spool, count // CONSOLES, data, Priority.RECORD) for _ in range(CONSOLES)]
        put = await _timed(lambda: asyncio.gather(*consoles))
        claim = await _timed(lambda: _drain(spool, count))
    finally:
        await spool.close()
    return Scale(rows, count / put, count / claim, startup)


async def _template(directory: Path) -> None:
    spool = Spool.open(directory, notices=Notices())
    await _put(spool, 1, secrets.token_bytes(300), Priority.IMAGE)
    await spool.close()


def _multiply(journal: Path, rows: int) -> None:
    """Queue `rows` copies of the object in the journal, each with a random UID of its own."""
    db = sqlite3.connect(journal, isolation_level=None)
    columns = {
        table: [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        for table in ("objects", "inline", "deliveries")
    }

    def copy(table: str, **exchanged: str) -> str:
        names = columns[table]
        values = ", ".join(exchanged.get(name, name) for name in names)
        # The names come from the journal itself and the constants below.
        return (
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table}, "  # noqa: S608
            f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT {rows - 1}) SELECT n "
            "FROM s) "
            f"WHERE {names[0]} = 1"
        )

    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    uid = "'2.25.' || abs(random()) || abs(random())"
    db.execute(copy("objects", number="1 + n", sop_instance_uid=uid))
    db.execute(copy("inline", object="1 + n"))
    db.execute(copy("deliveries", number="1 + n", object="1 + n"))
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def measure(work: Path, rows: int, *, rounds: int = 3, count: int = 2000) -> list[Scale]:
    """Measure an empty spool and one with `rows` queued rows, in turn."""
    large = work / "large"
    asyncio.run(_template(large))
    _multiply(large / "journal.db", rows)
    results = []
    for number in range(rounds):
        empty = work / f"empty{number}"
        results.append(asyncio.run(_round(empty, 0, count)))
        shutil.rmtree(empty)
        results.append(asyncio.run(_round(large, rows, count)))
    shutil.rmtree(large)
    return results


def medians(results: list[Scale], rows: int) -> Scale:
    """The median of each figure over the rounds with `rows` rows."""
    mine = [each for each in results if each.rows == rows]
    return Scale(
        rows,
        statistics.median(each.put_rate for each in mine),
        statistics.median(each.claim_rate for each in mine),
        statistics.median(each.startup for each in mine),
    )


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.spool_scale", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.directory) as work:
        results = measure(Path(work), options.rows)
    for each in results:
        print(
            f"{each.rows:>9} rows: put {each.put_rate:6.0f}/s, claim and settle {each.claim_rate:6.0f}/s, "
            f"start-up {each.startup:.3f} s"
        )


if __name__ == "__main__":
    _main()
