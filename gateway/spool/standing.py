"""Where an instance stands at a destination, by its deliveries (FORMAT.md, "Storage commitment")."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model import DeliveryState
from gateway.spool import states
from gateway.spool.schema import DISCARDED, WAIT_ASKED, WAIT_AT_HUB, WAIT_PUT_OFF
from gateway.spool.states import UNDELIVERED
from gateway.spool.transaction import Transaction
from gateway.spool.values import TO_COMPARE


@dataclass(frozen=True, slots=True)
class Known:
    """One delivery of the instance that was not discarded."""

    delivery: int
    object: int
    state: DeliveryState
    waiting: int  # see FORMAT.md
    not_before: float
    asked: int
    resent: bool
    place: int  # of the object's bytes
    cause: str

    @property
    def was_asked(self) -> bool:
        """Whether its commitment has been asked for since it was accepted."""
        return self.state is DeliveryState.ACCEPTED and self.waiting in (WAIT_PUT_OFF, WAIT_ASKED)

    @property
    def to_compare(self) -> bool:
        """Whether its destination has committed it, and what it keeps is to be compared."""
        return self.state is DeliveryState.ACCEPTED and self.cause == TO_COMPARE


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of all deliveries of an instance to a destination."""

    deliveries: tuple[Known, ...]

    @property
    def undelivered(self) -> bool:
        """Whether something is on its way still, at a hub too: nobody can say yet whether it is committed."""
        return any(one.state in UNDELIVERED or one.waiting == WAIT_AT_HUB for one in self.deliveries)

    @property
    def confirmed(self) -> bool:
        """Whether there is proof for all there is."""
        return bool(self.deliveries) and all(one.state is DeliveryState.CONFIRMED for one in self.deliveries)

    @property
    def accepted(self) -> tuple[Known, ...]:
        """The deliveries that the destination accepted and nothing proves yet."""
        return tuple(one for one in self.deliveries if one.state is DeliveryState.ACCEPTED)

    @property
    def to_compare(self) -> bool:
        """Whether nothing is left to be asked: the destination has committed all, not all was compared."""
        return bool(self.accepted) and all(one.to_compare for one in self.accepted)

    @property
    def newest_object(self) -> int | None:
        """The number of the newest object among them."""
        return max((one.object for one in self.deliveries), default=None)


def standing(tx: Transaction, sop_class_uid: str, sop_instance_uid: str, destination: int) -> Standing:
    """Look up the deliveries of an instance to a destination."""
    rows = tx.rows(
        "SELECT d.number, d.object, d.state, d.waiting, d.not_before, d.asked, d.resent, o.place, d.cause "
        "FROM objects o JOIN deliveries d ON d.object = o.number "
        "WHERE o.sop_instance_uid = ? AND o.sop_class_uid = ? AND d.destination = ? AND d.state <> ? "
        "ORDER BY d.number",
        sop_instance_uid,
        sop_class_uid,
        destination,
        DISCARDED,
    )
    return Standing(
        tuple(
            Known(number, stored, states.from_code(code), waiting, not_before, asked, bool(resent), *others)
            for number, stored, code, waiting, not_before, asked, resent, *others in rows
        )
    )


def in_open_ask(tx: Transaction, sop_class_uid: str, sop_instance_uid: str, destination: int) -> bool:
    """Say whether the destination is being asked about the instance at the moment."""
    return (
        tx.one(
            "SELECT 1 FROM ask_items INDEXED BY ask_items_open "
            "WHERE open = 1 AND sop_instance_uid = ? AND destination = ? AND sop_class_uid = ?",
            sop_instance_uid,
            destination,
            sop_class_uid,
        )
        is not None
    )
