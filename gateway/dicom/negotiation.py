"""What two application entities propose and answer when an association is opened (PS3.8 7.1, PS3.7 annex D).

Pure values and one pure function, `negotiate`. The bytes are in `associate_pdu`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.dicom.limits import DEFAULT_MAX_PDU_LENGTH, MAX_CONTEXTS, NegotiationLimits
from gateway.model import AETitle

__all__ = [
    "APPLICATION_CONTEXT",
    "DEFAULT_MAX_PDU_LENGTH",
    "MAX_CONTEXTS",
    "STORAGE_EXTENDED_ANSWER",
    "AcceptedContext",
    "AcceptorPolicy",
    "AssociateAccept",
    "AssociateRequest",
    "CommonExtended",
    "ContextAnswer",
    "ContextResult",
    "NegotiationLimits",
    "ProposedContext",
    "Rejection",
    "UserIdentity",
    "narrower_window",
    "negotiate",
    "refusal",
    "settle",
    "split_contexts",
]

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
"""The one DICOM application context name (PS3.7 A.2.1)."""

STORAGE_EXTENDED_ANSWER: Final = bytes((2, 0, 3, 0, 0, 0))
"""Storage SCP, PS3.4 B.3.1: level 2 keeps every attribute, signature level 3 every bit; no coercion."""


class ContextResult(enum.IntEnum):
    """The result of one presentation context (PS3.8 Table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2  # provider rejection
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """One presentation context of an A-ASSOCIATE-RQ."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """The answer to one proposed context; accepted when `result` is 0.

    `as_scu` and `as_scp` are the roles of the association *requestor* on it (PS3.7 D.3.3.4).
    """

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    result: int = ContextResult.ACCEPTANCE
    as_scu: bool = True
    as_scp: bool = False

    @property
    def accepted(self) -> bool:
        """True when messages may be exchanged on this context."""
        return self.result == ContextResult.ACCEPTANCE


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """User identity sub-item of a request (PS3.7 D.3.3.7). The fields are secrets: never shown."""

    kind: int  # 1 user name, 2 user name and passcode, 3 Kerberos ticket, 4 SAML assertion, 5 JSON Web Token
    primary: bytes = field(repr=False)
    secondary: bytes = field(default=b"", repr=False)
    response_requested: bool = False


@dataclass(frozen=True, slots=True)
class CommonExtended:
    """SOP class common extended negotiation of one SOP class (PS3.7 D.3.3.6)."""

    service_class_uid: str
    related_general: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """Everything an A-ASSOCIATE-RQ says.

    Received AE titles are always printable: a character that an AE title cannot hold is shown as a
    backslash escape, and because a backslash cannot be part of an AE title either, `AETitle.parse` refuses
    the result. `max_pdu_length` 0 means that the sender takes P-DATA of any length.
    """

    called_ae: str
    calling_ae: str
    contexts: tuple[ProposedContext, ...]
    max_pdu_length: int = DEFAULT_MAX_PDU_LENGTH
    application_context: str = APPLICATION_CONTEXT
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version: str = IMPLEMENTATION_VERSION_NAME
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)  # SOP class -> requestor (SCU, SCP)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    common_extended: Mapping[str, CommonExtended] = field(default_factory=dict)
    user_identity: UserIdentity | None = None
    async_window: tuple[int, int] | None = (
        None  # operations (invoked, performed) by the requestor; 0 no limit
    )


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """Everything an A-ASSOCIATE-AC says, with the abstract syntaxes put back from the request.

    The acceptor's upper layer echoes the AE titles of the request byte for byte (PS3.8 Table 9-17).
    `async_window` None means (1, 1): one operation at a time.
    """

    called_ae: str
    calling_ae: str
    contexts: tuple[AcceptedContext, ...]
    max_pdu_length: int = DEFAULT_MAX_PDU_LENGTH
    application_context: str = APPLICATION_CONTEXT
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version: str = IMPLEMENTATION_VERSION_NAME
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    user_identity_response: bytes | None = field(default=None, repr=False)
    async_window: tuple[int, int] | None = None

    def accepted_contexts(self) -> dict[int, AcceptedContext]:
        """The contexts that may be used, by context ID."""
        return {context.context_id: context for context in self.contexts if context.accepted}


@dataclass(frozen=True, slots=True)
class Rejection:
    """The parameters of an A-ASSOCIATE-RJ (PS3.8 Table 9-21), with one readable phrase."""

    result: int
    source: int
    diagnostic: int
    words: str


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """What a policy decides about one proposed context."""

    result: int
    transfer_syntax: str = ""

    @classmethod
    def accept(cls, transfer_syntax: str) -> ContextAnswer:
        """Take the context with one of the transfer syntaxes it proposes."""
        return cls(ContextResult.ACCEPTANCE, transfer_syntax)

    @classmethod
    def refuse(cls, result: ContextResult = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED) -> ContextAnswer:
        """Turn the context down."""
        return cls(result)


def _only_scu(_sop_class: str, as_scu: bool, _as_scp: bool) -> tuple[bool, bool] | None:
    return as_scu, False


def _no_extended(_sop_class: str, _information: bytes) -> bytes | None:
    return None


def _no_identity(_identity: UserIdentity) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True)
class AcceptorPolicy:
    """How an acceptor answers. Only `choose` has no default.

    `roles` gives the requestor's (SCU, SCP) roles we agree to, of those it proposed; by default it stays SCU.
    None leaves the proposal without an answer, after which the default roles hold (PS3.7 D.3.3.4).
    `extended` and `identity` return the answer to those sub-items, or None for none (PS3.7 D.3.3.5, D.3.3.7:
    an acceptor that does not support them says nothing). `max_operations` bounds the asynchronous operations
    window that we grant in either direction; 1 is synchronous.
    """

    choose: Callable[[ProposedContext], ContextAnswer]
    max_pdu_length: int = DEFAULT_MAX_PDU_LENGTH
    roles: Callable[[str, bool, bool], tuple[bool, bool] | None] = _only_scu
    extended: Callable[[str, bytes], bytes | None] = _no_extended
    identity: Callable[[UserIdentity], bytes | None] = _no_identity
    max_operations: int = 64


def refusal(request: AssociateRequest) -> Rejection | None:
    """Why `request` must be rejected whatever is configured here, or None: context name and AE titles."""
    if request.application_context != APPLICATION_CONTEXT:
        return Rejection(1, 1, 2, "application context name not supported")
    for title, diagnostic, side in ((request.calling_ae, 3, "calling"), (request.called_ae, 7, "called")):
        try:
            AETitle.parse(title)
        except ValueError:
            return Rejection(1, 1, diagnostic, f"the {side} AE title is not an AE title: {title!r}")
    return None


def negotiate(request: AssociateRequest, policy: AcceptorPolicy) -> AssociateAccept:
    """Answer every proposed context and sub-item of `request` as `policy` says.

    An answer that breaks the rules is put right rather than sent: a transfer syntax that was not proposed
    becomes a refusal, a role that was not proposed is not granted.
    """
    answered = ((uid, policy.roles(uid, *proposed)) for uid, proposed in request.roles.items())
    roles = {uid: _granted(answer, request.roles[uid]) for uid, answer in answered if answer is not None}
    contexts = tuple(_answer(proposed, policy.choose(proposed), roles) for proposed in request.contexts)
    usable = {context.abstract_syntax for context in contexts if context.accepted}
    answers = ((uid, policy.extended(uid, info)) for uid, info in request.extended.items() if uid in usable)
    window = request.async_window
    return AssociateAccept(
        called_ae=request.called_ae,
        calling_ae=request.calling_ae,
        contexts=contexts,
        max_pdu_length=policy.max_pdu_length,
        roles={uid: granted for uid, granted in roles.items() if uid in usable},
        extended={uid: answer for uid, answer in answers if answer is not None},
        user_identity_response=policy.identity(request.user_identity) if request.user_identity else None,
        async_window=window and narrower_window(window, (policy.max_operations, policy.max_operations)),
    )


def _granted(answer: tuple[bool, bool], proposed: tuple[bool, bool]) -> tuple[bool, bool]:
    # PS3.7 D.3.3.4: the acceptor may turn a proposed role down, never add one.
    return answer[0] and proposed[0], answer[1] and proposed[1]


def _answer(
    proposed: ProposedContext, answer: ContextAnswer, roles: Mapping[str, tuple[bool, bool]]
) -> AcceptedContext:
    as_scu, as_scp = roles.get(proposed.abstract_syntax, (True, False))
    result, transfer_syntax = answer.result, answer.transfer_syntax
    if result == ContextResult.ACCEPTANCE:
        if transfer_syntax not in proposed.transfer_syntaxes:
            result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
        elif not (as_scu or as_scp):
            result = ContextResult.USER_REJECTION  # no role is left that anyone could play
    if result != ContextResult.ACCEPTANCE:
        # Not significant then, but the item has to be there (PS3.8 9.3.3.2): the first one proposed.
        transfer_syntax = proposed.transfer_syntaxes[0] if proposed.transfer_syntaxes else ""
    return AcceptedContext(
        proposed.context_id, proposed.abstract_syntax, transfer_syntax, result, as_scu, as_scp
    )


def narrower_window(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The smaller of two asynchronous operations windows, per direction; 0 stands for no limit."""
    invoked, performed = (min(a, b) if a and b else a or b for a, b in zip(one, other, strict=True))
    return invoked, performed


def settle(request: AssociateRequest, answer: AssociateAccept) -> AssociateAccept:
    """Read an A-ASSOCIATE-AC in the light of our own request (requestor).

    Abstract syntaxes and roles are put in, contexts the peer did not mention count as refused, and whatever
    the peer claims beyond what we proposed (a context, a transfer syntax, a role, a window) is not used.
    """
    by_id = {context.context_id: context for context in answer.contexts}
    contexts = []
    for proposed in request.contexts:
        got = by_id.get(proposed.context_id)
        result = got.result if got else ContextResult.NO_REASON
        transfer_syntax = got.transfer_syntax if got else ""
        if result == ContextResult.ACCEPTANCE and transfer_syntax not in proposed.transfer_syntaxes:
            result = ContextResult.NO_REASON
        uid = proposed.abstract_syntax
        as_scu, as_scp = True, False  # PS3.7 D.3.3.4: what holds when either side leaves the item out
        if uid in request.roles and uid in answer.roles:
            as_scu, as_scp = _granted(answer.roles[uid], request.roles[uid])
        contexts.append(
            AcceptedContext(proposed.context_id, uid, transfer_syntax, int(result), as_scu, as_scp)
        )
    window = request.async_window and narrower_window(request.async_window, answer.async_window or (1, 1))
    return AssociateAccept(
        called_ae=request.called_ae,
        calling_ae=request.calling_ae,
        contexts=tuple(contexts),
        max_pdu_length=answer.max_pdu_length,
        application_context=answer.application_context,
        implementation_class_uid=answer.implementation_class_uid,
        implementation_version=answer.implementation_version,
        roles=answer.roles,
        extended=answer.extended,
        user_identity_response=answer.user_identity_response,
        async_window=window,
    )


def split_contexts(
    wanted: Iterable[tuple[str, tuple[str, ...]]], limit: int = MAX_CONTEXTS
) -> list[tuple[ProposedContext, ...]]:
    """Number (abstract syntax, transfer syntaxes) pairs, in batches that fit into one association each."""
    if not 1 <= limit <= MAX_CONTEXTS:
        raise ValueError(f"an association carries 1 to {MAX_CONTEXTS} presentation contexts, not {limit}")
    pairs = list(wanted)
    return [
        tuple(
            ProposedContext(2 * index + 1, abstract_syntax, tuple(transfer_syntaxes))
            for index, (abstract_syntax, transfer_syntaxes) in enumerate(pairs[start : start + limit])
        )
        for start in range(0, len(pairs), limit)
    ]
