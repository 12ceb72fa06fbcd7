"""What the spool hands out and takes in: frozen values, no behaviour beyond small conveniences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

from gateway.model import Delivery, DeliveryState, Priority, Receipt, StoredObject

Outcome = Literal["new", "duplicate", "conflict", "checking"]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
DAY = 86400.0

CAUSE_CONFLICT = "conflict"
"""Held: the same SOP Instance UID is here with other content."""
CAUSE_CHECKING = "checking"
"""Held for a moment: the same SOP Instance UID is here in another transfer syntax; being compared."""
CAUSE_MISSING = "missing"
"""Held: the journal names the object, but its bytes are not on the disk any more."""
CAUSE_DAMAGED = "damaged"
"""Held: the bytes on the disk are not those that were received. They are kept as evidence, never sent."""
CAUSE_UNREADABLE = "unreadable"
"""Held: the disk does not give the bytes back. Trying again is for a person, when the disk is well."""
CAUSE_REBUILT = "rebuilt"
"""Held: found again when the journal was rebuilt, without what was known of its delivery."""
CAUSE_OPERATOR = "operator"
"""Held because a person said so."""
CAUSE_NOT_COMMITTED = "not-committed"
"""Held: the destination had accepted it, and says now that it does not have it."""
CAUSE_AT_HUB = "at-hub"
"""Accepted: the hub has it durably; what its destination says is not known yet."""
CAUSE_HELD_AT_HUB = "held-at-hub"
"""Accepted: the hub has it and holds it for a person there."""
CAUSE_DISCARDED_AT_HUB = "discarded-at-hub"
"""Accepted: the hub had it, and a person there has decided that it is not to be delivered."""
CAUSE_KEPT_OTHER = "kept-other"
"""Held: the destination had accepted it, and keeps another object under the same SOP Instance UID."""
TO_COMPARE = "to-compare"
"""Accepted: the destination has committed it; whether what it keeps is this object is to be seen yet."""

COUNT_MOST = 1000
"""How far unsettled deliveries are counted: more is as bad."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Every bound of the spool. Bytes and seconds unless said otherwise."""

    inline_max: int = 64 * KIB
    """Objects up to this size live in the journal row itself; larger ones in a file of their own."""
    quota_bytes: int | None = None
    """What the kept objects may take together; None: as much as the filesystem has."""
    reserve_bytes: int = 64 * MIB
    """Room that only treatment records may use: images are refused before it is touched."""
    floor_bytes: int = 16 * MIB
    """Room that no object may use: the journal needs it to settle deliveries and to make room again."""
    min_free_inodes: int = 1000
    """Files are refused below this many free inodes; a treatment record may go on to a tenth of it."""
    max_object_bytes: int = 16 * GIB
    """Larger objects are refused while they arrive."""
    max_pending_bytes: int = 1 * MIB
    """Received bytes of one object that wait in memory for the disk; above it `pressure` is true."""
    max_pending_total_bytes: int = 32 * MIB
    """The same for all objects together."""
    file_threads: int = 4
    """Threads that write, hash and sync object files (a number, not bytes)."""
    retention_seconds: float = 7 * DAY
    """How long the bytes of a delivered object are kept."""
    history_rows: int = 100_000
    """Objects without bytes whose rows are kept as history (a number)."""
    history_seconds: float = 400 * DAY
    """How long they are kept."""
    history_events: int = 50
    """Events kept for one object (a number); the oldest go first."""
    max_compare_bytes: int = 16 * MIB
    """Larger objects are not compared across transfer syntaxes: a person decides."""
    max_retry_seconds: float = 5400.0
    """No delivery waits longer than this for its next attempt, whatever the clock did meanwhile."""
    max_wait_seconds: float = DAY
    """The same for questions about commitment, reports, and procedure steps."""
    max_open_commitments: int = 1000
    """Transactions of consoles that are not reported yet (a number); further requests are refused."""
    max_commitment_items: int = 10_000
    """Instances that one transaction may name (a number)."""
    max_open_items: int = 200_000
    """Instances, times destinations, that all transactions not reported yet may name (a number)."""
    commitment_again_seconds: float = 300.0
    """How long an instance that an answer did not name waits before it may be asked about again."""
    commitment_history_rows: int = 1000
    """Finished transactions that are kept, to report them once more when asked (a number)."""
    commitment_history_items: int = 100_000
    """Their instances, times destinations (a number)."""
    commitment_history_seconds: float = 30 * DAY
    """How long they are kept."""
    ask_history_rows: int = 1000
    """Questions that were answered or put off and are remembered for a late answer (a number)."""
    ask_history_seconds: float = 30 * DAY
    """How long they are remembered."""
    max_steps: int = 10_000
    """Procedure steps that wait or are held (a number); further ones are refused."""
    max_step_bytes: int = 64 * MIB
    """What their data sets may take together."""
    step_history_rows: int = 10_000
    """Finished procedure steps whose rows are kept as history (a number)."""
    step_history_seconds: float = 30 * DAY
    """How long they are kept."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The object is durable. Only now may success be answered.

    `number` is the journal number under which it is kept; for a duplicate, that of the first copy.
    """

    number: int
    outcome: Outcome
    digest: bytes  # SHA-256 of the data set
    size: int  # bytes of the data set


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed delivery (its state is `sending`) with what is to be sent.

    `data` is the whole data set when the object is small enough to live in the journal; None when it is
    to be read through `Spool.open_data`.
    """

    delivery: Delivery
    object: StoredObject
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination answered success or a warning: `sending` becomes `accepted`."""

    delivery: int
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt failed, apart from words: what translates, and what the peer said itself."""

    cause: str = ""  # stable word
    status: int | None = None  # DIMSE status, when there was an answer
    said: str = ""  # the peer's own words; they may quote patient data


NO_ANSWER = Answer()


@dataclass(frozen=True, slots=True)
class PutBack:
    """Try again: `sending` becomes `queued`, due at `not_before` (wall clock; 0: at once).

    `counts_attempt` is False when the object was not to blame or was never offered (link down, shutdown).
    """

    delivery: int
    not_before: float
    reason: str
    counts_attempt: bool = True
    answer: Answer = NO_ANSWER


@dataclass(frozen=True, slots=True)
class Hold:
    """Trying again by itself cannot help: `sending` becomes `held`. `cause` is a short stable word."""

    delivery: int
    reason: str
    cause: str
    answer: Answer = NO_ANSWER


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Proof beyond the peer's success status: `accepted` becomes `confirmed`. `how` says which proof."""

    delivery: int
    how: str


Settlement = Accepted | PutBack | Hold | Confirmed


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One line of a listing."""

    delivery: Delivery
    object: StoredObject
    cause: str  # why it is held, as a short stable word; empty unless held


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """Something that happened to an object after it was stored. `delivery` 0: to the object as a whole."""

    at: float
    delivery: int
    what: str  # stable word: "received-again", "put-back", "held", "retried", "discarded", ...
    detail: str
    who: str = ""  # the operator who did it; empty when the gateway did
    cause: str = ""  # why an attempt failed, as a stable word; empty when it was no attempt
    status: int | None = None  # the DIMSE status of the answer, if there was one
    said: str = ""  # the peer's own words


@dataclass(frozen=True, slots=True)
class DeliveryStory:
    """All that is known of one delivery and of the object it carries."""

    delivery: Delivery
    cause: str
    object: StoredObject
    bytes_kept: bool
    deliveries: tuple[Delivery, ...]  # of the same object, to every destination, this one included
    receipts: tuple[tuple[int, Receipt], ...]  # (delivery number, receipt), oldest first
    history: tuple[HistoryEvent, ...]  # oldest first
    commitment: str = "not-asked"  # "asked" and unanswered since it was accepted, "put-off", or "comparing"


@dataclass(frozen=True, slots=True)
class SummaryCell:
    """Deliveries to one destination in one state and of one priority."""

    destination: str
    state: DeliveryState
    priority: Priority
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SpoolSummary:
    """The spool at a glance; its cost does not depend on how much is queued."""

    cells: tuple[SummaryCell, ...]  # without empty ones
    oldest: Mapping[str, Mapping[Priority, float]]  # destination -> received_at of the oldest undelivered
    objects: int  # whose bytes are kept
    bytes: int  # that they take
    disk_free: int
    disk_total: int
    inodes_free: int | None  # None: the filesystem has no fixed number
    room: Mapping[Priority, int]  # bytes that an object of this priority may still use
    at_hub: Mapping[str, int] = field(default_factory=dict)  # destination -> accepted by the hub only

    def oldest_of(self, destination: str, most: Priority = Priority.BULK) -> float | None:
        """When the oldest object queued, sending or held, as urgent as `most` or more, was received."""
        known = self.oldest.get(destination, {})
        return min((at for priority, at in known.items() if priority <= most), default=None)

    def count(
        self,
        *states: DeliveryState,
        destination: str | None = None,
        priority: Priority | None = None,
    ) -> int:
        """Deliveries in any of `states` (none named: in every state), narrowed as asked."""
        return sum(
            cell.count
            for cell in self.cells
            if (not states or cell.state in states)
            and destination in (None, cell.destination)
            and priority in (None, cell.priority)
        )


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Deliveries that their destinations have not accepted yet.

    `count` stops at COUNT_MOST. `newest` is the number of the newest object, whoever sent it; 0: none.
    """

    count: int
    newest: int


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What `Spool.open` found and put right."""

    created: bool  # there was no spool here before
    objects: int  # whose bytes are kept
    requeued: int  # deliveries that were `sending` when the process ended
    leftovers: int  # files without a row: removed
    missing: tuple[int, ...]  # objects whose bytes are gone: held, alarmed (the first hundred)
    checks: int  # comparisons to be taken up again
    seconds: float


@dataclass(frozen=True, slots=True)
class ExpireReport:
    """What `Spool.expire` did."""

    released: int  # deliveries
    objects: int  # whose bytes were deleted
    bytes: int
    history: int  # objects whose rows were dropped


class DataReader(Protocol):
    """The data set of one object, exactly as received. Blocking: for a thread, or for small objects."""

    @property
    def size(self) -> int:
        """Bytes of the data set."""

    def read(self, n: int) -> bytes:
        """Return the next `n` bytes, fewer at the end, b"" after it; SpoolFailure when the disk fails."""

    def pread(self, n: int, offset: int) -> bytes:
        """Return up to `n` bytes from `offset`, without moving the read position."""

    def close(self) -> None:
        """Let go of the file. May be called twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class IncomingObject(Protocol):
    """An object that is arriving: write, write, ..., then commit or abandon. For the event loop thread."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    @property
    def pressure(self) -> bool:
        """True while more bytes wait for the disk than allowed: stop reading, await `drained`."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a copy of `data`; never waits for the disk.

        Raises NoRoom when a mark would be passed, SpoolFailure when the disk failed or the object is too
        large; the object is abandoned then, and the caller answers and forgets it.
        """

    async def drained(self) -> None:
        """Return when `pressure` has gone (or the object failed: the next call says so)."""

    async def commit(self) -> Stored:
        """Make the object durable. Success may be answered after, and only after, this returns.

        Raises NoRoom or SpoolFailure; nothing is kept then. Cancelling the wait does not undo the commit.
        """

    def abandon(self) -> None:
        """Forget the object: the peer went away. Harmless after commit, failure or abandon."""
