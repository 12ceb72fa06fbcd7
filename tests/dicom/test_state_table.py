"""Table 9-10, cell by cell, against the independent transcription in pynetdicom."""

from __future__ import annotations

from pynetdicom.fsm import ACTIONS, TRANSITION_TABLE

from gateway.dicom.pdu import PDU_NAMES
from gateway.dicom.state_table import EVENT_OF_PDU, NEXT_STATES, TRANSITIONS, Action, Evt, State


def test_every_cell_is_the_one_pynetdicom_has() -> None:
    ours = {(f"Evt{event}", f"Sta{state}"): action.value for (event, state), action in TRANSITIONS.items()}
    assert ours == TRANSITION_TABLE


def test_every_state_event_and_action_is_used() -> None:
    assert {state for _, state in TRANSITIONS} == set(State)
    assert {event for event, _ in TRANSITIONS} == set(Evt)
    assert set(TRANSITIONS.values()) == set(Action)


def test_every_action_ends_where_the_standard_says() -> None:
    for name, (_words, _function, following) in ACTIONS.items():
        states = {following} if isinstance(following, str) else set(following)
        assert {f"Sta{state}" for state in NEXT_STATES[Action(name)]} == states, name


def test_every_pdu_type_is_an_event() -> None:
    assert EVENT_OF_PDU.keys() == PDU_NAMES.keys()
    assert [int(EVENT_OF_PDU[kind]) for kind in range(1, 8)] == [6, 3, 4, 10, 12, 13, 16]
