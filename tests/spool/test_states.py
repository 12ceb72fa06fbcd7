"""The transition table of deliveries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalError
from gateway.model import DeliveryState
from gateway.spool.states import (
    CODE,
    FINISHED,
    TRANSITIONS,
    UNDELIVERED,
    Event,
    after,
    from_code,
)


def test_absent_cells_are_illegal() -> None:
    illegal = {(state, event) for state in DeliveryState for event in Event} - set(TRANSITIONS)
    assert len(illegal) == len(DeliveryState) * len(Event) - len(TRANSITIONS)
    for state, event in illegal:
        with pytest.raises(LocalError, match=f"a delivery that is {state} cannot {event.value}"):
            after(state, event)


def test_every_state_can_be_reached_and_every_event_has_a_use() -> None:
    assert {DeliveryState.QUEUED, *TRANSITIONS.values()} == set(DeliveryState)
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_nothing_leaves_a_finished_state() -> None:
    assert not [cell for cell in TRANSITIONS if cell[0] in FINISHED]


def test_the_codes_in_the_journal_never_change() -> None:
    assert [str(from_code(code)) for code in range(7)] == [
        "queued",
        "sending",
        "accepted",
        "confirmed",
        "held",
        "released",
        "discarded",
    ]
    assert all(from_code(CODE[state]) is state for state in DeliveryState)


def test_only_an_accepted_delivery_is_found_not_committed() -> None:
    """A person decides then: what is proved stays proved, and what is on its way was not asked about."""
    cells = {cell: after for cell, after in TRANSITIONS.items() if cell[1] is Event.NOT_COMMITTED}
    assert cells == {(DeliveryState.ACCEPTED, Event.NOT_COMMITTED): DeliveryState.HELD}


@given(st.lists(st.sampled_from(Event), max_size=40))
def test_bytes_go_only_after_delivery_or_by_a_decision(events: list[Event]) -> None:
    """Whatever happens, in whatever order: `released` means that a destination had accepted before, and an
    undelivered one leaves the spool only because it was discarded."""
    state = DeliveryState.QUEUED
    accepted_since_queued = False
    for event in events:
        if (state, event) not in TRANSITIONS:
            continue
        before, state = state, after(state, event)
        if state is DeliveryState.QUEUED:
            accepted_since_queued = False
        if event is Event.ACCEPT:
            accepted_since_queued = True
        if state is DeliveryState.RELEASED:
            assert accepted_since_queued
            assert event is Event.EXPIRE
        if before in UNDELIVERED and state in FINISHED:
            assert event is Event.DISCARD
        if state is DeliveryState.ACCEPTED and before is not DeliveryState.ACCEPTED:
            assert before is DeliveryState.SENDING
