"""What each way of failing means for the object and for the destination. Pure: the policy as a table.

Two questions decide everything. Is it the object's fault or the destination's? Could it pass by itself?

- the destination's (`Scope.LINK`): the object goes back to queued, unblamed, and the circuit breaker decides
  when to knock again. A misconfigured centre must never turn a queue of thousands into thousands of held
  objects.
- the object's, and it may pass (`Remedy.RETRY`, `BUSY`): back to queued, later, one attempt spent.
- the object's, and it cannot pass (`Remedy.HOLD`): held for a person, with plain words.

A delivery is never dropped: no row of the table has that outcome.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.delivery.policy import DeliveryPolicy
from gateway.errors import Conflict, DeliveryFailure, PermanentFailure, TransientFailure


class Cause(enum.StrEnum):
    """Why a delivery did not happen. The value is stored in the journal and shown to operators: stable."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    REJECTED_PERMANENT = "association-rejected"
    REJECTED_TRANSIENT = "association-rejected-for-now"
    NO_ASSOCIATION = "no-association"
    STALE = "stale-association"
    ABORTED = "aborted"
    LOST = "connection-lost"
    TIMEOUT = "no-answer"
    VIOLATION = "protocol-violation"
    STOPPED = "stopped"
    NO_CONTEXT = "not-accepted"
    NOT_CONVERTIBLE = "not-convertible"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    LOCAL = "local-trouble"
    RESOURCES = "out-of-resources"
    PROCESSING = "processing-failure"
    BUSY = "busy"
    REFUSED = "refused"
    CONFLICT = "conflict"
    UNKNOWN_STATUS = "unknown-status"
    POISON = "cuts-association"


class Scope(enum.Enum):
    """Whose fault it is."""

    OBJECT = enum.auto()
    LINK = enum.auto()


class Remedy(enum.Enum):
    """What to do with the object, or with the destination when the scope is LINK."""

    AT_ONCE = enum.auto()  # not a failure at all: try again without delay or blame
    RETRY = enum.auto()  # exponential backoff; for an object, slow pace after max_attempts
    SLOW = enum.auto()  # a slow, even pace: somebody has to change something at the other side
    BUSY = enum.auto()  # retried busy_attempts times, then held
    HOLD = enum.auto()  # a person decides


class Strike(enum.Enum):
    """Whether the way it failed makes the object suspect of causing it (see poison.py)."""

    NONE = enum.auto()
    ABORT = enum.auto()
    LOSS = enum.auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the policy table."""

    scope: Scope
    remedy: Remedy
    strike: Strike = Strike.NONE
    pauses: bool = False  # several different objects in a row pause the whole destination
    counts: bool = False  # the attempt counts against the object


_LINK, _OBJECT = Scope.LINK, Scope.OBJECT

POLICY: Mapping[Cause, Rule] = {
    # The destination as a whole. Nothing is known against the object.
    Cause.UNREACHABLE: Rule(_LINK, Remedy.RETRY),
    Cause.TLS: Rule(_LINK, Remedy.RETRY),
    Cause.REJECTED_PERMANENT: Rule(_LINK, Remedy.SLOW),
    Cause.REJECTED_TRANSIENT: Rule(_LINK, Remedy.RETRY),
    Cause.NO_ASSOCIATION: Rule(_LINK, Remedy.RETRY),
    # An association ended under an object. Perhaps the link, perhaps the object: both are watched.
    Cause.STALE: Rule(_OBJECT, Remedy.AT_ONCE),  # the peer had closed a warm association before we reused it
    Cause.ABORTED: Rule(_OBJECT, Remedy.RETRY, Strike.ABORT),
    Cause.TIMEOUT: Rule(_OBJECT, Remedy.RETRY, Strike.ABORT),
    Cause.VIOLATION: Rule(_OBJECT, Remedy.RETRY, Strike.ABORT),
    Cause.LOST: Rule(_OBJECT, Remedy.RETRY, Strike.LOSS),
    Cause.STOPPED: Rule(_OBJECT, Remedy.AT_ONCE),  # we stopped; the next start sends it
    # The peer answered no, and may answer yes later.
    Cause.RESOURCES: Rule(_OBJECT, Remedy.RETRY, pauses=True, counts=True),
    Cause.PROCESSING: Rule(_OBJECT, Remedy.RETRY, pauses=True, counts=True),
    Cause.BUSY: Rule(_OBJECT, Remedy.BUSY, counts=True),
    # The peer answered no, and means it; or the object cannot be sent as it is.
    Cause.NO_CONTEXT: Rule(_OBJECT, Remedy.HOLD, counts=True),
    Cause.NOT_CONVERTIBLE: Rule(_OBJECT, Remedy.HOLD, counts=True),
    Cause.REFUSED: Rule(_OBJECT, Remedy.HOLD, counts=True),
    Cause.CONFLICT: Rule(_OBJECT, Remedy.HOLD, counts=True),
    Cause.UNKNOWN_STATUS: Rule(_OBJECT, Remedy.HOLD, counts=True),
    Cause.POISON: Rule(_OBJECT, Remedy.HOLD, counts=True),
    # We are at fault: our copy is damaged (it must not reach the centre), the disk does not give it back, or
    # there is other trouble at our side.
    Cause.DAMAGED: Rule(_OBJECT, Remedy.HOLD, counts=True),
    Cause.UNREADABLE: Rule(_OBJECT, Remedy.BUSY, counts=True),
    Cause.LOCAL: Rule(_OBJECT, Remedy.RETRY, counts=True),
}


@dataclass(frozen=True, slots=True)
class StatusRow:
    """What C-STORE response statuses `first` to `last` mean: accepted (cause None) or a cause."""

    first: int
    last: int
    cause: Cause | None
    words: str


# PS3.4 Table B.2-1 and PS3.7 Annex C. The first row that contains the status decides.
STATUSES: tuple[StatusRow, ...] = (
    StatusRow(0x0000, 0x0000, None, "success"),
    StatusRow(0x0001, 0x0001, None, "stored; some optional attributes are not supported"),
    StatusRow(0x0107, 0x0107, None, "stored; some attributes were not recognized"),
    StatusRow(0x0116, 0x0116, None, "stored; an attribute value was out of range"),
    StatusRow(0xB000, 0xB000, None, "stored; the destination changed some data elements (coercion)"),
    StatusRow(0xB006, 0xB006, None, "stored; the destination discarded some elements"),
    StatusRow(0xB007, 0xB007, None, "stored; the data set does not match its SOP class"),
    StatusRow(0xB000, 0xBFFF, None, "stored with a warning"),
    StatusRow(0xA700, 0xA7FF, Cause.RESOURCES, "the destination is out of resources"),
    StatusRow(0x0110, 0x0110, Cause.PROCESSING, "the destination failed to process the object"),
    StatusRow(0x0213, 0x0213, Cause.RESOURCES, "the destination reached a resource limit"),
    StatusRow(
        0xA900, 0xA9FF, Cause.REFUSED, "the data set does not match its SOP class, says the destination"
    ),
    StatusRow(0xC000, 0xCFFF, Cause.REFUSED, "the destination cannot understand the data set"),
    StatusRow(0x0111, 0x0111, Cause.CONFLICT, "the destination already has an object with this identity"),
    StatusRow(0x0112, 0x0112, Cause.REFUSED, "no such object instance, says the destination"),
    StatusRow(0x0117, 0x0117, Cause.REFUSED, "the SOP Instance UID is not valid, says the destination"),
    StatusRow(0x0118, 0x0118, Cause.REFUSED, "no such SOP class, says the destination"),
    StatusRow(0x0119, 0x0119, Cause.REFUSED, "the class and the instance do not match, says the destination"),
    StatusRow(0x0120, 0x0120, Cause.REFUSED, "an attribute is missing, says the destination"),
    StatusRow(0x0121, 0x0121, Cause.REFUSED, "an attribute value is missing, says the destination"),
    StatusRow(0x0122, 0x0122, Cause.REFUSED, "the destination does not support this SOP class"),
    StatusRow(0x0124, 0x0124, Cause.REFUSED, "the destination does not authorize this"),
)


@dataclass(frozen=True, slots=True)
class Classified:
    """The meaning of one status: `cause` is None when the peer has the object."""

    cause: Cause | None
    words: str


def classify_status(status: int, policy: DeliveryPolicy) -> Classified:
    """Say what a C-STORE response status means. An unknown one is a failure: success is never assumed."""
    if status in policy.busy_statuses:
        return Classified(Cause.BUSY, f"the destination refused for now (0x{status:04X})")
    for row in STATUSES:
        if row.first <= status <= row.last:
            words = row.words if status == 0 else f"{row.words} (0x{status:04X})"
            return Classified(row.cause, words)
    return Classified(
        Cause.UNKNOWN_STATUS, f"the destination answered with an unknown status (0x{status:04X})"
    )


def failure(cause: Cause, reason: str, *, status: int | None = None, detail: str = "") -> DeliveryFailure:
    """Return the failure of `cause`: its class and its scope follow from the policy table."""
    rule = POLICY[cause]
    link = rule.scope is Scope.LINK
    if cause is Cause.CONFLICT:
        return Conflict(reason, status=status, link=link, cause=cause, detail=detail)
    kind = PermanentFailure if rule.remedy is Remedy.HOLD else TransientFailure
    return kind(reason, status=status, link=link, cause=cause, detail=detail)
