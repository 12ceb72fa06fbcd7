"""No question to the journal, and no change, reads a table that grows with the spool from end to end.

A life of a spool is lived with an ear at its connections; then SQLite is asked how it does each statement.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gateway.model import DeliveryState, Priority
from gateway.spool import (
    Accepted,
    Confirmed,
    Hold,
    Page,
    PutBack,
    Search,
    Spool,
    SpoolLimits,
    Stage,
    StageReport,
    StepState,
    Transfer,
    Wanted,
)
from gateway.spool.files import Files
from tests.support.committing import NOT_HERE, Clock, a_request, a_step, accept, answer, ask, put, to_ask
from tests.support.spooling import (
    BEAMS_RECORD,
    SMALL,
    OpenSpool,
    a_receipt,
    an_instance,
    an_origin,
    content,
    store,
)

BOUNDED = {
    "commitments USING INDEX commitments_unfinished": "max_open_commitments",
    "commitments USING INDEX commitments_finished": "commitment_history_rows",
    "asks USING INDEX asks_open": "one for each batch under way",
    "commitment_items USING INDEX commitment_items_unresolved": "LIMIT 1: whether there is one",
    "steps USING INDEX steps_unfinished": "max_steps",
    "destinations": "a handful",
    "kinds": "MAX_KINDS",
    "kinds USING INDEX sqlite_autoindex_kinds_1": "MAX_KINDS",
    "seen": "a listing: LOOKED_AT, COUNTED",
    "counters": "a handful",
    "(subquery-1)": "what the lines beside it say",
}
"""What is read from end to end, and what bounds it."""

SORTED = {
    "FROM counters": "a handful",
    "FROM steps": "max_steps",
    "o.sop_instance_uid = ?": "what has one SOP Instance UID",
}
"""What is put in order after it was found, by a part of the statement."""


class ListeningFiles(Files):
    """The real filesystem; every connection to the journal tells what it is asked."""

    def __init__(self) -> None:
        self.statements: set[str] = set()

    def connect(self, path: Path) -> sqlite3.Connection:
        statements = self.statements

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Sequence[object] = (), /) -> sqlite3.Cursor:
                statements.add(sql)
                return super().execute(sql, parameters)  # type: ignore[arg-type]

        return sqlite3.connect(
            path, timeout=5.0, isolation_level=None, check_same_thread=False, factory=Connection
        )


async def live(spool: Spool, clock: Clock) -> None:
    """Do everything there is to do, once."""
    to = ("oncology", "archive")
    await put(spool, *range(1, 8), to=to)
    await store(spool, content(99, SMALL), 7)
    await spool.add_commitment(a_request(1, 2, 3, 9, to=to))
    await spool.add_commitment(a_request(1, 2, 3, 9, to=to))
    await spool.unsettled(calling_ae="LINAC1", destinations=to, most=Priority.BULK)
    job, other = await spool.claim("archive", 2)
    await spool.settle([PutBack(job.delivery.number, 5.0, "busy"), Hold(other.delivery.number, "no", "no")])
    await accept(spool, "oncology")
    await spool.settle([Confirmed(1, "verified")])
    for destination in to:
        await to_ask(spool, destination, everything=True)
        first = await ask(spool, 2, 3, 4, 9, destination=destination)
        await spool.add_commitment(a_request(2, uid=f"1.2.{len(destination)}"))
        await spool.ask_put_off(first, clock.now, "no answer")
        await to_ask(spool, destination, everything=True)
        second = await ask(spool, 2, 3, 4, 9, destination=destination)
        await answer(spool, second, 2, failed=[3, 4], resend=[NOT_HERE])
        await answer(spool, first, 9)
        await spool.overdue_asks(clock.now)
        await spool.next_commitment_due(clock.now)
    await spool.expire_commitments(clock.now + 1)
    for report in await spool.commitments_to_report(10):
        await spool.commitment_report_failed(report.number, 0.0, "no answer")
        await spool.commitment_reported(report.number)
    await spool.add_commitment(a_request(1, 2, 3, 9, to=to))
    await spool.give_up_commitment(1, "enough")
    await spool.list_commitments(10)
    await spool.commitment_counts()
    await spool.oldest_open_commitment()
    for number in (1, 1, 2, 3, 4):
        await spool.add_step(a_step("set", number))
    await spool.step_put_back(1, 0.0, "busy", uncertain=True)
    await spool.step_done(1, 0, "")
    await spool.step_held(2, "no")
    await spool.retry_step(2)
    await spool.discard_step(2, "no")
    await spool.step_refused(3, 1)
    await spool.next_steps("oncology", 10)
    await spool.next_step_due("oncology")
    await spool.steps_open(a_step().sop_instance_uid, "oncology")
    await spool.step_counts()
    await spool.list_steps(states=[StepState.QUEUED, StepState.HELD])
    await spool.summary()
    await spool.list_deliveries(state=DeliveryState.ACCEPTED, destination="oncology")
    await look_through(spool)
    await spool.next_due("oncology")
    await spool.records_between(0.0, 1e12, 10)
    await spool.record_rows([1, 2, 3, 4])
    await over_links(spool)
    await spool.retry_held()
    await spool.expire(clock.now + 1e10)


async def over_links(spool: Spool) -> None:
    """Both ends of a link: bring an object twice, deliver it, report and hear of it."""
    transfer = Transfer("clinic-07", bytes(16), 1, hashlib.sha256(b"50").digest())
    for _ in range(2):
        incoming = spool.receive(
            an_instance(50), an_origin(), Priority.RECORD, ["hub-side"], transfer=transfer
        )
        incoming.write(b"50")
        await incoming.commit()
    await spool.arrived_before(transfer)
    (job,) = await spool.claim("hub-side", 1)
    receipt = replace(a_receipt(job), hub=True)
    await spool.settle([Accepted(job.delivery.number, receipt)])
    for seq, stage in enumerate((Stage.HELD, Stage.STORED, Stage.CONFIRMED), 1):
        report = StageReport(seq, bytes(16), job.delivery.number, transfer.digest, stage, 0, "", 1.0)
        assert await spool.take_report(bytes(16), report)
    await spool.reports_taken(bytes(16))
    (report,) = await spool.reports_waiting("clinic-07", bytes(16), 0, 10)
    await spool.reports_acknowledged("clinic-07", bytes(16), report.seq)


async def look_through(spool: Spool) -> None:
    """Ask for listings of every sort. Whole-table ones are read to a bound, in order of the numbers."""
    for wanted in (
        Wanted(destination="oncology"),
        Wanted(state=DeliveryState.HELD, cause="no"),
        Wanted(sop_class=BEAMS_RECORD, calling_ae="LINAC1"),
        Wanted(state=DeliveryState.QUEUED, calling_ae="LINAC1", received_from=1.0),
        Wanted(search=Search(1, "1.2.3", "LIN", frozenset({BEAMS_RECORD}))),
    ):
        await spool.browse(wanted, Page(newest_first=True, before=5, limit=2))
        await spool.browse(wanted, Page(after=1))
        await spool.count_deliveries(wanted, 10)
        await spool.delivery_numbers(wanted, 10)
    await spool.held_groups()
    await spool.kinds()
    await spool.act_on_deliveries([1, 99], "hold", "no")


async def test_everything_is_found_by_an_index(open_spool: OpenSpool, directory: Path) -> None:
    files, clock = ListeningFiles(), Clock()
    limits = SpoolLimits(retention_seconds=0, reserve_bytes=0, floor_bytes=0)
    spool = open_spool(files=files, wall_clock=clock, limits=limits)
    files.statements.clear()  # what is done at start has a test of its own
    await live(spool, clock)
    await spool.close()
    db = sqlite3.connect(directory / "journal.db")
    slow: dict[str, str] = {}
    seen = 0
    for sql in files.statements:
        if sql.split()[0] not in ("SELECT", "UPDATE", "DELETE", "INSERT"):
            continue
        seen += 1
        marks = [0] * sql.count("?")
        for *_, step in db.execute(f"EXPLAIN QUERY PLAN {sql}", marks):
            if step == "SCAN deliveries" and "FROM deliveries ORDER BY number DESC LIMIT 1" in sql:
                continue  # the newest one
            scanned = (
                step.startswith("SCAN ")
                and step.removeprefix("SCAN ").replace("COVERING ", "") not in BOUNDED
            )
            sorted_ = "TEMP B-TREE" in step and not any(part in sql for part in SORTED)
            if scanned or sorted_:
                slow[sql] = step
    db.close()
    assert slow == {}
    assert seen > 80
