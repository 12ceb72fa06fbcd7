"""What is asked of the far end for a caller, and what the caller is told of the answer."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dicom.associate_pdu import encode_associate_rq
from gateway.dicom.negotiation import (
    AcceptedContext,
    AssociateAccept,
    AssociateRequest,
    CommonExtended,
    ContextAnswer,
    ProposedContext,
    UserIdentity,
)
from gateway.relay.mirror import Mirror, Wanted, far_request, mirror
from gateway.relay.profile import profile_of, request_for
from tests.support.dicom_wire import requests

VERIFICATION = "1.2.840.10008.1.1"
FIND, RT_PLAN, CT = (
    "1.2.840.10008.5.1.4.1.2.2.1",
    "1.2.840.10008.5.1.4.1.1.481.5",
    "1.2.840.10008.5.1.4.1.1.2",
)
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
IDENTITY = UserIdentity(2, b"physicist", b"secret", response_requested=True)


def asked(*classes: str) -> AssociateRequest:
    return AssociateRequest(
        "ARIA",
        "LINAC1",
        tuple(ProposedContext(2 * n + 1, uid, (IMPLICIT, EXPLICIT)) for n, uid in enumerate(classes)),
        roles={RT_PLAN: (True, True), CT: (False, True)},
        extended={FIND: b"\x01\x01", CT: b"\x02"},
        common_extended={CT: CommonExtended("1.2.840.10008.4.2", ())},
        user_identity=IDENTITY,
        async_window=(4, 2),
    )


def onward(near: AssociateRequest, wanted: Wanted, *, with_identity: bool = True) -> AssociateRequest:
    return far_request(near, wanted, called_ae="CENTRE", calling_ae="GATEWAY", with_identity=with_identity)


def test_everything_that_concerns_the_far_end_goes_on_and_nothing_else() -> None:
    near = asked(FIND, CT, RT_PLAN)
    far = onward(near, Wanted(near.contexts[::2], frozenset({RT_PLAN})))
    assert (far.called_ae, far.calling_ae) == ("CENTRE", "GATEWAY")
    assert far.contexts[:2] == near.contexts[::2]
    assert far.roles == {RT_PLAN: (False, True)}  # what goes up stays here
    assert far.extended == {FIND: b"\x01\x01"}
    assert far.common_extended == {}
    assert far.user_identity == IDENTITY
    assert far.async_window == (4, 2)
    assert near.max_pdu_length == far.max_pdu_length


def test_roles_pass_unchanged_where_everything_is_relayed() -> None:
    near = asked(FIND, CT, RT_PLAN)
    assert onward(near, Wanted(near.contexts)).roles == near.roles


def test_a_user_identity_goes_on_only_where_it_is_allowed_to() -> None:
    near = asked(FIND)
    assert onward(near, Wanted(near.contexts), with_identity=False).user_identity is None


def test_verification_is_proposed_too_and_never_twice() -> None:
    near = asked(FIND, CT)
    far = onward(near, Wanted(near.contexts))
    assert far.contexts[2].abstract_syntax == VERIFICATION
    assert far.contexts[2].context_id not in (1, 3)
    both = asked(FIND, VERIFICATION)
    assert len(onward(both, Wanted(both.contexts)).contexts) == 2


def test_there_is_no_room_for_verification_beside_128_contexts() -> None:
    near = asked(*[FIND] * 128)
    assert len(onward(near, Wanted(near.contexts)).contexts) == 128
    fewer = asked(*[FIND] * 127)
    far = onward(fewer, Wanted(fewer.contexts))
    assert len({context.context_id for context in far.contexts}) == 128


def answer(*contexts: AcceptedContext) -> AssociateAccept:
    return AssociateAccept(
        "CENTRE",
        "GATEWAY",
        contexts,
        roles={RT_PLAN: (False, True)},
        extended={FIND: b"\x01\x00"},
        async_window=(2, 1),
    )


def test_the_caller_is_told_what_the_far_end_accepted_by_its_own_numbers() -> None:
    said = answer(
        AcceptedContext(1, VERIFICATION, IMPLICIT),
        AcceptedContext(3, FIND, EXPLICIT),
        AcceptedContext(5, RT_PLAN, IMPLICIT, as_scu=False, as_scp=True),
        AcceptedContext(7, CT, IMPLICIT, result=4),
    )
    seen = mirror([11, 13, 15], [3, 5, 7], said)
    find, plan, ct, other = (
        ProposedContext(number, uid, (EXPLICIT,))
        for number, uid in ((11, FIND), (13, RT_PLAN), (15, CT), (17, CT))
    )
    assert seen.reached
    assert seen.context(find) == ContextAnswer.accept(EXPLICIT)
    assert seen.context(plan) == ContextAnswer.accept(IMPLICIT)
    assert seen.context(ct) == ContextAnswer(4)
    assert seen.context(other) == ContextAnswer(2)
    assert [seen.accepts(each) for each in (find, plan, ct, other)] == [True, True, False, False]
    assert [seen.as_scp(each) for each in (find, plan, ct, other)] == [False, True, False, False]
    assert {number: context.context_id for number, context in seen.contexts.items()} == {11: 3, 13: 5, 15: 7}
    assert (seen.roles(RT_PLAN), seen.roles(FIND)) == ((False, True), None)
    assert (seen.extended(FIND), seen.extended(CT)) == (b"\x01\x00", None)
    assert seen.async_window == (2, 1)


def test_a_far_end_that_says_nothing_of_a_window_has_one_operation_at_a_time() -> None:
    assert mirror([], [], AssociateAccept("C", "G", ())).async_window == (1, 1)


def test_without_a_far_end_everything_is_refused_by_the_provider() -> None:
    nobody = Mirror()
    find = ProposedContext(1, FIND, (IMPLICIT,))
    assert not nobody.reached
    assert nobody.context(find) == ContextAnswer(2)
    assert not nobody.accepts(find)
    assert not nobody.as_scp(find)
    assert nobody.roles(FIND) is None
    assert nobody.extended(FIND) is None
    assert nobody.async_window == (0, 0)


@given(near=requests, share=st.sets(st.integers(0, 11)))
@settings(deadline=None, max_examples=60)
def test_whatever_a_caller_proposes_can_be_asked_of_a_far_end(
    near: AssociateRequest, share: set[int]
) -> None:
    contexts = tuple(each for index, each in enumerate(near.contexts) if index in share)
    far = onward(near, Wanted(contexts, frozenset(each.abstract_syntax for each in contexts[:2])))
    profile = profile_of("oncology", far.calling_ae, far.contexts, far)
    encode_associate_rq(request_for(profile, far.called_ae, user_identity=far.user_identity))
    assert [uid for uid, _ in profile.contexts][: len(contexts)] == [
        each.abstract_syntax for each in contexts
    ]
