"""Journal rows as values. The column lists here and the unpacking below them belong together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model import AETitle, Delivery, DeliveryState, Instance, Origin, Priority, Receipt, StoredObject
from gateway.spool.states import from_code

Row = tuple[Any, ...]

DELIVERY = (
    "d.number, d.object, d.destination, d.priority, d.state, d.attempts, d.not_before, d.reason, "
    "d.updated_at, d.cause"
)
DELIVERY_WIDTH = 10
OBJECT = (
    "o.number, o.sop_class_uid, o.sop_instance_uid, o.transfer_syntax_uid, o.listener, o.address, "
    "o.calling_ae, o.called_ae, o.association, o.priority, o.digest, o.size, o.received_at, o.place"
)
OBJECT_WIDTH = 14
RECEIPT = "r.delivery, r.status, r.comment, r.transfer_syntax_uid, r.digest, r.at, r.hub"


def delivery_from(row: Row, names: Mapping[int, str]) -> Delivery:
    """Build a Delivery from the columns DELIVERY."""
    number, object_number, destination, priority, code, attempts, not_before, reason, updated_at, _ = row
    state = from_code(code)
    return Delivery(
        number=number,
        object_number=object_number,
        destination=names[destination],
        priority=Priority(priority),
        state=state,
        attempts=attempts,
        not_before=not_before if state is DeliveryState.QUEUED else 0.0,  # an accepted one waits to be asked
        reason=reason,
        updated_at=updated_at,
    )


def object_from(row: Row) -> StoredObject:
    """Build a StoredObject from the columns OBJECT."""
    (
        number,
        sop_class_uid,
        sop_instance_uid,
        transfer_syntax_uid,
        listener,
        address,
        calling_ae,
        called_ae,
        association,
        priority,
        digest,
        size,
        received_at,
        _,
    ) = row
    return StoredObject(
        number=number,
        instance=Instance(sop_class_uid, sop_instance_uid, transfer_syntax_uid),
        origin=Origin(listener, address, AETitle(calling_ae), AETitle(called_ae), association),
        priority=Priority(priority),
        digest=digest,
        size=size,
        received_at=received_at,
    )


def receipt_from(row: Row, destination: str) -> tuple[int, Receipt]:
    """Build (delivery number, Receipt) from the columns RECEIPT."""
    delivery, status, comment, transfer_syntax_uid, digest, at, hub = row
    return delivery, Receipt(destination, status, comment, transfer_syntax_uid, digest, at, bool(hub))
