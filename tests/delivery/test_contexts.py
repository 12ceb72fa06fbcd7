from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.contexts import Pair, covers, learned, propose
from gateway.delivery.transcode import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, targets
from gateway.dicom.negotiation import MAX_CONTEXTS, AcceptedContext

CT, RT, JPEG = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.1", "1.2.840.10008.1.2.4.50"
PAIRS = st.tuples(
    st.integers(1, 200).map(lambda n: f"1.2.3.{n}"),
    st.sampled_from([EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, JPEG]),
)


def unknown(sop_class: str) -> frozenset[str] | None:
    return None


def test_the_stored_syntax_alone_and_a_fallback() -> None:
    proposal = propose([(CT, EXPLICIT_LE)], [], unknown, targets)
    assert proposal.contexts == ((CT, (EXPLICIT_LE,)), (CT, (IMPLICIT_LE,)))
    proposal = propose([(CT, EXPLICIT_BE)], [], unknown, targets)
    assert proposal.contexts == ((CT, (EXPLICIT_BE,)), (CT, (EXPLICIT_LE, IMPLICIT_LE)))


def test_no_fallback_where_it_is_known_to_be_unnecessary_or_impossible() -> None:
    proposal = propose([(CT, EXPLICIT_BE)], [], lambda _: frozenset({EXPLICIT_BE}), targets)
    assert proposal.contexts == ((CT, (EXPLICIT_BE,)),)
    proposal = propose([(CT, JPEG)], [], unknown, targets)
    assert proposal.contexts == ((CT, (JPEG,)),)
    assert not proposal.fallbacks


@given(st.lists(PAIRS, max_size=300), st.lists(PAIRS, max_size=60))
def test_an_association_is_never_overfilled_and_the_most_urgent_is_always_there(
    needed: list[Pair], recent: list[Pair]
) -> None:
    proposal = propose(needed, recent, unknown, targets)
    assert len(proposal.contexts) <= MAX_CONTEXTS
    assert len(set(proposal.contexts)) == len(proposal.contexts)
    if needed:
        assert needed[0] in proposal.pairs
    assert all((sop_class, (syntax,)) in proposal.contexts for sop_class, syntax in proposal.pairs)
    distinct = list(dict.fromkeys([*needed, *recent]))
    assert proposal.pairs == frozenset(distinct[: len(proposal.pairs)])


def test_more_kinds_than_fit_are_left_for_another_association() -> None:
    kinds = [(f"1.2.{n}", JPEG) for n in range(200)]
    proposal = propose(kinds, [], unknown, targets)
    assert len(proposal.pairs) == MAX_CONTEXTS
    assert not covers(proposal, {}, kinds[-1], convertible=False)


def test_coverage() -> None:
    known = propose([(CT, EXPLICIT_BE)], [], lambda _: frozenset({EXPLICIT_BE}), targets)
    accepted = {1: AcceptedContext(1, CT, EXPLICIT_BE)}
    assert covers(known, accepted, (CT, EXPLICIT_BE), convertible=True)
    # It changed its mind: another association, with a fallback, is needed to find out more.
    assert not covers(known, {}, (CT, EXPLICIT_BE), convertible=True)
    assert covers(known, {}, (CT, EXPLICIT_BE), convertible=False)
    assert not covers(known, accepted, (RT, EXPLICIT_LE), convertible=True)
    asked = propose([(CT, EXPLICIT_BE)], [], unknown, targets)
    assert covers(asked, {}, (CT, EXPLICIT_BE), convertible=True)


def test_what_an_answer_teaches() -> None:
    proposal = propose([(CT, EXPLICIT_BE), (RT, EXPLICIT_LE)], [], unknown, targets)
    accepted = {3: AcceptedContext(3, CT, IMPLICIT_LE), 5: AcceptedContext(5, RT, EXPLICIT_LE)}
    assert set(learned(proposal, accepted)) == {
        (CT, EXPLICIT_BE, False),
        (CT, IMPLICIT_LE, True),  # chosen of two; of the other nothing is known
        (RT, EXPLICIT_LE, True),
        (RT, IMPLICIT_LE, False),
    }
