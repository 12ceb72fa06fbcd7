"""Which presentation contexts to propose for the objects at hand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gateway.delivery.transcode import EXPLICIT_LE, IMPLICIT_LE
from gateway.dicom.negotiation import MAX_CONTEXTS, AcceptedContext

Pair = tuple[str, str]
"""SOP class and the transfer syntax objects of it are stored in."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One association's worth of contexts."""

    contexts: tuple[tuple[str, tuple[str, ...]], ...]  # (abstract syntax, transfer syntaxes), 128 at most
    pairs: frozenset[Pair]  # proposed as stored
    fallbacks: frozenset[Pair]  # pairs for which a syntax to convert to is proposed too


def propose(
    needed: Iterable[Pair],
    recent: Iterable[Pair],
    accepted_by: Callable[[str], frozenset[str] | None],
    convertible: Callable[[str], tuple[str, ...]],
    limit: int = MAX_CONTEXTS,
    smaller: Callable[[Pair], str | None] | None = None,
) -> Proposal:
    """Plan contexts for the `needed` pairs, most urgent first, and for `recent` ones as far as there is room.

    Each pair gets a context of its own, so that the peer cannot prefer another syntax. Unless the peer is
    known to accept it, a second context offers what the object could be converted to. Another one is for the
    shorter form that `smaller` tells of a pair. What does not fit is left for another association.
    """
    contexts: list[tuple[str, tuple[str, ...]]] = []
    pairs: set[Pair] = set()
    fallbacks: set[Pair] = set()
    for pair in [*needed, *recent]:
        if pair in pairs:
            continue
        sop_class, syntax = pair
        wanted: list[tuple[str, tuple[str, ...]]] = [(sop_class, (syntax,))]
        if syntax not in (accepted_by(sop_class) or ()):
            others = tuple(s for s in (EXPLICIT_LE, IMPLICIT_LE) if s in convertible(syntax))
            if others:
                wanted.append((sop_class, others))
        fallback = len(wanted) > 1
        if smaller is not None and (short := smaller(pair)) is not None:
            wanted.append((sop_class, (short,)))
        fresh = [context for context in wanted if context not in contexts]
        if len(contexts) + len(fresh) > limit:
            break
        contexts.extend(fresh)
        pairs.add(pair)
        if fallback:
            fallbacks.add(pair)
    return Proposal(tuple(contexts), frozenset(pairs), frozenset(fallbacks))


def covers(
    proposal: Proposal, accepted: Mapping[int, AcceptedContext], pair: Pair, *, convertible: bool
) -> bool:
    """Say whether an association can settle objects of `pair` for good, be it by learning that it cannot."""
    if pair not in proposal.pairs:
        return False
    if pair in proposal.fallbacks or not convertible:
        return True
    # The peer was known to accept it, so nothing else was proposed; if it changed its mind, ask again.
    return any((c.abstract_syntax, c.transfer_syntax) == pair for c in accepted.values())


def learned(proposal: Proposal, accepted: Mapping[int, AcceptedContext]) -> list[tuple[str, str, bool]]:
    """What the answer tells: (SOP class, transfer syntax, accepted). Of a choice, only what was chosen."""
    got = {(c.abstract_syntax, c.transfer_syntax) for c in accepted.values() if c.as_scu}
    known = [(sop_class, syntax, True) for sop_class, syntax in sorted(got)]
    answered = {c.context_id for c in accepted.values() if c.as_scu}
    for index, (sop_class, syntaxes) in enumerate(proposal.contexts):
        if 2 * index + 1 not in answered:
            known += [(sop_class, syntax, False) for syntax in syntaxes if (sop_class, syntax) not in got]
    return known
