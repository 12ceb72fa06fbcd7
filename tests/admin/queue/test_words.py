"""The page has a sentence for every stable word of the gateway, and offers what the state table allows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import gateway.spool
from gateway.admin.queue import words
from gateway.delivery.classification import Cause
from gateway.model import DeliveryState
from gateway.operator import facts
from gateway.operator.advice import _HELD, advise
from gateway.spool import values
from gateway.spool.states import TRANSITIONS, Event
from tests.operator.test_advice import HELD_CAUSES, delivery

SPOOL_CAUSES = [value for name, value in vars(values).items() if name.startswith("CAUSE_")]


@pytest.mark.parametrize("word", [*(cause.value for cause in Cause), *SPOOL_CAUSES])
def test_every_cause_has_a_sentence(word: str) -> None:
    assert words.CAUSES[word].endswith(".")


@pytest.mark.parametrize("state", DeliveryState)
@pytest.mark.parametrize("link", [None, "offline", "online"])
@pytest.mark.parametrize("paused", [True, False])
def test_every_advice_has_a_sentence(state: DeliveryState, link: str | None, paused: bool) -> None:
    assert advise(delivery(state), "", link=link, paused=paused).code in words.NEXT_STEPS


def test_every_advice_about_what_is_held_has_a_sentence() -> None:
    assert {f"held-{cause}" for cause in (*_HELD, *HELD_CAUSES)} <= set(words.NEXT_STEPS)


def test_every_event_has_a_sentence() -> None:
    source = "".join(path.read_text() for path in Path(gateway.spool.__file__).parent.glob("*.py"))
    told = set(re.findall(r'tell\(\s*[\w.]+,\s*"([a-z-]+)"', source))
    told |= set(re.findall(r'Event\.\w+, "([a-z-]+)", who', source))
    assert len(told) > 8
    assert told <= set(words.EVENTS)


def test_every_state_and_priority_has_words() -> None:
    assert set(words.STATES) == set(words.POSSIBLE) == set(get_args(facts.State))
    assert set(words.PRIORITIES) == set(get_args(facts.PriorityName))
    assert set(words.STEP_STATES) == set(get_args(facts.StepStateName))
    assert set(words.STEP_MESSAGES) == set(get_args(facts.StepKindName))
    assert set(words.COMMITMENTS) == set(get_args(facts.CommitmentStateName))


@pytest.mark.parametrize("state", DeliveryState)
def test_what_is_offered_is_what_is_legal(state: DeliveryState) -> None:
    events = {"retry": Event.RETRY, "hold": Event.HOLD, "release": Event.UNHOLD, "discard": Event.DISCARD}
    legal = {action for action, event in events.items() if (state, event) in TRANSITIONS}
    assert set(words.POSSIBLE[state.value]) == legal
