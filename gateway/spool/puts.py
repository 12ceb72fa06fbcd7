"""Taking an object into the journal: who it is, and what to do when that identity is here already.

The rules are the table "The same SOP Instance UID again" of FORMAT.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model import Delivery, DeliveryState, Instance, Origin, Priority
from gateway.spool import arrivals, states
from gateway.spool.link_values import Transfer
from gateway.spool.rows import Row
from gateway.spool.schema import PLACE_DAMAGED, PLACE_FILE, PLACE_INLINE, QUEUED
from gateway.spool.states import Event
from gateway.spool.transaction import Transaction
from gateway.spool.values import CAUSE_CHECKING, CAUSE_CONFLICT, CAUSE_REBUILT, Outcome, Stored

_HELD = states.CODE[DeliveryState.HELD]


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object whose bytes are in memory (`data`) or, synced, in file number `file`."""

    instance: Instance
    origin: Origin
    priority: Priority
    destinations: tuple[str, ...]
    digest: bytes
    size: int
    received_at: float
    data: bytes | bytearray | None = None
    file: int | None = None
    data_offset: int = 0
    transfer: Transfer | None = None  # over which link it came, if it did


@dataclass(frozen=True, slots=True)
class _Known:
    """An object that is here already under the same SOP Instance UID."""

    number: int
    sop_class_uid: str
    transfer_syntax_uid: str
    digest: bytes
    size: int
    place: int
    same_as: int | None
    deliveries: tuple[Delivery, ...]

    @property
    def living(self) -> bool:
        """False when every delivery was discarded: it counts for nothing then, unless it was merged."""
        return any(one.state is not DeliveryState.DISCARDED for one in self.deliveries)

    @property
    def has_bytes(self) -> bool:
        return self.place in (PLACE_INLINE, PLACE_FILE)

    def is_same(self, arrival: Arrival) -> bool:
        return (self.sop_class_uid, self.transfer_syntax_uid, self.digest) == (
            arrival.instance.sop_class_uid,
            arrival.instance.transfer_syntax_uid,
            arrival.digest,
        )


def _known(tx: Transaction, row: Row) -> _Known:
    number, sop_class_uid, transfer_syntax_uid, digest, size, place, same_as = row
    deliveries = tuple(tx.deliveries_of(number))
    return _Known(number, sop_class_uid, transfer_syntax_uid, digest, size, place, same_as, deliveries)


def put(tx: Transaction, arrival: Arrival) -> Stored:
    """Keep `arrival`, or find that it is here already."""
    stored = _put(tx, arrival)
    if arrival.transfer is not None:
        arrivals.note(tx, arrival.transfer, stored.number)
    return stored


def _put(tx: Transaction, arrival: Arrival) -> Stored:
    known = tx.rows(
        "SELECT number, sop_class_uid, transfer_syntax_uid, digest, size, place, same_as FROM objects "
        "WHERE sop_instance_uid = ? ORDER BY number",
        arrival.instance.sop_instance_uid,
    )
    if not known:
        return _insert(tx, arrival, "new", arrival.destinations)
    return _put_again(tx, arrival, [_known(tx, row) for row in known])


def _put_again(tx: Transaction, arrival: Arrival, known: list[_Known]) -> Stored:
    living = {one.number: one for one in known if one.living}
    for one in known:
        if one.is_same(arrival):
            # A copy that was merged speaks for the object it was merged into.
            twin = living.get(one.number if one.same_as is None else one.same_as)
            if twin is not None:
                return _put_twin(tx, arrival, twin)
    if not living:
        return _insert(tx, arrival, "new", arrival.destinations)
    first = min(living)
    if any(one.transfer_syntax_uid == arrival.instance.transfer_syntax_uid for one in living.values()):
        return _put_conflict(tx, arrival, f"the same SOP Instance UID as object {first}, but other content")
    if arrival.size > tx.limits.max_compare_bytes or not any(
        one.has_bytes and one.size <= tx.limits.max_compare_bytes for one in living.values()
    ):
        return _put_conflict(
            tx,
            arrival,
            f"the same SOP Instance UID as object {first} in another transfer syntax; "
            "too large to be compared, or the bytes of the other are not kept any more",
        )
    stored = _insert(
        tx,
        arrival,
        "checking",
        arrival.destinations,
        cause=CAUSE_CHECKING,
        reason=f"being compared with object {first}, which came in another transfer syntax",
    )
    tx.write("INSERT INTO comparisons (object) VALUES (?)", stored.number)
    tx.compare.append(stored.number)
    return stored


def _put_twin(tx: Transaction, arrival: Arrival, twin: _Known) -> Stored:
    """The same content is here: only destinations that have no delivery of it yet are new."""
    lost = [one for one in twin.deliveries if one.state is DeliveryState.HELD and not twin.has_bytes]
    served = {
        one.destination
        for one in twin.deliveries
        if one.state is not DeliveryState.DISCARDED and one not in lost
    }
    wanting = [name for name in arrival.destinations if name not in served]
    if (wanting or lost) and not twin.has_bytes:
        # The bytes have come back. What was lost for want of them goes with the new object.
        wanting += [one.destination for one in lost if one.destination not in wanting]
        stored = _insert(tx, arrival, "new", tuple(wanting))
        arrivals.follow_object(tx, twin.number, stored.number)
        tx.move_all(lost, Event.DISCARD, f"received again as object {stored.number}")
        if twin.place == PLACE_DAMAGED:
            tx.delete_bytes_if_finished(twin.number)
        return stored
    if wanting:
        _add_deliveries(tx, twin.number, arrival.priority, twin.size, wanting, arrival.origin.calling_ae)
    _end_doubts(tx, arrival, twin)
    if arrival.file is not None:
        tx.doomed.append(arrival.file)
    tx.tell(twin.number, "received-again", f"from {arrival.origin.calling_ae}, {arrival.origin.address}")
    return Stored(twin.number, "duplicate", twin.digest, twin.size)


def _end_doubts(tx: Transaction, arrival: Arrival, twin: _Known) -> None:
    """What was found without a row comes again from its sender: now it is known where it is to go."""
    doubted = {
        row[0]
        for row in tx.rows(
            "SELECT d.number FROM deliveries d JOIN objects o ON o.number = d.object "
            "WHERE d.object = ? AND d.state = ? AND d.cause = ? AND o.calling_ae = ?",
            twin.number,
            _HELD,
            CAUSE_REBUILT,
            arrival.origin.calling_ae,
        )
    }
    for one in twin.deliveries:
        if one.number not in doubted:
            continue
        if one.destination in arrival.destinations:
            tx.move(one, Event.UNHOLD)
        else:
            tx.move(one, Event.DISCARD, reason="received again, and not for this destination")


def _add_deliveries(
    tx: Transaction, number: int, priority: Priority, size: int, names: Sequence[str], calling_ae: str
) -> None:
    """More destinations for an object that is here; held with it when its identity is in doubt."""
    doubt = tx.one(
        "SELECT cause, reason FROM deliveries WHERE object = ? AND state = ? AND cause IN (?, ?)",
        number,
        _HELD,
        CAUSE_CONFLICT,
        CAUSE_CHECKING,
    )
    cause, reason = doubt or ("", "")
    kind, received_at = tx.rows("SELECT kind, received_at FROM deliveries WHERE object = ? LIMIT 1", number)[
        0
    ]
    for name in names:
        parcel = _Parcel(number, priority, size, calling_ae, kind, received_at)
        _add_delivery(tx, parcel, name, cause=cause, reason=reason)


def _put_conflict(tx: Transaction, arrival: Arrival, reason: str) -> Stored:
    stored = _insert(tx, arrival, "conflict", arrival.destinations, cause=CAUSE_CONFLICT, reason=reason)
    _alarm_conflict(tx, stored.number, reason)
    return stored


def _alarm_conflict(tx: Transaction, number: int, reason: str) -> None:
    """Ask a person to look at the object that is held."""
    tx.alarm(
        "spool.conflict",
        f"object {number} has {reason}. Both are kept and the second is held: "
        "export and compare them, then release or discard the held delivery",
        number,
    )


def _insert(
    tx: Transaction,
    arrival: Arrival,
    outcome: Outcome,
    destinations: tuple[str, ...],
    *,
    cause: str = "",
    reason: str = "",
) -> Stored:
    instance, origin = arrival.instance, arrival.origin
    cursor = tx.db.execute(
        "INSERT INTO objects (sop_class_uid, sop_instance_uid, transfer_syntax_uid, "
        "listener, address, calling_ae, called_ae, association, priority, digest, size, received_at, "
        "place, file, data_offset) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            instance.sop_class_uid,
            instance.sop_instance_uid,
            instance.transfer_syntax_uid,
            origin.listener,
            origin.address,
            origin.calling_ae,
            origin.called_ae,
            origin.association,
            int(arrival.priority),
            arrival.digest,
            arrival.size,
            arrival.received_at,
            PLACE_INLINE if arrival.file is None else PLACE_FILE,
            arrival.file,
            arrival.data_offset,
        ),
    )
    number = int(cursor.lastrowid or 0)
    if arrival.file is None:
        tx.db.execute("INSERT INTO inline (object, data) VALUES (?, ?)", (number, arrival.data))
    kind = tx.kinds.number(tx.db, instance.sop_class_uid, origin.calling_ae)
    parcel = _Parcel(number, arrival.priority, arrival.size, origin.calling_ae, kind, arrival.received_at)
    for name in destinations:
        _add_delivery(tx, parcel, name, cause=cause, reason=reason)
    return Stored(number, outcome, arrival.digest, arrival.size)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What a delivery copies from its object. `sender`: who sent it this time."""

    object: int
    priority: Priority
    size: int
    sender: str
    kind: int
    received_at: float


def _add_delivery(tx: Transaction, parcel: _Parcel, destination: str, *, cause: str, reason: str) -> None:
    """Add a delivery: queued, or held when there is a cause."""
    tx.db.execute(
        "INSERT INTO deliveries (object, destination, priority, size, state, cause, reason, updated_at, "
        "sender, kind, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            parcel.object,
            tx.destinations.number(tx.db, destination),
            int(parcel.priority),
            parcel.size,
            _HELD if cause else QUEUED,
            cause,
            reason,
            tx.now,
            parcel.sender,
            parcel.kind,
            parcel.received_at,
        ),
    )
    if not cause:
        tx.work.add(destination)


def _merge(tx: Transaction, number: int, twin: int, undecided: list[Delivery]) -> None:
    """Object `number` proved to have the content of object `twin`: only `twin` is delivered."""
    served = {one.destination for one in tx.deliveries_of(twin) if one.state is not DeliveryState.DISCARDED}
    arrivals.follow_object(tx, number, twin)
    tx.move_all(undecided, Event.DISCARD, f"same content as object {twin}")
    size, priority = tx.rows("SELECT size, priority FROM objects WHERE number = ?", twin)[0]
    calling_ae = tx.rows("SELECT calling_ae FROM objects WHERE number = ?", number)[0][0]
    wanting = [one.destination for one in undecided if one.destination not in served]
    _add_deliveries(tx, twin, Priority(priority), size, wanting, calling_ae)
    tx.write("UPDATE objects SET same_as = ? WHERE number = ?", twin, number)
    tx.tell(number, "merged", f"same content as object {twin}")
    tx.tell(twin, "received-again", f"in another transfer syntax, as object {number}")
    tx.delete_bytes_if_finished(number)


def conclude(tx: Transaction, number: int, twin: int | None, reason: str) -> None:
    """Write down how the comparison of object `number` ended; `twin` None: it is a conflict."""
    if tx.one("SELECT object FROM comparisons WHERE object = ?", number) is None:
        return  # a person decided in the meantime and the bytes are gone
    tx.write("DELETE FROM comparisons WHERE object = ?", number)
    checking = {
        row[0]
        for row in tx.rows(
            "SELECT number FROM deliveries WHERE object = ? AND state = ? AND cause = ?",
            number,
            _HELD,
            CAUSE_CHECKING,
        )
    }
    if not checking:
        return  # a person decided in the meantime
    if twin is not None and not _usable(tx, twin):
        twin, reason = None, f"the same SOP Instance UID as object {twin}, which was given up meanwhile"
    undecided = [one for one in tx.deliveries_of(number) if one.number in checking]
    if twin is not None:
        _merge(tx, number, twin, undecided)
        return
    tx.move_all(undecided, Event.HOLD, reason, CAUSE_CONFLICT)
    _alarm_conflict(tx, number, reason)


def _usable(tx: Transaction, number: int) -> bool:
    """Whether `number` can stand for its copies: its bytes are here and it was not given up."""
    row = tx.one("SELECT place FROM objects WHERE number = ?", number)
    if row is None or row[0] not in (PLACE_INLINE, PLACE_FILE):
        return False
    return any(one.state is not DeliveryState.DISCARDED for one in tx.deliveries_of(number))
