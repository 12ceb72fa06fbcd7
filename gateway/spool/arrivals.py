"""What came over links, and what the sites are to be told of it. Each a function of one transaction.

A site is told how things stand, not how they went: of each arrival there is one report at most that waits,
the newest. So what a site that is away for long has to be told is bounded by what it brought.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from gateway.model import Delivery, DeliveryState
from gateway.spool.link_values import Arrived, Stage, StageReport, Transfer
from gateway.spool.transaction import MAX_REASON, Transaction
from gateway.spool.values import CAUSE_CHECKING

S = DeliveryState
_STORED = frozenset({S.ACCEPTED, S.CONFIRMED, S.RELEASED})


def note(tx: Transaction, transfer: Transfer, object_number: int) -> None:
    """Write down that `transfer` brought this object. Its site is told how the object stands from now on."""
    site = _site(tx, transfer.site, transfer.spool)
    row = tx.one(
        "SELECT number, object FROM arrivals WHERE site = ? AND delivery = ? AND digest = ?",
        site,
        transfer.delivery,
        transfer.digest,
    )
    if row is None:
        tx.write(
            "INSERT INTO arrivals (site, delivery, digest, object, at) VALUES (?, ?, ?, ?, ?)",
            site,
            transfer.delivery,
            transfer.digest,
            object_number,
            tx.now,
        )
    else:
        # Brought again: its site does not know what it was told before, or wants to have it told anew.
        tx.write(
            "UPDATE arrivals SET object = ?, stage = 0, seq = NULL, at = ? WHERE number = ?",
            object_number,
            tx.now,
            row[0],
        )
    tx.moved.add(object_number)


def again(tx: Transaction, transfer: Transfer) -> Arrived | None:
    """Find what `transfer` brought before, and have its site told once more how it stands.

    None: nothing, or what it brought was given up here since, so that it has to come anew.
    """
    row = tx.one(
        "SELECT a.number, a.object, a.at FROM arrivals a JOIN sites s ON s.id = a.site "
        "WHERE s.name = ? AND s.spool = ? AND a.delivery = ? AND a.digest = ?",
        transfer.site,
        transfer.spool,
        transfer.delivery,
        transfer.digest,
    )
    if row is None:
        return None
    number, object_number, at = row
    if all(one.state is S.DISCARDED for one in tx.deliveries_of(object_number)):
        return None
    tx.write("UPDATE arrivals SET stage = 0, seq = NULL WHERE number = ?", number)
    tx.moved.add(object_number)
    return Arrived(object_number, at)


def follow_object(tx: Transaction, before: int, after: int) -> None:
    """What came as object `before` goes its way as object `after` from now on."""
    tx.write("UPDATE arrivals SET object = ? WHERE object = ?", after, before)
    tx.moved.add(after)


def follow(tx: Transaction) -> None:
    """Look again at what was moved: has a site to be told something? Before the commit."""
    if not tx.moved or tx.one("SELECT 1 FROM sites WHERE id > 0 LIMIT 1") is None:
        return
    for object_number in tx.moved:
        rows = tx.rows(
            "SELECT a.number, a.site, s.name, a.stage, a.status, a.words FROM arrivals a "
            "JOIN sites s ON s.id = a.site WHERE a.object = ?",
            object_number,
        )
        if not rows:
            continue
        deliveries = tx.deliveries_of(object_number)
        for number, site, name, *told in rows:
            standing = _standing(tx, deliveries, told[0])
            if standing is not None and [*standing] != told:
                _report(tx, number, site, standing)
                tx.reports.add(name)


def _standing(tx: Transaction, deliveries: Sequence[Delivery], told: int) -> tuple[Stage, int, str] | None:
    """Stage, status and words for all deliveries of an object together; None: nothing to be told now."""
    held = [one for one in deliveries if one.state is S.HELD]
    if held:
        if all(_cause(tx, one) == CAUSE_CHECKING for one in held):
            return None
        return Stage.HELD, 0, held[0].reason
    living = [one for one in deliveries if one.state is not S.DISCARDED]
    if not living:
        return Stage.DISCARDED, 0, deliveries[0].reason if deliveries else ""
    if any(one.state not in _STORED or _at_hub(tx, one) for one in living):
        return None
    if all(one.state is S.CONFIRMED for one in living):
        return Stage.CONFIRMED, *_answer(tx, living)
    if told in (Stage.STORED, Stage.CONFIRMED) and any(one.state is S.RELEASED for one in living):
        return None  # that its bytes went here is no news for the site
    return Stage.STORED, *_answer(tx, living)


def _cause(tx: Transaction, delivery: Delivery) -> str:
    return str(tx.rows("SELECT cause FROM deliveries WHERE number = ?", delivery.number)[0][0])


def _at_hub(tx: Transaction, delivery: Delivery) -> bool:
    """Whether the newest answer is that of another hub: then its destination has not said anything yet."""
    row = tx.one("SELECT hub FROM receipts WHERE delivery = ? ORDER BY seq DESC LIMIT 1", delivery.number)
    return row is not None and bool(row[0])


def _answer(tx: Transaction, deliveries: Sequence[Delivery]) -> tuple[int, str]:
    """The first warning among the last answers of the destinations, or success."""
    for one in deliveries:
        row = tx.one(
            "SELECT status, comment FROM receipts WHERE delivery = ? ORDER BY seq DESC LIMIT 1", one.number
        )
        if row is not None and row[0]:
            return row[0], row[1]
    return 0, ""


def _report(tx: Transaction, number: int, site: int, standing: tuple[Stage, int, str]) -> None:
    stage, status, words = standing
    tx.write("UPDATE sites SET reported = reported + 1 WHERE id = ?", site)
    tx.write(
        "UPDATE arrivals SET seq = (SELECT reported FROM sites WHERE id = ?), stage = ?, status = ?, "
        "words = ?, at = ? WHERE number = ?",
        site,
        int(stage),
        status,
        words[:MAX_REASON],
        tx.now,
        number,
    )


def acknowledged(tx: Transaction, site: str, spool: bytes, seq: int) -> None:
    """The site has every report up to `seq` durably."""
    tx.write(
        "UPDATE arrivals SET seq = NULL WHERE site = (SELECT id FROM sites WHERE name = ? AND spool = ?) "
        "AND seq <= ?",
        site,
        spool,
        seq,
    )


def waiting(db: sqlite3.Connection, site: str, spool: bytes, after: int, most: int) -> list[StageReport]:
    """Return reports that the site has not acknowledged, in order, those after number `after`."""
    rows = db.execute(
        "SELECT a.seq, a.delivery, a.digest, a.stage, a.status, a.words, a.at "
        "FROM arrivals a INDEXED BY arrivals_to_report "
        "WHERE a.site = (SELECT id FROM sites WHERE name = ? AND spool = ?) AND a.seq > ? "
        "ORDER BY a.seq LIMIT ?",
        (site, spool, after, most),
    ).fetchall()
    return [
        StageReport(seq, spool, delivery, digest, Stage(stage), status, words, at)
        for seq, delivery, digest, stage, status, words, at in rows
    ]


def _site(tx: Transaction, name: str, spool: bytes) -> int:
    row = tx.one("SELECT id FROM sites WHERE name = ? AND spool = ?", name, spool)
    if row is not None:
        return int(row[0])
    cursor = tx.db.execute("INSERT INTO sites (name, spool) VALUES (?, ?)", (name, spool))
    return int(cursor.lastrowid or 0)
