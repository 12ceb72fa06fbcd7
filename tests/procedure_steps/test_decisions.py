"""What an answer means when nobody waits for it any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom.status import Category, category
from gateway.procedure_steps.decisions import Verdict, ends, judge
from gateway.procedure_steps.policy import StepPolicy
from gateway.spool.step_values import StepKind
from tests.support.steps import a_step, an_answer

POLICY = StepPolicy(doubtful_attempts=3)
NO_LONGER = "Performed Procedure Step Object may no longer be updated"
DONE, RETRY, HOLD = Verdict.DONE, Verdict.RETRY, Verdict.HOLD


def verdict(kind: StepKind, status: int, *, uncertain: bool = False, attempts: int = 1) -> Verdict:
    return judge(
        a_step(1, kind), an_answer(status, kind), uncertain=uncertain, attempts=attempts, policy=POLICY
    ).verdict


@pytest.mark.parametrize("uncertain", [False, True])
@pytest.mark.parametrize("kind", ["create", "set"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, DONE) for status in (0x0000, 0x0001, 0x0107, 0x0116, 0xB000)),
        *((status, RETRY) for status in (0x0210, 0x0213, 0xA700, 0xA7FF)),
        *((status, HOLD) for status in (0x0105, 0x0106, 0x0112, 0x0117, 0x0118, 0x0119, 0x0120, 0x0121)),
        *((status, HOLD) for status in (0x0122, 0x0124, 0x0211, 0x0212, 0xA6FF, 0xA800, 0xC000, 0xFE00)),
    ],
)
def test_statuses(kind: StepKind, status: int, expected: Verdict, uncertain: bool) -> None:
    assert verdict(kind, status, uncertain=uncertain, attempts=99) is expected


@given(st.integers(0, 0xFFFF), st.sampled_from(("create", "set")), st.integers(1, 50))
def test_only_success_and_warning_are_done_unless_a_try_went_without_an_answer(
    status: int, kind: StepKind, attempts: int
) -> None:
    succeeded = category(status) in (Category.SUCCESS, Category.WARNING)
    assert (verdict(kind, status, attempts=attempts) is DONE) is succeeded


def test_a_duplicate_is_what_an_earlier_try_has_left() -> None:
    assert verdict("create", 0x0111) is HOLD
    assert verdict("create", 0x0111, uncertain=True) is DONE
    assert verdict("set", 0x0111, uncertain=True) is HOLD


def test_done_by_an_earlier_try_is_told_apart() -> None:
    one = judge(a_step(), an_answer(0x0111), uncertain=True, attempts=2, policy=POLICY)
    assert one.by_earlier_try
    assert not judge(a_step(), an_answer(0), uncertain=True, attempts=2, policy=POLICY).by_earlier_try


def test_a_creation_that_fails_to_be_processed_is_tried_on() -> None:
    assert verdict("create", 0x0110, attempts=99) is RETRY


@pytest.mark.parametrize(
    "said", [{"error_id": 0xA710}, {"comment": NO_LONGER}, {"comment": NO_LONGER.upper()}]
)
def test_may_no_longer_be_updated(said: dict[str, object]) -> None:
    answer = an_answer(0x0110, "set", **said)  # type: ignore[arg-type]  # one of the two

    def decide(status: str, *, uncertain: bool) -> Verdict:
        step = a_step(1, "set", status)
        return judge(step, answer, uncertain=uncertain, attempts=1, policy=POLICY).verdict

    # The lost try ended it, so it was applied.
    assert decide("COMPLETED", uncertain=True) is DONE
    assert decide("DISCONTINUED", uncertain=True) is DONE
    # It cannot have been the lost try that ended it.
    assert decide("IN PROGRESS", uncertain=True) is HOLD
    # No try was lost: somebody else ended it.
    assert decide("COMPLETED", uncertain=False) is HOLD


@pytest.mark.parametrize("uncertain", [False, True])
def test_a_bare_0110_to_an_n_set_is_repeated_and_then_for_a_person(uncertain: bool) -> None:
    verdicts = [verdict("set", 0x0110, uncertain=uncertain, attempts=attempts) for attempts in (1, 2, 3, 4)]
    assert verdicts == [RETRY, RETRY, HOLD, HOLD]


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"])
def test_what_ends_a_procedure_step(syntax: str) -> None:
    assert ends(a_step(1, "set", "COMPLETED", syntax=syntax))
    assert ends(a_step(1, "set", "DISCONTINUED", syntax=syntax))
    assert not ends(a_step(1, "set", "IN PROGRESS", syntax=syntax))


def test_a_data_set_that_cannot_be_read_ends_nothing() -> None:
    assert not ends(replace(a_step(1, "set"), data=b"\x01"))
    assert not ends(replace(a_step(1, "set"), transfer_syntax_uid="1.2.3.4"))


def test_words_are_ours_and_not_the_peers() -> None:
    answer = an_answer(0x0106, comment="DOE^JOHN is not known")
    words = judge(a_step(), answer, uncertain=False, attempts=1, policy=POLICY).words
    assert "0x0106" in words
    assert "DOE" not in words
