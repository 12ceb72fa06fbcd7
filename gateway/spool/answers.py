"""What the answer of a destination does to items and deliveries (FORMAT.md, "Storage commitment")."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.spool.asks import ask_again_later, references_of
from gateway.spool.commitment_values import PROCESSING_FAILURE, AskAnswered, Reference
from gateway.spool.commitments import Item, look, set_items, unresolved_items
from gateway.spool.schema import (
    ASK_ANSWERED,
    ASK_PUT_OFF,
    ITEM_COMMITTED,
    ITEM_FAILED,
    ITEM_WAITING,
    PLACE_FILE,
    PLACE_INLINE,
    WAIT_PUT_OFF,
)
from gateway.spool.standing import Known, Standing, in_open_ask, standing
from gateway.spool.states import Event
from gateway.spool.transaction import Transaction
from gateway.spool.values import CAUSE_KEPT_OTHER, CAUSE_NOT_COMMITTED, TO_COMPARE, Answer

_NAMED = 10
"""Refused objects of one answer that have an alarm of their own; the rest share one."""
_LONGEST_AGAIN = 256
"""By how much the wait before asking again grows, at most, when asking is of no use."""


@dataclass(slots=True)
class _Answer:
    """One answer while it is being applied."""

    tx: Transaction
    place: int  # number of the destination
    destination: str
    how: str
    hows: Mapping[Reference, str]
    resend: frozenset[int]
    compare: bool  # what is committed is to be compared before it counts
    newest: int | None  # late: the newest transaction that a refusal can be about
    resent: int = 0
    held: int = 0
    refused: list[int] = field(default_factory=list)  # objects that the destination had accepted
    others: list[int] = field(default_factory=list)  # in whose place it keeps something else


def answered(
    tx: Transaction,
    transaction_uid: str,
    committed: Sequence[Reference],
    failed: Sequence[tuple[Reference, int]],
    how: str,
    resend: frozenset[int],
    *,
    other: Mapping[Reference, str],
    hows: Mapping[Reference, str],
    compare: Collection[str],
) -> AskAnswered:
    """Apply an answer (see Spool.ask_answered). What is named as committed and as failed counts as failed."""
    row = tx.one(
        "SELECT number, destination, state, newest FROM asks WHERE transaction_uid = ?", transaction_uid
    )
    if row is None:
        return AskAnswered("unknown")
    number, place, state, newest = row
    if state == ASK_ANSWERED:
        return AskAnswered("again")
    references = references_of(tx, number)
    tx.write(
        "UPDATE asks SET state = ?, ended_at = ?, reason = '' WHERE number = ?", ASK_ANSWERED, tx.age, number
    )
    tx.write("DELETE FROM ask_items WHERE ask = ?", number)
    destination = tx.destinations.names[place]
    late = newest if state == ASK_PUT_OFF else None
    answer = _Answer(tx, place, destination, how, hows, resend, destination in compare, late)
    reasons = dict(failed)
    proved = set(committed)
    for reference in references:
        if reference in other:
            _replace(answer, reference, other[reference])
        elif reference in reasons:
            _refuse(answer, reference, reasons[reference])
        elif reference in proved:
            _prove(answer, reference)
        else:
            _ask_later(answer, reference)
    _alarm(answer)
    tx.commitment = True
    return AskAnswered("known", answer.resent, answer.held)


def _items(answer: _Answer, reference: Reference) -> list[Item]:
    return unresolved_items(answer.tx, reference.sop_class_uid, reference.sop_instance_uid, answer.place)


def _standing(answer: _Answer, reference: Reference) -> Standing:
    return standing(answer.tx, reference.sop_class_uid, reference.sop_instance_uid, answer.place)


def _ask_later(answer: _Answer, reference: Reference) -> None:
    """The answer does not say: ask again after a wait that doubles each time."""
    tx = answer.tx
    asked = max((one.asked for one in _standing(answer, reference).accepted), default=0)
    factor = min(2.0 ** min(asked, 30), _LONGEST_AGAIN)
    ask_again_later(tx, reference, answer.place, tx.now + tx.limits.commitment_again_seconds * factor)


def _prove(answer: _Answer, reference: Reference) -> None:
    """The destination has committed the instance."""
    tx = answer.tx
    how = answer.hows.get(reference, answer.how)
    for one in _standing(answer, reference).accepted:
        if not one.was_asked or (answer.compare and one.to_compare):
            continue
        if answer.compare:
            tx.write(
                "UPDATE deliveries SET waiting = ?, not_before = 0, asked = 0, cause = ? WHERE number = ?",
                WAIT_PUT_OFF,
                TO_COMPARE,
                one.delivery,
            )
            tx.tell(one.object, "committed", how, one.delivery)
        else:
            tx.move(tx.delivery(one.delivery), Event.CONFIRM)
            tx.tell(one.object, "confirmed", how, one.delivery)
    _resolve(answer, reference, _items(answer, reference), ITEM_COMMITTED)


def _replace(answer: _Answer, reference: Reference, why: str) -> None:
    """The destination keeps another object under this UID: a person has to look, sending again is no use."""
    tx = answer.tx
    if in_open_ask(tx, reference.sop_class_uid, reference.sop_instance_uid, answer.place):
        return
    words = f"{answer.destination} accepted it and keeps another object under its SOP Instance UID: {why}"
    known = _standing(answer, reference)
    for one in known.accepted:
        if one.was_asked:
            tx.move(tx.delivery(one.delivery), Event.NOT_COMMITTED, reason=words, cause=CAUSE_KEPT_OTHER)
            tx.tell(one.object, "held", words, one.delivery, answer=Answer(cause=CAUSE_KEPT_OTHER))
            answer.held += 1
            answer.others.append(one.object)
    set_items(tx, _items(answer, reference), ITEM_FAILED, failure=PROCESSING_FAILURE)


def _refuse(answer: _Answer, reference: Reference, reason: int) -> None:
    """The destination does not have the instance, or will not be responsible for it."""
    tx = answer.tx
    if in_open_ask(tx, reference.sop_class_uid, reference.sop_instance_uid, answer.place):
        return  # it has been asked about anew: that answer counts
    items = [
        item
        for item in _items(answer, reference)
        if answer.newest is None or item.commitment <= answer.newest
    ]
    known = _standing(answer, reference)
    held = False
    for one in known.accepted:
        if not one.was_asked:
            continue
        if reason in answer.resend and not one.resent and one.place in (PLACE_INLINE, PLACE_FILE):
            _send_again(answer, one, reason)
        else:
            _hold(answer, one, reason)
            held = True
    if held:
        set_items(tx, items, ITEM_FAILED, failure=reason)
        return
    known = _standing(answer, reference)
    if known.deliveries and not (known.undelivered or known.accepted or known.confirmed):
        _tell_released(answer, known, reason)
    _resolve(answer, reference, items, ITEM_FAILED, reason)


def _resolve(answer: _Answer, reference: Reference, items: list[Item], state: int, failure: int = 0) -> None:
    """Give items what was answered, unless something of the instance is on its way or was not asked about."""
    known = _standing(answer, reference)
    not_before = 0.0
    if known.undelivered:
        state, failure = ITEM_WAITING, 0
    elif known.confirmed:
        state, failure = ITEM_COMMITTED, 0
    elif known.accepted:
        state, not_before = look(answer.tx, reference.sop_class_uid, reference.sop_instance_uid, answer.place)
        failure = 0
    set_items(answer.tx, items, state, not_before=not_before, failure=failure)


def _words(answer: _Answer, reason: int) -> str:
    return f"{answer.destination} accepted it and has not committed it (failure reason 0x{reason:04X})"


def _send_again(answer: _Answer, one: Known, reason: int) -> None:
    tx = answer.tx
    tx.move(tx.delivery(one.delivery), Event.RETRY, reason=_words(answer, reason))
    tx.write("UPDATE deliveries SET resent = 1 WHERE number = ?", one.delivery)
    tx.tell(one.object, "sent-again", _words(answer, reason), one.delivery)
    answer.resent += 1


def _hold(answer: _Answer, one: Known, reason: int) -> None:
    tx = answer.tx
    words = _words(answer, reason)
    tx.move(tx.delivery(one.delivery), Event.NOT_COMMITTED, reason=words, cause=CAUSE_NOT_COMMITTED)
    tx.tell(one.object, "held", words, one.delivery)
    answer.held += 1
    answer.refused.append(one.object)


def _tell_released(answer: _Answer, known: Standing, reason: int) -> None:
    """Nothing can be sent again, but nothing is lost silently either."""
    for one in known.deliveries:
        answer.tx.tell(one.object, "not-committed", _words(answer, reason), one.delivery)
        answer.refused.append(one.object)


def _alarm(answer: _Answer) -> None:
    for number in answer.others[:_NAMED]:
        answer.tx.alarm(
            "spool.kept-other",
            f"{answer.destination} accepted object {number}, and keeps another object under the same SOP "
            "Instance UID: have the centre compare the two; when ours is the right one, have the other one "
            "removed there and retry the delivery; when theirs is, discard the delivery",
            number,
        )
    if len(answer.others) > _NAMED:
        answer.tx.alarm(
            "spool.kept-other",
            f"{answer.destination} keeps other objects in the place of {len(answer.others)} that it accepted",
        )
    for number in answer.refused[:_NAMED]:
        answer.tx.alarm(
            "spool.not-committed",
            f"{answer.destination} had accepted object {number} and has not committed it: look there for it; "
            "retry or discard the delivery when it is held, else have the object sent anew",
            number,
        )
    if len(answer.refused) > _NAMED:
        answer.tx.alarm(
            "spool.not-committed",
            f"{answer.destination} has not committed {len(answer.refused)} objects that it had accepted",
        )
