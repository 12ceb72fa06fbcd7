"""The states of a delivery and the moves between them, as data. An absent cell is an illegal move.

                      ┌────── PUT_BACK, RECOVER ──────┐
                      ▼                               │
    (stored) ──▶ queued ────────── CLAIM ────────▶ sending ── ACCEPT ──▶ accepted ── CONFIRM ──▶ confirmed
                 │    ▲                               │                   │ │                        │
     HOLD, LOSE  │    │ UNHOLD, RETRY        REJECT   │                   │ └───────── EXPIRE ───────┤
                 ▼    │                               │     NOT_COMMITTED │                          ▼
                 held ◀───────────────────────────────┴───────────────────┘                       released
                   │
    (also queued)  └─ DISCARD ──▶ discarded         RETRY also leads from accepted and confirmed to queued

Pure: the journal asks `after` before each write, and nothing else may change a state.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from gateway.errors import LocalError
from gateway.model import DeliveryState as S


class Event(enum.Enum):
    """Why a delivery may change its state."""

    CLAIM = "claim"  # the courier takes it
    ACCEPT = "accept"  # the destination answered success or a warning
    CONFIRM = "confirm"  # there is proof beyond that answer
    NOT_COMMITTED = "be found missing at its destination"  # which had answered success: a person decides
    PUT_BACK = "put back"  # the attempt failed, another will be made
    REJECT = "reject"  # the attempt failed for good: a person has to decide
    RECOVER = "recover"  # the process ended during the attempt
    HOLD = "hold"  # a person, or an identity that has to be looked at, keeps it back
    UNHOLD = "release"  # a person lets it go
    RETRY = "retry"  # a person wants it sent now, or again
    LOSE = "lose"  # its bytes are not on the disk any more
    DISCARD = "discard"  # a person gives it up, or it is the same as another
    EXPIRE = "expire"  # the retention is over: the bytes may go


TRANSITIONS: Mapping[tuple[S, Event], S] = MappingProxyType(
    {
        (S.QUEUED, Event.CLAIM): S.SENDING,
        (S.QUEUED, Event.HOLD): S.HELD,
        (S.QUEUED, Event.RETRY): S.QUEUED,
        (S.QUEUED, Event.LOSE): S.HELD,
        (S.QUEUED, Event.DISCARD): S.DISCARDED,
        (S.SENDING, Event.ACCEPT): S.ACCEPTED,
        (S.SENDING, Event.PUT_BACK): S.QUEUED,
        (S.SENDING, Event.REJECT): S.HELD,
        (S.SENDING, Event.RECOVER): S.QUEUED,
        (S.HELD, Event.HOLD): S.HELD,
        (S.HELD, Event.UNHOLD): S.QUEUED,
        (S.HELD, Event.RETRY): S.QUEUED,
        (S.HELD, Event.LOSE): S.HELD,
        (S.HELD, Event.DISCARD): S.DISCARDED,
        (S.ACCEPTED, Event.CONFIRM): S.CONFIRMED,
        (S.ACCEPTED, Event.NOT_COMMITTED): S.HELD,
        (S.ACCEPTED, Event.RETRY): S.QUEUED,
        (S.ACCEPTED, Event.EXPIRE): S.RELEASED,
        (S.CONFIRMED, Event.RETRY): S.QUEUED,
        (S.CONFIRMED, Event.EXPIRE): S.RELEASED,
    }
)

FINISHED = frozenset({S.RELEASED, S.DISCARDED})
"""Nothing will ever need the bytes for these."""

UNDELIVERED = frozenset({S.QUEUED, S.SENDING, S.HELD})
"""The destination has not taken it yet: the bytes must stay."""

_CODES = (S.QUEUED, S.SENDING, S.ACCEPTED, S.CONFIRMED, S.HELD, S.RELEASED, S.DISCARDED)
CODE: Mapping[S, int] = MappingProxyType({state: code for code, state in enumerate(_CODES)})
"""How the journal writes a state (FORMAT.md). Never renumber."""


def from_code(code: int) -> S:
    """Return the state that the journal writes as `code`."""
    return _CODES[code]


def after(state: S, event: Event) -> S:
    """Return the state that follows `state` on `event`; LocalError when that is no legal move."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise LocalError(f"a delivery that is {state} cannot {event.value}") from None
