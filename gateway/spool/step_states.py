"""The states of a queued procedure step and the moves between them, as data.

    (stored) ──▶ queued ── DONE ──▶ done          the destination accepted it
                 │ ▲  └─── REFUSE ─▶ refused       it refused, and the console was told
            HOLD │ │ RETRY
                 ▼ │                               DISCARD leads from queued and held to discarded,
                 held                              PUT_BACK and RETRY from queued to queued

An absent cell is an illegal move. Pure.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from gateway.errors import LocalError
from gateway.spool.step_values import StepState as S


class StepEvent(enum.Enum):
    """Why a step may change its state."""

    DONE = "be done"
    PUT_BACK = "be put back"
    REFUSE = "be refused"
    HOLD = "be held"
    RETRY = "be retried"
    DISCARD = "be discarded"


STEP_TRANSITIONS: Mapping[tuple[S, StepEvent], S] = MappingProxyType(
    {
        (S.QUEUED, StepEvent.DONE): S.DONE,
        (S.QUEUED, StepEvent.PUT_BACK): S.QUEUED,
        (S.QUEUED, StepEvent.REFUSE): S.REFUSED,
        (S.QUEUED, StepEvent.HOLD): S.HELD,
        (S.QUEUED, StepEvent.RETRY): S.QUEUED,
        (S.QUEUED, StepEvent.DISCARD): S.DISCARDED,
        (S.HELD, StepEvent.RETRY): S.QUEUED,
        (S.HELD, StepEvent.DISCARD): S.DISCARDED,
    }
)

STEP_CODE: Mapping[S, int] = MappingProxyType(
    {state: code for code, state in enumerate((S.QUEUED, S.HELD, S.DONE, S.REFUSED, S.DISCARDED))}
)
"""How the journal writes a state (FORMAT.md). Never renumber."""

_STATES = {code: state for state, code in STEP_CODE.items()}


def step_state(code: int) -> S:
    """Return the state that the journal writes as `code`."""
    return _STATES[code]


def step_after(state: S, event: StepEvent) -> S:
    """Return the state that follows; LocalError when that is no legal move."""
    try:
        return STEP_TRANSITIONS[state, event]
    except KeyError:
        raise LocalError(f"a procedure step that is {state} cannot {event.value}") from None
