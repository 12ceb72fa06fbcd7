"""The transition table of procedure steps."""

from __future__ import annotations

import pytest

from gateway.errors import LocalError
from gateway.spool.step_states import STEP_CODE, STEP_TRANSITIONS, StepEvent, step_after, step_state
from gateway.spool.step_values import StepState


def test_absent_cells_are_illegal() -> None:
    for state in StepState:
        for event in StepEvent:
            if (state, event) not in STEP_TRANSITIONS:
                with pytest.raises(LocalError, match=f"that is {state} cannot {event.value}"):
                    step_after(state, event)


def test_every_state_can_be_reached_and_every_event_has_a_use() -> None:
    assert {StepState.QUEUED, *STEP_TRANSITIONS.values()} == set(StepState)
    assert {event for _, event in STEP_TRANSITIONS} == set(StepEvent)


def test_only_what_waits_or_is_held_moves() -> None:
    assert {state for state, _ in STEP_TRANSITIONS} == {StepState.QUEUED, StepState.HELD}


def test_a_held_step_moves_by_a_person_only() -> None:
    assert {event for state, event in STEP_TRANSITIONS if state is StepState.HELD} == {
        StepEvent.RETRY,
        StepEvent.DISCARD,
    }


def test_the_codes_in_the_journal_never_change() -> None:
    assert [str(step_state(code)) for code in range(5)] == ["queued", "held", "done", "refused", "discarded"]
    assert all(step_state(STEP_CODE[state]) is state for state in StepState)
