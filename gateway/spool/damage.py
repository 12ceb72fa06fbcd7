"""What happens to an object whose bytes are not what they should be. Each a function of one transaction.

Nothing is deleted: damaged bytes stay, as evidence, until every delivery of the object is finished.
The same object received again takes the place of the damaged one (puts.py), and goes where that was to go.
"""

from __future__ import annotations

from gateway.model import DeliveryState
from gateway.spool.schema import PLACE_DAMAGED, PLACE_FILE, PLACE_INLINE, PLACE_MISSING
from gateway.spool.states import UNDELIVERED, Event
from gateway.spool.transaction import Transaction
from gateway.spool.values import CAUSE_DAMAGED, CAUSE_MISSING, CAUSE_UNREADABLE

DAMAGED_WORDS = "its bytes are not those that were received"
MISSING_WORDS = "its file is missing on the disk"

_HERE = (PLACE_INLINE, PLACE_FILE)
_LOST = {PLACE_MISSING: (MISSING_WORDS, CAUSE_MISSING), PLACE_DAMAGED: (DAMAGED_WORDS, CAUSE_DAMAGED)}


def _place(tx: Transaction, number: int) -> int | None:
    row = tx.one("SELECT place FROM objects WHERE number = ?", number)
    return None if row is None else int(row[0])


def mark_damaged(tx: Transaction, number: int) -> bool:
    """The bytes of an object do not have its digest: hold what was not delivered. False: known already."""
    if _place(tx, number) not in _HERE:
        return False
    tx.write("UPDATE objects SET place = ? WHERE number = ?", PLACE_DAMAGED, number)
    tx.write("DELETE FROM comparisons WHERE object = ?", number)
    hold_if_lost(tx, number)
    tx.tell(number, "bytes-damaged", DAMAGED_WORDS)
    return True


def mark_missing(tx: Transaction, number: int) -> bool:
    """The file of an object is gone: hold what was not delivered. False: known already."""
    if _place(tx, number) != PLACE_FILE:
        return False
    tx.write("UPDATE objects SET place = ? WHERE number = ?", PLACE_MISSING, number)
    tx.write("DELETE FROM comparisons WHERE object = ?", number)
    hold_if_lost(tx, number)
    tx.tell(number, "bytes-missing", MISSING_WORDS)
    return True


def mark_sound(tx: Transaction, number: int) -> bool:
    """The bytes of an object have its digest after all: what is held may be released by a person."""
    if _place(tx, number) != PLACE_DAMAGED:
        return False
    tx.write(
        "UPDATE objects SET place = CASE WHEN file IS NULL THEN ? ELSE ? END WHERE number = ?",
        PLACE_INLINE,
        PLACE_FILE,
        number,
    )
    tx.tell(number, "bytes-back", "its bytes are those that were received again")
    return True


def hold_unreadable(tx: Transaction, number: int, reason: str) -> bool:
    """The disk does not give the bytes back: hold what waits to be sent. False: nothing waits."""
    waiting = [one for one in tx.deliveries_of(number) if one.state is DeliveryState.QUEUED]
    tx.move_all(waiting, Event.LOSE, reason, CAUSE_UNREADABLE)
    if waiting:
        tx.tell(number, "bytes-unreadable", reason)
    return bool(waiting)


def hold_if_lost(tx: Transaction, number: int) -> None:
    """Hold what is queued or held of an object whose bytes are damaged or missing.

    What is being sent stays with its courier, which checks the bytes itself; it comes by here when it is put
    back.
    """
    lost = _LOST.get(_place(tx, number) or 0)
    if lost is None:
        return
    reason, cause = lost
    for one in tx.deliveries_of(number):
        if one.state in UNDELIVERED and one.state is not DeliveryState.SENDING and one.reason != reason:
            tx.move(one, Event.LOSE, reason=reason, cause=cause)
