"""What is asked of a far end when an association is opened, as a value to remember and to compare. Pure.

A console proposes the same things every time. So what a far end answered to a profile is what it will answer
again, and an association opened for a profile serves every later request that it covers.

A profile holds no secret: of a user identity (PS3.7 D.3.3.7) only that there was one, and a profile with one
is never covered by anything. The calling AE title is part of it, so that titles never mix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.dicom.negotiation import (
    AcceptedContext,
    AssociateAccept,
    AssociateRequest,
    CommonExtended,
    ProposedContext,
    UserIdentity,
)

Negotiated = tuple[object, ...]
"""What two answers must have in common to be the same answer."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A way of asking one peer. Contexts are in the order proposed, sub-items in the order of their UIDs."""

    peer: str  # name of the peer in the configuration
    calling_ae: str  # the title the peer sees
    contexts: tuple[tuple[str, tuple[str, ...]], ...]  # abstract syntax, transfer syntaxes
    roles: tuple[tuple[str, bool, bool], ...] = ()  # SOP class, requestor as SCU, as SCP
    extended: tuple[tuple[str, bytes], ...] = ()
    common_extended: tuple[tuple[str, str, tuple[str, ...]], ...] = ()  # SOP class, service class, related
    window: tuple[int, int] | None = None  # asynchronous operations (invoked, performed)
    personal: bool = False  # with a user identity: never kept, never shared

    @property
    def size(self) -> int:
        """About how many bytes it takes to remember it."""
        texts = sum(len(uid) + sum(map(len, syntaxes)) for uid, syntaxes in self.contexts)
        items = sum(len(uid) + len(information) for uid, information in self.extended)
        commons = sum(
            len(uid) + len(service) + sum(map(len, more)) for uid, service, more in self.common_extended
        )
        return texts + items + commons + sum(len(uid) for uid, _, _ in self.roles)


def profile_of(
    peer: str, calling_ae: str, contexts: Sequence[ProposedContext], request: AssociateRequest
) -> Profile:
    """Return what `request` asks of `peer` on those of its `contexts` that are for it.

    `calling_ae` is the title towards the peer. Sub-items of SOP classes without a context here are left out.
    """
    wanted = {context.abstract_syntax for context in contexts}
    return Profile(
        peer=peer,
        calling_ae=calling_ae,
        contexts=tuple((context.abstract_syntax, tuple(context.transfer_syntaxes)) for context in contexts),
        roles=tuple((uid, *request.roles[uid]) for uid in sorted(wanted & request.roles.keys())),
        extended=tuple((uid, request.extended[uid]) for uid in sorted(wanted & request.extended.keys())),
        common_extended=tuple(
            (
                uid,
                request.common_extended[uid].service_class_uid,
                tuple(request.common_extended[uid].related_general),
            )
            for uid in sorted(wanted & request.common_extended.keys())
        ),
        window=request.async_window,
        personal=request.user_identity is not None,
    )


def context_id(index: int) -> int:
    """The presentation context ID of context `index` of a profile: odd, from 1 (PS3.8 9.3.2.2)."""
    return 2 * index + 1


def request_for(
    profile: Profile, called_ae: str, *, user_identity: UserIdentity | None = None
) -> AssociateRequest:
    """Return the A-ASSOCIATE-RQ that asks for `profile`; `context_id` says which context got which ID."""
    return AssociateRequest(
        called_ae=called_ae,
        calling_ae=profile.calling_ae,
        contexts=tuple(
            ProposedContext(context_id(index), abstract_syntax, transfer_syntaxes)
            for index, (abstract_syntax, transfer_syntaxes) in enumerate(profile.contexts)
        ),
        roles={uid: (scu, scp) for uid, scu, scp in profile.roles},
        extended=dict(profile.extended),
        common_extended={
            uid: CommonExtended(service, related) for uid, service, related in profile.common_extended
        },
        user_identity=user_identity,
        async_window=profile.window,
    )


def covering(wanted: Profile, have: Profile) -> tuple[int, ...] | None:
    """Return which context of `have` serves each context of `wanted`, or None when not all are served.

    Each context of `have` serves once. One serves when it proposed the same transfer syntaxes in the same
    order, because only then would the far end give the same answer; for the same reason roles and extended
    negotiation of these SOP classes must be the same, and the asynchronous operations window too. `have` may
    offer more.
    """
    if (wanted.peer, wanted.calling_ae, wanted.window) != (have.peer, have.calling_ae, have.window):
        return None
    if wanted.personal or have.personal:
        return None
    if wanted.contexts == have.contexts:
        serving: list[int] = list(range(len(have.contexts)))
    else:
        free: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for index in range(len(have.contexts) - 1, -1, -1):
            free.setdefault(have.contexts[index], []).append(index)
        serving = []
        for context in wanted.contexts:
            left = free.get(context)
            if not left:
                return None
            serving.append(left.pop())
    return tuple(serving) if _same_terms(wanted, have) else None


def _same_terms(wanted: Profile, have: Profile) -> bool:
    classes = {abstract_syntax for abstract_syntax, _ in wanted.contexts}
    return (
        wanted.roles == tuple(each for each in have.roles if each[0] in classes)
        and wanted.extended == tuple(each for each in have.extended if each[0] in classes)
        and wanted.common_extended == tuple(each for each in have.common_extended if each[0] in classes)
    )


def negotiated(answer: AssociateAccept) -> Negotiated:
    """Return what of an answer matters to whoever uses the association, comparable and hashable."""
    contexts: tuple[AcceptedContext, ...] = tuple(answer.contexts)
    return (
        contexts,
        tuple(sorted((uid, *roles) for uid, roles in answer.roles.items())),
        tuple(sorted(answer.extended.items())),
        answer.async_window,
    )
