"""What to ask of the far end for a caller, and what to tell the caller of its answer. Pure.

The caller is told what the far end really accepted: context by context, with its transfer syntax, its roles
(PS3.7 D.3.3.4) and its extended negotiation (D.3.3.5). User identity goes on over TLS only (D.3.3.7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.dicom.negotiation import (
    MAX_CONTEXTS,
    AcceptedContext,
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ContextResult,
    ProposedContext,
)
from gateway.dicom.sop_classes import VERIFICATION

IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The part of a caller's proposal that concerns the far end.

    `both` holds the abstract syntaxes whose objects going up are stored here and whose objects coming down
    (C-GET) are relayed: of the far end only the SCP role is asked for them.
    """

    contexts: tuple[ProposedContext, ...]
    both: frozenset[str] = field(default_factory=frozenset)


def far_request(
    near: AssociateRequest, wanted: Wanted, *, called_ae: str, calling_ae: str, with_identity: bool
) -> AssociateRequest:
    """Return the A-ASSOCIATE-RQ for the far end. Context IDs are the caller's.

    Verification is proposed too where there is room: a kept association is tried with C-ECHO.
    """
    contexts = wanted.contexts
    syntaxes = {context.abstract_syntax for context in contexts}
    if VERIFICATION not in syntaxes and len(contexts) < MAX_CONTEXTS:
        taken = {context.context_id for context in contexts}
        free = next(number for number in range(255, 0, -2) if number not in taken)
        contexts = (*contexts, ProposedContext(free, VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,)))
    return AssociateRequest(
        called_ae=called_ae,
        calling_ae=calling_ae,
        contexts=contexts,
        roles={
            uid: (False, True) if uid in wanted.both else roles
            for uid, roles in near.roles.items()
            if uid in syntaxes
        },
        extended={uid: info for uid, info in near.extended.items() if uid in syntaxes},
        common_extended={uid: info for uid, info in near.common_extended.items() if uid in syntaxes},
        user_identity=near.user_identity if with_identity else None,
        async_window=near.async_window,
    )


@dataclass(frozen=True, slots=True)
class Mirror:
    """The far end's answer, by the caller's context IDs. An empty one says that there is no far end."""

    contexts: Mapping[int, AcceptedContext] = field(default_factory=dict)  # refused ones too
    answer: AssociateAccept | None = None

    @property
    def reached(self) -> bool:
        """True when there is a far end."""
        return self.answer is not None

    def context(self, proposed: ProposedContext) -> ContextAnswer:
        """Answer a relayed context as the far end did; a provider rejection when there is none (9.3.3.2)."""
        far = self.contexts.get(proposed.context_id)
        if far is None:
            return ContextAnswer.refuse(ContextResult.NO_REASON)
        return ContextAnswer(far.result, far.transfer_syntax if far.accepted else "")

    def accepts(self, proposed: ProposedContext) -> bool:
        """Say whether the far end accepted this context."""
        far = self.contexts.get(proposed.context_id)
        return far is not None and far.accepted

    def as_scp(self, proposed: ProposedContext) -> bool:
        """Say whether the far end lets the requestor be SCP on this context."""
        far = self.contexts.get(proposed.context_id)
        return far is not None and far.accepted and far.as_scp

    def roles(self, sop_class: str) -> tuple[bool, bool] | None:
        """The roles the far end agreed to; None when it said nothing of them."""
        return self.answer.roles.get(sop_class) if self.answer else None

    def extended(self, sop_class: str) -> bytes | None:
        """The far end's answer to extended negotiation."""
        return self.answer.extended.get(sop_class) if self.answer else None

    @property
    def async_window(self) -> tuple[int, int]:
        """Operations that may be under way at the far end: invoked by the caller, performed by it."""
        return (self.answer.async_window or (1, 1)) if self.answer else (0, 0)


def mirror(near_ids: Sequence[int], far_ids: Sequence[int], answer: AssociateAccept) -> Mirror:
    """Lay the answer of a far association over a caller's contexts.

    `far_ids` are the contexts of the far association that stand for the caller's `near_ids`, pair by pair.
    """
    by_id = {context.context_id: context for context in answer.contexts}
    pairs = zip(near_ids, far_ids, strict=True)
    contexts = {near: replace(by_id[far], context_id=far) for near, far in pairs if far in by_id}
    return Mirror(contexts, answer)
