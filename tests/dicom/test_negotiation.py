"""What is answered to what, and what a requestor makes of the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom.associate_pdu import decode_associate_ac, encode_associate_ac
from gateway.dicom.limits import NegotiationLimits
from gateway.dicom.negotiation import (
    MAX_CONTEXTS,
    STORAGE_EXTENDED_ANSWER,
    AcceptedContext,
    AcceptorPolicy,
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ContextResult,
    ProposedContext,
    Rejection,
    UserIdentity,
    narrower_window,
    negotiate,
    refusal,
    settle,
    split_contexts,
)
from tests.support.dicom_wire import (
    BEAMS_RECORD,
    EXPLICIT,
    IMPLICIT,
    REQUEST,
    TAKE_FIRST,
    VERIFICATION,
    requests,
)


def test_each_context_is_answered_as_the_policy_says() -> None:
    def choose(context: ProposedContext) -> ContextAnswer:
        if context.abstract_syntax == VERIFICATION:
            return ContextAnswer.refuse()
        return ContextAnswer.accept(IMPLICIT)

    answer = negotiate(REQUEST, AcceptorPolicy(choose))
    assert answer.contexts == (
        AcceptedContext(1, VERIFICATION, IMPLICIT, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED),
        AcceptedContext(3, BEAMS_RECORD, IMPLICIT),
    )
    assert answer.accepted_contexts() == {3: answer.contexts[1]}


def test_a_transfer_syntax_that_was_not_proposed_is_not_answered() -> None:
    answer = negotiate(REQUEST, AcceptorPolicy(lambda _: ContextAnswer.accept("1.2.3")))
    assert {context.result for context in answer.contexts} == {ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED}


@pytest.mark.parametrize(
    ("proposed", "agreed", "granted", "accepted"),
    [
        ((True, True), (True, True), (True, True), True),
        ((True, True), (True, False), (True, False), True),
        ((False, True), (True, True), (False, True), True),  # never more than was proposed
        ((False, True), (True, False), (False, False), False),  # no role is left: the context is refused
    ],
)
def test_roles(
    proposed: tuple[bool, bool], agreed: tuple[bool, bool], granted: tuple[bool, bool], accepted: bool
) -> None:
    """PS3.7 D.3.3.4."""
    request = replace(REQUEST, roles={BEAMS_RECORD: proposed})
    answer = negotiate(request, replace(TAKE_FIRST, roles=lambda *_: agreed))
    context = answer.contexts[1]
    assert (context.as_scu, context.as_scp) == granted
    assert context.accepted == accepted
    assert answer.roles == ({BEAMS_RECORD: granted} if accepted else {})


def test_roles_that_nobody_proposed_are_the_default() -> None:
    context = negotiate(REQUEST, TAKE_FIRST).contexts[1]
    assert (context.as_scu, context.as_scp) == (True, False)


def test_by_default_the_requestor_stays_scu() -> None:
    answer = negotiate(replace(REQUEST, roles={BEAMS_RECORD: (True, True)}), TAKE_FIRST)
    assert answer.roles == {BEAMS_RECORD: (True, False)}


@pytest.mark.parametrize(
    ("asked", "ours", "answered"),
    [
        (None, 16, None),
        ((5, 1), 16, (5, 1)),
        ((0, 0), 16, (16, 16)),
        ((300, 2), 16, (16, 2)),
        ((4, 4), 1, (1, 1)),
    ],
)
def test_the_asynchronous_window(
    asked: tuple[int, int] | None, ours: int, answered: tuple[int, int] | None
) -> None:
    """PS3.7 D.3.3.3: no more than was asked, no more than we have, and 0 is without limit."""
    answer = negotiate(replace(REQUEST, async_window=asked), replace(TAKE_FIRST, max_operations=ours))
    assert answer.async_window == answered


def test_two_unlimited_windows_stay_unlimited() -> None:
    assert narrower_window((0, 0), (0, 3)) == (0, 3)


def test_extended_items_are_answered_for_accepted_contexts_only() -> None:
    request = replace(REQUEST, extended={BEAMS_RECORD: b"\2\0\0\0\0\0", "1.2.3": b"x"})
    assert negotiate(request, TAKE_FIRST).extended == {}
    answer = negotiate(request, replace(TAKE_FIRST, extended=lambda uid, info: STORAGE_EXTENDED_ANSWER))
    assert answer.extended == {BEAMS_RECORD: STORAGE_EXTENDED_ANSWER}


def test_user_identity_is_answered_when_the_policy_does() -> None:
    request = replace(REQUEST, user_identity=UserIdentity(1, b"console", response_requested=True))
    assert negotiate(request, TAKE_FIRST).user_identity_response is None
    answer = negotiate(request, replace(TAKE_FIRST, identity=lambda identity: identity.primary))
    assert answer.user_identity_response == b"console"
    assert negotiate(REQUEST, replace(TAKE_FIRST, identity=lambda _: b"x")).user_identity_response is None


@given(requests)
def test_what_is_negotiated_can_be_sent_and_settles_to_itself(request: AssociateRequest) -> None:
    answer = negotiate(request, TAKE_FIRST)
    received = decode_associate_ac(encode_associate_ac(answer, bytes(64))[6:], NegotiationLimits())
    settled = settle(request, received)
    assert settled.accepted_contexts() == answer.accepted_contexts()
    assert [(c.context_id, c.result) for c in settled.contexts] == [
        (c.context_id, c.result) for c in answer.contexts
    ]
    assert settled.async_window == answer.async_window


def test_what_the_peer_claims_beyond_the_proposal_is_not_used() -> None:
    claimed = AssociateAccept(
        "ARIA",
        "LINAC1",
        (AcceptedContext(3, "", "1.2.3"), AcceptedContext(5, "", IMPLICIT)),
        roles={BEAMS_RECORD: (True, True)},
        async_window=(9, 9),
    )
    settled = settle(REQUEST, claimed)
    assert [(c.context_id, c.result) for c in settled.contexts] == [
        (1, ContextResult.NO_REASON),  # not mentioned
        (3, ContextResult.NO_REASON),  # with a transfer syntax that we did not propose
    ]
    assert not any(context.as_scp for context in settled.contexts)
    assert settled.async_window is None


def test_a_missing_window_in_the_answer_means_one() -> None:
    settled = settle(replace(REQUEST, async_window=(8, 1)), AssociateAccept("A", "B", ()))
    assert settled.async_window == (1, 1)


def test_a_reserved_result_is_a_refusal() -> None:
    settled = settle(REQUEST, AssociateAccept("A", "B", (AcceptedContext(3, "", EXPLICIT, 77),)))
    assert settled.accepted_contexts() == {}


def test_titles_and_context_name_that_no_configuration_can_take() -> None:
    assert refusal(REQUEST) is None
    assert refusal(replace(REQUEST, application_context="1.2")) == Rejection(
        1, 1, 2, "application context name not supported"
    )
    bad_calling = refusal(replace(REQUEST, calling_ae="A\\x00B"))
    bad_called = refusal(replace(REQUEST, called_ae=""))
    assert bad_calling is not None
    assert bad_called is not None
    assert (bad_calling.result, bad_calling.source, bad_calling.diagnostic) == (1, 1, 3)
    assert (bad_called.result, bad_called.source, bad_called.diagnostic) == (1, 1, 7)
    assert bad_calling.words.isprintable()


@given(st.integers(0, 400), st.integers(1, MAX_CONTEXTS))
def test_contexts_are_split_into_associations(count: int, limit: int) -> None:
    wanted = [(f"1.2.{index}", (IMPLICIT,)) for index in range(count)]
    batches = split_contexts(wanted, limit)
    assert [(c.abstract_syntax, c.transfer_syntaxes) for batch in batches for c in batch] == wanted
    for batch in batches:
        assert 1 <= len(batch) <= limit
        assert [context.context_id for context in batch] == list(range(1, 2 * len(batch), 2))
        assert batch[-1].context_id <= 255


@pytest.mark.parametrize("limit", [0, 129])
def test_an_association_cannot_carry_that_many(limit: int) -> None:
    with pytest.raises(ValueError, match="presentation contexts"):
        split_contexts([], limit)
