from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.classification import POLICY, Scope
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.web.answers import FAILED, REFERENCED
from gateway.delivery.web.outcomes import Stored, Verdict, http_words, of_object, of_request

POLICY_OF_NUMBERS = DeliveryPolicy()


def said(tag: str, reason_tag: str, status: int) -> bytes:
    item = {"00081155": {"Value": ["1.2"]}, reason_tag: {"Value": [status]}}
    return json.dumps({tag: {"Value": [item]}}).encode()


@given(st.integers(100, 599))
def test_what_is_said_of_the_destination_is_the_destination_s(status: int) -> None:
    verdict = of_request(status)
    if verdict is not None:
        assert POLICY[verdict.cause].scope is Scope.LINK
        assert str(status) in verdict.words
    assert verdict is None or status not in (200, 202, 400, 409, 413, 415, 500)


@given(st.integers(100, 599), st.lists(st.sampled_from(["1.2", "1.3", "1.4"]), min_size=1, unique=True))
def test_without_a_word_nothing_is_taken_for_stored(status: int, uids: list[str]) -> None:
    found = of_object(status, b"", uids, POLICY_OF_NUMBERS)
    assert set(found) == set(uids)
    if len(uids) > 1:
        assert set(found.values()) == {None}
    else:
        verdict = found[uids[0]]
        assert isinstance(verdict, Verdict)
        assert POLICY[verdict.cause].scope is Scope.OBJECT


@pytest.mark.parametrize("status", [200, 202, 409])
@pytest.mark.parametrize("warning", [0, 0xB000, 0xB007])
def test_what_was_stored(status: int, warning: int) -> None:
    body = said(REFERENCED, "00081196", warning)
    assert of_object(status, body, ["1.2", "1.3"], POLICY_OF_NUMBERS) == {"1.2": Stored(warning), "1.3": None}


def test_a_body_counts_only_where_the_status_lets_it() -> None:
    body = said(REFERENCED, "00081196", 0)
    found = of_object(400, body, ["1.2"], POLICY_OF_NUMBERS)["1.2"]
    assert isinstance(found, Verdict)
    assert found.cause == "refused"


@pytest.mark.parametrize(
    ("tag", "reason_tag", "status", "cause"),
    [
        (FAILED, "00081197", 0xA700, "out-of-resources"),
        (FAILED, "00081197", 0x0110, "processing-failure"),
        (FAILED, "00081197", 0xC000, "busy"),
        (FAILED, "00081197", 0xC122, "not-accepted"),
        (FAILED, "00081197", 0x0000, "unknown-status"),  # a failure all the same
        (FAILED, "00081197", 0xB000, "unknown-status"),
        (REFERENCED, "00081196", 0x1234, "unknown-status"),  # a warning nobody knows
        (REFERENCED, "00081196", 0xC122, "refused"),
    ],
)
def test_what_was_not(tag: str, reason_tag: str, status: int, cause: str) -> None:
    found = of_object(202, said(tag, reason_tag, status), ["1.2"], POLICY_OF_NUMBERS)["1.2"]
    assert isinstance(found, Verdict)
    assert found.certain
    assert (found.cause, found.status) == (cause, status)


def test_a_body_that_cannot_be_read_is_told_in_words() -> None:
    found = of_object(200, b"<xml/>", ["1.2"], POLICY_OF_NUMBERS)["1.2"]
    assert isinstance(found, Verdict)
    assert "cannot be read" in found.words


def test_statuses_in_words() -> None:
    assert http_words(503) == "HTTP 503 Service Unavailable"
    assert http_words(599) == "HTTP 599"
