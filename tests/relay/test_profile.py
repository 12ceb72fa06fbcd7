from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom.negotiation import (
    AcceptedContext,
    AssociateAccept,
    AssociateRequest,
    CommonExtended,
    ProposedContext,
    UserIdentity,
)
from gateway.relay.profile import Profile, context_id, covering, negotiated, profile_of, request_for

FIND, MOVE, ECHO, STORE = (
    "1.2.840.10008.5.1.4.1.2.2.1",
    "1.2.840.10008.5.1.4.1.2.2.2",
    "1.2.840.10008.1.1",
    "1.2.3",
)
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"

HAVE = Profile(
    "oncology",
    "LINAC1",
    ((ECHO, (IMPLICIT,)), (FIND, (EXPLICIT, IMPLICIT)), (MOVE, (IMPLICIT,)), (FIND, (IMPLICIT,))),
    roles=((MOVE, True, True),),
    extended=((FIND, b"\1\1"),),
    common_extended=((MOVE, "1.2.840.10008.4.2", ("1.2",)),),
)


def asking_for(*contexts: tuple[str, tuple[str, ...]], of: Profile = HAVE) -> Profile:
    """What a console proposes that wants only `contexts`, on the terms of `of`."""
    classes = {abstract_syntax for abstract_syntax, _ in contexts}
    return replace(
        of,
        contexts=contexts,
        roles=tuple(each for each in of.roles if each[0] in classes),
        extended=tuple(each for each in of.extended if each[0] in classes),
        common_extended=tuple(each for each in of.common_extended if each[0] in classes),
    )


def test_a_request_becomes_a_profile_of_what_is_for_the_peer() -> None:
    contexts = (
        ProposedContext(1, STORE, (IMPLICIT,)),
        ProposedContext(3, MOVE, (IMPLICIT,)),
        ProposedContext(5, FIND, (EXPLICIT, IMPLICIT)),
    )
    request = AssociateRequest(
        "CENTRE",
        "LINAC1",
        contexts,
        roles={STORE: (True, True), MOVE: (False, True)},
        extended={STORE: b"\2", FIND: b"\1"},
        common_extended={STORE: CommonExtended("1.9"), FIND: CommonExtended("1.8", ("1.7",))},
        async_window=(4, 1),
    )
    profile = profile_of("oncology", "GATEWAY", contexts[1:], request)
    assert profile == Profile(
        "oncology",
        "GATEWAY",
        ((MOVE, (IMPLICIT,)), (FIND, (EXPLICIT, IMPLICIT))),
        roles=((MOVE, False, True),),
        extended=((FIND, b"\1"),),
        common_extended=((FIND, "1.8", ("1.7",)),),
        window=(4, 1),
    )
    hash(profile)
    assert profile.size > 100


def test_a_profile_becomes_a_request_and_the_same_profile_again() -> None:
    request = request_for(HAVE, "CENTRE")
    assert (
        [context.context_id for context in request.contexts]
        == [1, 3, 5, 7]
        == [context_id(i) for i in range(4)]
    )
    assert (request.called_ae, request.calling_ae, request.user_identity) == ("CENTRE", "LINAC1", None)
    assert request.common_extended == {MOVE: CommonExtended("1.2.840.10008.4.2", ("1.2",))}
    assert profile_of("oncology", "LINAC1", request.contexts, request) == HAVE


def test_a_user_identity_marks_the_profile_and_stays_out_of_it() -> None:
    identity = UserIdentity(2, b"jane", b"secret")
    request = request_for(HAVE, "CENTRE", user_identity=identity)
    profile = profile_of("oncology", "LINAC1", request.contexts, request)
    assert profile == replace(HAVE, personal=True)
    assert "jane" not in repr(profile)
    assert covering(profile, profile) is None
    assert covering(HAVE, profile) is None
    assert covering(profile, HAVE) is None


def test_each_wanted_context_finds_its_own() -> None:
    assert covering(HAVE, HAVE) == (0, 1, 2, 3)
    assert covering(asking_for((FIND, (IMPLICIT,)), (ECHO, (IMPLICIT,))), HAVE) == (3, 0)
    twice = asking_for((ECHO, (IMPLICIT,)), (ECHO, (IMPLICIT,)))
    assert covering(twice, HAVE) is None
    assert covering(twice, replace(HAVE, contexts=(*HAVE.contexts, (ECHO, (IMPLICIT,))))) == (0, 4)


@pytest.mark.parametrize(
    "wanted",
    [
        replace(HAVE, calling_ae="LINAC2"),
        replace(HAVE, peer="archive"),
        replace(HAVE, window=(2, 1)),
        asking_for((FIND, (IMPLICIT, EXPLICIT))),  # another order of preference may get another answer
        asking_for((FIND, (EXPLICIT,))),
        asking_for((STORE, (IMPLICIT,))),
        replace(asking_for((MOVE, (IMPLICIT,))), roles=()),
        replace(asking_for((MOVE, (IMPLICIT,))), roles=((MOVE, True, False),)),
        replace(asking_for((ECHO, (IMPLICIT,))), roles=((ECHO, True, True),)),
        replace(asking_for((FIND, (IMPLICIT,))), extended=()),
        replace(asking_for((FIND, (IMPLICIT,))), extended=((FIND, b"\1\0"),)),
        replace(asking_for((MOVE, (IMPLICIT,))), common_extended=()),
    ],
)
def test_other_terms_are_not_covered(wanted: Profile) -> None:
    assert covering(wanted, HAVE) is None


uids = st.sampled_from(["1.1", "1.2", "1.3"])
syntaxes = st.lists(st.sampled_from([IMPLICIT, EXPLICIT]), min_size=1, max_size=2, unique=True).map(tuple)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    contexts = tuple(draw(st.lists(st.tuples(uids, syntaxes), max_size=6)))
    classes = sorted({uid for uid, _ in contexts})
    chosen = st.lists(st.sampled_from(classes), unique=True).map(sorted) if classes else st.just([])
    return Profile(
        draw(st.sampled_from(["oncology", "archive"])),
        draw(st.sampled_from(["LINAC1", "LINAC2"])),
        contexts,
        roles=tuple((uid, draw(st.booleans()), True) for uid in draw(chosen)),
        extended=tuple((uid, draw(st.sampled_from([b"\0", b"\1"]))) for uid in draw(chosen)),
        common_extended=tuple((uid, "1.9", ()) for uid in draw(chosen)),
        window=draw(st.sampled_from([None, (2, 1)])),
        personal=draw(st.booleans()) and draw(st.booleans()),
    )


@given(profiles(), profiles())
def test_what_covers_serves_every_context_once_on_the_same_terms(wanted: Profile, have: Profile) -> None:
    mapping = covering(wanted, have)
    comparable = (
        (wanted.peer, wanted.calling_ae, wanted.window) == (have.peer, have.calling_ae, have.window)
        and not wanted.personal
        and not have.personal
    )
    if mapping is None:
        terms = asking_for(*wanted.contexts, of=have)
        enough = not Counter(wanted.contexts) - Counter(have.contexts)
        assert not (comparable and enough and terms == wanted)
        return
    assert comparable
    assert len(set(mapping)) == len(mapping) == len(wanted.contexts)
    assert tuple(have.contexts[index] for index in mapping) == wanted.contexts
    assert asking_for(*wanted.contexts, of=have) == wanted


@given(profiles(), st.randoms())
def test_a_part_in_any_order_is_covered(have: Profile, random: object) -> None:
    have = replace(have, personal=False)
    part = [context for context in have.contexts if random.random() < 0.7]  # type: ignore[attr-defined]
    random.shuffle(part)  # type: ignore[attr-defined]
    assert covering(asking_for(*part, of=have), have) is not None


def test_answers_are_the_same_when_what_matters_is() -> None:
    answer = AssociateAccept(
        "CENTRE",
        "LINAC1",
        (AcceptedContext(1, FIND, IMPLICIT),),
        roles={FIND: (True, False), ECHO: (True, True)},
    )
    same = replace(
        answer,
        max_pdu_length=1234,
        implementation_version="OTHER_NODE",
        roles={ECHO: (True, True), FIND: (True, False)},
    )
    assert negotiated(answer) == negotiated(same)
    hash(negotiated(answer))
    for other in (
        replace(answer, contexts=(AcceptedContext(1, FIND, EXPLICIT),)),
        replace(answer, roles={}),
        replace(answer, extended={FIND: b"\1"}),
        replace(answer, async_window=(2, 1)),
    ):
        assert negotiated(other) != negotiated(answer)
