"""What a hub reports of deliveries that it had accepted. Each a function of one transaction, at the site."""

from __future__ import annotations

from gateway.model import Delivery, DeliveryState, Receipt
from gateway.spool.link_values import Stage, StageReport
from gateway.spool.rows import Row
from gateway.spool.schema import WAIT_AT_HUB, WAIT_NONE
from gateway.spool.states import Event
from gateway.spool.transaction import MAX_REASON, Transaction
from gateway.spool.values import CAUSE_DISCARDED_AT_HUB, CAUSE_HELD_AT_HUB

_SEEN = "hub-reports"


def take(tx: Transaction, hub: bytes, report: StageReport) -> bool:
    """Apply a report; False when it is not about anything that is here. Taken twice it does nothing more."""
    _remember(tx, hub, report.seq)
    row = _row(tx, report.delivery)
    if row is None or row[0] != report.digest:
        return False
    delivery = tx.delivery(report.delivery)
    if delivery.state is DeliveryState.SENDING:
        # The hub's receipt for it may be here, and wait for the journal: this is for after that.
        tx.write(
            "INSERT OR REPLACE INTO early_reports (delivery, seq, spool, digest, stage, status, words, at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            report.delivery,
            report.seq,
            report.spool,
            report.digest,
            int(report.stage),
            report.status,
            report.words[:MAX_REASON],
            report.at,
        )
        return True
    _apply(tx, delivery, report, row)
    return True


def accepted(tx: Transaction, number: int) -> None:
    """The hub has accepted a delivery: apply what it had to say of it before the journal knew that."""
    early = tx.one(
        "SELECT seq, spool, delivery, digest, stage, status, words, at FROM early_reports WHERE delivery = ?",
        number,
    )
    if early is None:
        return
    forget_early(tx, number)
    seq, spool, _, digest, stage, status, words, at = early
    take_now = StageReport(seq, spool, number, digest, Stage(stage), status, words, at)
    row = _row(tx, number)
    if row is not None and row[0] == digest:
        _apply(tx, tx.delivery(number), take_now, row)


def forget_early(tx: Transaction, number: int) -> None:
    """It goes again: when it has come, the hub tells how it stands."""
    tx.write("DELETE FROM early_reports WHERE delivery = ?", number)


def _row(tx: Transaction, number: int) -> Row | None:
    return tx.one(
        "SELECT o.digest, o.transfer_syntax_uid, d.waiting, d.cause FROM deliveries d "
        "JOIN objects o ON o.number = d.object WHERE d.number = ?",
        number,
    )


def _apply(tx: Transaction, delivery: Delivery, report: StageReport, row: Row) -> None:
    digest, syntax, waiting, cause = row
    receipt = Receipt(delivery.destination, report.status, report.words, syntax, digest, report.at)
    match report.stage:
        case Stage.STORED | Stage.CONFIRMED if delivery.state is DeliveryState.ACCEPTED:
            if waiting == WAIT_AT_HUB:
                _stored(tx, delivery, receipt)
            if report.stage is Stage.CONFIRMED:
                tx.move(tx.delivery(delivery.number), Event.CONFIRM)
                tx.tell(delivery.object_number, "confirmed", "reported by the hub", delivery.number)
        case Stage.HELD:
            _left_there(tx, delivery, report.words, CAUSE_HELD_AT_HUB, cause)
        case Stage.DISCARDED:
            _left_there(tx, delivery, report.words, CAUSE_DISCARDED_AT_HUB, cause)
        case _:
            pass  # it is to be sent again, or was confirmed before: what comes of that is told anew


def _stored(tx: Transaction, delivery: Delivery, receipt: Receipt) -> None:
    """The destination has it: from now on like a delivery that went there directly."""
    tx.write(
        "UPDATE deliveries SET waiting = ?, cause = '', reason = '', sender = '', updated_at = ?, since = ? "
        "WHERE number = ?",
        WAIT_NONE,
        tx.now,
        tx.age,
        delivery.number,
    )
    tx.keep_receipt(delivery.number, receipt)
    tx.tell(delivery.object_number, "stored-beyond-hub", "the destination has taken it", delivery.number)
    tx.left.append((delivery.object_number, delivery.destination))
    tx.settled.add(delivery.destination)
    tx.commitment = True


def _left_there(tx: Transaction, delivery: Delivery, words: str, cause: str, before: str) -> None:
    """It stays at the hub until a person has decided there; the bytes here stay as long."""
    words = words[:MAX_REASON]
    if delivery.state not in (DeliveryState.ACCEPTED, DeliveryState.CONFIRMED):
        return
    if before == cause and delivery.reason == words:
        return
    if delivery.state is DeliveryState.ACCEPTED:
        tx.write(
            "UPDATE deliveries SET waiting = ?, not_before = 0, cause = ?, reason = ?, updated_at = ?, "
            "sender = CASE WHEN ? THEN (SELECT o.calling_ae FROM objects o WHERE o.number = object) "
            "ELSE '' END WHERE number = ?",
            WAIT_AT_HUB,
            cause,
            words,
            tx.now,
            cause == CAUSE_HELD_AT_HUB,
            delivery.number,
        )
    if cause == CAUSE_DISCARDED_AT_HUB:
        tx.settled.add(delivery.destination)
    tx.tell(delivery.object_number, cause, words, delivery.number)
    what = "is held at the hub" if cause == CAUSE_HELD_AT_HUB else "was discarded at the hub"
    tx.alarm(
        f"delivery-{cause}",
        f"delivery {delivery.number} to {delivery.destination} {what}: a person there knows why; "
        "what is to happen with it is decided there",
        delivery.object_number,
    )


def _remember(tx: Transaction, hub: bytes, seq: int) -> None:
    """Keep how far the reports of this hub were taken. One hub at a time: what comes twice does no harm."""
    name, seen = _seen(tx)
    if name != hub.hex() or seen < seq:
        tx.write("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", _SEEN, f"{hub.hex()} {seq}")


def _seen(tx: Transaction) -> tuple[str, int]:
    row = tx.one("SELECT value FROM facts WHERE name = ?", _SEEN)
    name, _, seq = str(row[0]).partition(" ") if row else ("", "", "0")
    return name, int(seq or 0)


def taken(tx: Transaction, hub: bytes) -> int:
    """Return the number of the last report of this hub that was taken; 0: none."""
    name, seen = _seen(tx)
    return seen if name == hub.hex() else 0
