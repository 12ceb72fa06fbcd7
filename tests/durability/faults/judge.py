"""Was everybody told the truth, and is everything that was acknowledged still here? Asked of the ledger.

The spool is opened again on a disk without faults, as the next start of the daemon would.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.model import DeliveryState
from gateway.notices import Alarm, Notice, Notices
from gateway.spool import Spool
from gateway.spool.recovery import JOURNAL, OBJECTS
from tests.durability.campaign import ACKNOWLEDGED, LOST, Tally
from tests.durability.faults.errand import DEFECT, ENDED, LIMITS, WENT_ON, small_journal
from tests.support.spooling import an_instance, an_origin, content

ADVICE = re.compile(
    r"check the disk|make room|has to restart|spool rebuild|deliver or discard|nothing was lost"
)
"""What tells a person what to do, or that nothing has to be done."""
EXPECTED_ALARMS = {"spool.conflict"}
"""The errand has two objects in conflict: no fault is needed for that."""


@dataclass
class Report:
    """What was found; `wrong` is empty when all is well."""

    tally: Tally = field(default_factory=Tally)
    wrong: list[str] = field(default_factory=list)


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """Read the lines; none of them can be torn, because each was one write."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def judge(directory: Path, ledger: Path, code: int, *, struck: bool, strict: bool = False) -> Report:
    """Judge one errand by its ledger, its exit code and the spool it left.

    `struck`: a fault was met. `strict`: one fault that is over, after which everything has to go on.
    """
    report = Report()
    lines = read_ledger(ledger)
    _judge_words(lines, code, report, struck=struck)
    _judge_truth(lines, report)
    try:
        with small_journal():
            asyncio.run(_judge_spool(directory, lines, report))
    except Exception as error:  # noqa: BLE001 - what it is, is told
        report.wrong.append(f"the spool cannot be used afterwards: {type(error).__name__}: {error}")
    if strict and code == WENT_ON:
        _judge_going_on(lines, report)
    return report


def _judge_words(lines: list[dict[str, Any]], code: int, report: Report, *, struck: bool) -> None:
    refused = [one for one in lines if one["what"] in ("refused", "unreadable")]
    alarms = [one for one in lines if one["what"] == "alarm" and one["code"] not in EXPECTED_ALARMS]
    ended = [one for one in lines if one["what"] == "ended"]
    report.tally.add("answers refused", len(refused))
    report.tally.add("alarms raised", len(alarms))
    if code not in (WENT_ON, ENDED):
        told = [one.get("trace", one["words"]) for one in lines if one["what"] == "defect"]
        name = "a defect" if code == DEFECT else f"exit code {code}"
        report.wrong.append(f"it ended with {name}: {' '.join(told)[-2000:]}")
    if code == ENDED:
        report.tally.add("ends with words")
        if not ended:
            report.wrong.append("it ended without words")
    if not struck and (refused or alarms or ended):
        report.wrong.append(f"trouble without a fault: {[*refused, *alarms, *ended][:3]}")
    # What is only read can be asked for again: whoever asked was told.
    puts = [one for one in refused if one.get("of") == "put"]
    said = " ".join(one["words"] for one in [*alarms, *ended])
    if (puts or ended) and not ADVICE.search(said):
        report.wrong.append(f"nobody is told what to do: {said!r} after {[*puts, *ended][:2]}")


def _judge_truth(lines: list[dict[str, Any]], report: Report) -> None:
    for one in lines:
        if one["what"] == "sent" and one["digest"] != one["claimed"]:
            report.wrong.append(f"sent something torn: {one}")


def _judge_going_on(lines: list[dict[str, Any]], report: Report) -> None:
    """One fault costs what was under way; the last objects come long after it."""
    refused = [one["uid"] for one in lines if one["what"] == "refused" and one["of"] == "put"]
    if len(refused) > 8:
        report.wrong.append(f"one fault, and {len(refused)} objects were refused")


async def _judge_spool(directory: Path, lines: list[dict[str, Any]], report: Report) -> None:
    heard: list[Alarm] = []
    notices = Notices()

    def hear(notice: Notice) -> None:
        if isinstance(notice, Alarm):
            heard.append(notice)

    notices.subscribe(hear)
    spool = await asyncio.to_thread(Spool.open, directory, LIMITS, notices=notices)
    try:
        kept = await _kept(spool, report)
        _judge_acknowledged(lines, kept, report)
        acknowledged = {one["number"] for one in lines if one["what"] == "acknowledged"}
        if spool.recovery.missing or not all(_is_expected(alarm, acknowledged) for alarm in heard):
            report.wrong.append(f"alarms at the next start: {heard}")
        await _works(spool, report)
    finally:
        await spool.close()
    _judge_files(directory, report)


def _is_expected(alarm: Alarm, acknowledged: set[int]) -> bool:
    """A fault in the middle of a commit leaves a transaction that does not hold: nobody was told it did.

    The alarm may name objects of it, which their sender was refused; never one that was acknowledged.
    """
    if alarm.code in EXPECTED_ALARMS:
        return True
    named = re.search(r"could not be recovered: ([\d, ]+)", alarm.text)
    gone = {int(number) for number in re.findall(r"\d+", named[1])} if named else set()
    return alarm.code == "spool.journal-tail" and not gone & acknowledged


async def _kept(spool: Spool, report: Report) -> Counter[tuple[str, str, str]]:
    """Read every object that the journal says is here: (uid, syntax, digest of what was read)."""
    kept: Counter[tuple[str, str, str]] = Counter()
    numbers: set[int] = set()
    for row in await spool.list_deliveries(limit=1000):
        if row.delivery.state is DeliveryState.SENDING:
            report.wrong.append(f"delivery {row.delivery.number} is still being sent after a start")
        story = await spool.show(row.delivery.number)
        if not story.bytes_kept or row.object.number in numbers:
            continue
        numbers.add(row.object.number)
        with await asyncio.to_thread(spool.open_data, row.object.number) as reader:
            data = reader.read(row.object.size)
        if hashlib.sha256(data).digest() != row.object.digest:
            report.wrong.append(f"object {row.object.number} is not what the journal says")
        instance = row.object.instance
        kept[instance.sop_instance_uid, instance.transfer_syntax_uid, row.object.digest.hex()] += 1
    if (await spool.summary()).objects != len(numbers):
        report.wrong.append("the counters do not agree with the rows")
    return kept


def _judge_acknowledged(
    lines: list[dict[str, Any]], kept: Counter[tuple[str, str, str]], report: Report
) -> None:
    said = [one for one in lines if one["what"] == "acknowledged"]
    may_go = {(one["uid"], one["digest"]) for one in lines if one["what"] == "may go"}
    merged = {(one["uid"], one["digest"]) for one in said if one["outcome"] == "checking"}
    offered = {
        (one["uid"], one["syntax"], one["digest"]) for one in lines if one["what"] == "begun" and "uid" in one
    }
    report.tally.add(ACKNOWLEDGED, len(said))
    report.tally.add(LOST, 0)
    for one in said:
        who = one["uid"], one["digest"]
        if kept[one["uid"], one["syntax"], one["digest"]] == 0 and who not in may_go and who not in merged:
            report.tally.add(LOST)
            report.wrong.append(f"acknowledged and lost: {one}")
    for key, count in kept.items():
        if key not in offered and len(offered) > 0:
            report.wrong.append(f"nobody sent this: {key}")
        if count > 1:
            report.wrong.append(f"{count} times the same object: {key}")


async def _works(spool: Spool, report: Report) -> None:
    """The disk is well again: everything goes."""
    instance = an_instance(999)
    incoming = spool.receive(instance, an_origin(), 0, ["oncology"])  # type: ignore[arg-type]
    incoming.write(content(999, 20_000))
    if (await incoming.commit()).outcome not in ("new", "duplicate"):
        report.wrong.append("an object after the trouble is not taken")
    for job in await spool.claim("oncology", 100):
        if job.data is not None and hashlib.sha256(job.data).digest() != job.object.digest:
            report.wrong.append(f"object {job.object.number} would be sent torn")


def _judge_files(directory: Path, report: Report) -> None:
    """No file without a row, no row without its file, and counters that were not led astray."""
    db = sqlite3.connect(directory / JOURNAL)
    try:
        if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            report.wrong.append("the journal is damaged")
        named = {
            row[0] for row in db.execute("SELECT file FROM objects WHERE file IS NOT NULL AND place = 1")
        }
        counted = db.execute(
            "SELECT destination, state, priority, count(*), sum(size) FROM deliveries GROUP BY 1, 2, 3"
        ).fetchall()
        counters = db.execute(
            "SELECT destination, state, priority, count, bytes FROM counters WHERE subject = 0 AND count > 0"
        ).fetchall()
    finally:
        db.close()
    if sorted(counted) != sorted(counters):
        report.wrong.append(f"the counters say {counters}, the rows {counted}")
    there = {int(path.stem) for path in (directory / OBJECTS).rglob("*.dcm")}
    if there != named:
        report.wrong.append(f"files without a row: {there - named}; rows without their file: {named - there}")
