from __future__ import annotations

import re

import pytest

from gateway.delivery.classification import POLICY, Cause, Remedy
from gateway.model import Delivery, DeliveryState, Priority
from gateway.operator.advice import Advice, advise
from gateway.spool import values

HELD_CAUSES = [
    *(cause for cause, rule in POLICY.items() if rule.remedy in (Remedy.HOLD, Remedy.BUSY)),
    values.CAUSE_CONFLICT, values.CAUSE_CHECKING, values.CAUSE_MISSING, values.CAUSE_OPERATOR,
    values.CAUSE_NOT_COMMITTED, values.CAUSE_KEPT_OTHER,
]  # fmt: skip


def delivery(state: DeliveryState) -> Delivery:
    return Delivery(7, 7, "oncology", Priority.RECORD, state, 0, 0.0, "", 0.0)


def next_step(of: Delivery, cause: str, *, link: str | None, paused: bool) -> str:
    return advise(of, cause, link=link, paused=paused).words


@pytest.mark.parametrize("cause", HELD_CAUSES)
def test_every_cause_of_holding_has_advice_of_its_own(cause: str) -> None:
    words = next_step(delivery(DeliveryState.HELD), cause, link="online", paused=False)
    assert words != next_step(delivery(DeliveryState.HELD), "no such cause", link="online", paused=False)
    assert all(number == "7" for number in re.findall(r"queue \w+ (\S+)", words))


@pytest.mark.parametrize("state", DeliveryState)
def test_every_state_has_advice(state: DeliveryState) -> None:
    assert next_step(delivery(state), "", link="online", paused=False).endswith((".", "discard 7"))


def test_a_waiting_delivery_is_explained_by_its_link() -> None:
    queued = delivery(DeliveryState.QUEUED)
    assert "queue resume oncology" in next_step(queued, "", link="offline", paused=True)
    assert "echo oncology" in next_step(queued, "", link="offline", paused=False)
    assert "on its way" in next_step(queued, "", link="online", paused=False)


def test_a_destination_that_is_gone_comes_first() -> None:
    assert "into the configuration" in next_step(
        delivery(DeliveryState.HELD), "conflict", link=None, paused=False
    )
    assert "arrived" in next_step(delivery(DeliveryState.CONFIRMED), "", link=None, paused=False)


def test_causes_are_known_words() -> None:
    assert set(Cause) & {values.CAUSE_CONFLICT} == {Cause.CONFLICT}


@pytest.mark.parametrize("cause", HELD_CAUSES)
def test_a_cause_is_in_the_code(cause: str) -> None:
    assert advise(delivery(DeliveryState.HELD), cause, link="online", paused=False).code == f"held-{cause}"
    strange = advise(delivery(DeliveryState.HELD), "<b>", link="online", paused=False)
    assert strange.code == "held-otherwise"
    arrived = advise(delivery(DeliveryState.CONFIRMED), "", link="online", paused=False)
    assert arrived == Advice("arrived", "Nothing to do: it has arrived.")


@pytest.mark.parametrize(("verifies", "code"), [(True, "to-be-verified"), (False, "not-verified")])
def test_what_is_only_accepted_is_not_called_arrived(verifies: bool, code: str) -> None:
    accepted = advise(delivery(DeliveryState.ACCEPTED), "", link="online", paused=False, verifies=verifies)
    assert accepted.code == code
    assert "ccepted, not verified" in accepted.words
