"""What happened, as values. The core publishes; logging, metrics and audit subscribe and never answer back.

A notice carries no patient data: objects are named by journal number, never by patient, and SOP Instance
UIDs stay in the journal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from gateway.traffic import OpenAssociation

_log = logging.getLogger(__name__)

RefusalKind = Literal["", "allow-list", "limit", "tls"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Base of all notices."""

    internal: ClassVar[bool] = False
    """True for what is meant for books kept inside the daemon: no line of the log, no event."""


@dataclass(frozen=True, slots=True)
class ConnectionRefused(Notice):
    """A TCP or TLS connection ended before any A-ASSOCIATE-RQ was answered."""

    listener: str
    address: str
    reason: str
    kind: RefusalKind = ""  # what the listener refused it for; empty when the peer gave up or said nothing


@dataclass(frozen=True, slots=True)
class AssociationRefused(Notice):
    """We answered A-ASSOCIATE-RJ (`inbound`) or received one."""

    association: str
    inbound: bool
    address: str
    calling_ae: str
    called_ae: str
    result: int
    source: int
    diagnostic: int
    reason: str


@dataclass(frozen=True, slots=True)
class AssociationOpened(Notice):
    """An association was established."""

    association: str
    inbound: bool
    address: str
    calling_ae: str
    called_ae: str
    tls: str  # "TLSv1.3 TLS_AES_256_GCM_SHA384", or "" for plain
    accepted: int
    refused: int


class ProposedView(Protocol):
    """One presentation context as it was proposed (gateway.dicom.negotiation.ProposedContext)."""

    @property
    def transfer_syntaxes(self) -> tuple[str, ...]: ...


class AnsweredView(Protocol):
    """One presentation context as it was answered (gateway.dicom.negotiation.AcceptedContext)."""

    @property
    def abstract_syntax(self) -> str: ...

    @property
    def transfer_syntax(self) -> str: ...

    @property
    def result(self) -> int: ...

    @property
    def as_scu(self) -> bool: ...

    @property
    def as_scp(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class AssociationNegotiated(Notice):
    """What the association that opens now may carry. Published just before its AssociationOpened.

    The contexts are those of the negotiation itself, so telling costs nothing; who keeps them condenses them.
    `proposed` and `answered` are in the same order.
    """

    internal: ClassVar[bool] = True

    association: str
    inbound: bool
    listener: str  # that it came through; empty when we opened it
    peer: str  # name of the peer we dialled; empty when it came to us
    address: str
    calling_ae: str
    called_ae: str
    proposed: Sequence[ProposedView]
    answered: Sequence[AnsweredView]
    max_pdu_length: int  # that the other side takes; 0: any
    async_window: tuple[int, int]  # operations the requestor may (invoke, perform) at a time; 0: no limit
    implementation_class_uid: str  # of the other side
    implementation_version: str


@dataclass(frozen=True, slots=True)
class DialFailed(Notice):
    """We dialled a peer, and no association came about."""

    internal: ClassVar[bool] = True

    peer: str
    phase: str  # "resolve", "tcp", "tls" or "association"
    reason: str


@dataclass(frozen=True, slots=True)
class AssociationClosed(Notice):
    """An established association ended; the one line an engineer reads first."""

    association: str
    inbound: bool
    address: str
    calling_ae: str
    called_ae: str
    outcome: str  # "released" | "aborted" | "lost" | "timeout"
    reason: str
    objects: int
    failures: int
    bytes_in: int
    bytes_out: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ObjectStored(Notice):
    """An object became durable and success was answered."""

    association: str
    address: str
    calling_ae: str
    called_ae: str
    number: int
    sop_class_uid: str
    transfer_syntax_uid: str
    priority: str
    size: int
    seconds: float
    outcome: str  # "new" | "duplicate" | "conflict" | "checking"


@dataclass(frozen=True, slots=True)
class ObjectRefused(Notice):
    """A C-STORE was answered with a failure; nothing was kept."""

    association: str
    address: str
    calling_ae: str
    called_ae: str
    sop_class_uid: str
    size: int
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class DeliverySettled(Notice):
    """One attempt to deliver one object came to an end."""

    delivery: int
    object_number: int
    destination: str
    sop_class_uid: str
    transfer_syntax_uid: str
    priority: str
    size: int
    seconds: float
    attempts: int
    outcome: str  # "accepted" | "confirmed" | "retry" | "held"
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class RelayOpened(Notice):
    """A caller's association has a far one that its messages pass through to."""

    association: str
    far: str  # the far association
    peer: str
    warm: bool  # the far association was open already
    seconds: float  # the caller waited for it


@dataclass(frozen=True, slots=True)
class RelayRefused(Notice):
    """There is no far association for a caller; its relayed presentation contexts were refused."""

    association: str
    address: str
    calling_ae: str
    called_ae: str
    peer: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RelayBroken(Notice):
    """The far association ended while a caller's association was open."""

    association: str
    far: str
    peer: str
    unanswered: int  # requests of the caller that got a failure for it
    reason: str


@dataclass(frozen=True, slots=True)
class UpsGuarded(Notice):
    """A UPS change to COMPLETED had to wait for records, or was refused."""

    calling_ae: str
    called_ae: str
    outcome: str  # "passed" or "refused"
    records: int  # deliveries that were missing: when it came (passed), or at the end (refused)
    seconds: float  # it waited
    reason: str  # why it was refused, in words


@dataclass(frozen=True, slots=True)
class StepAnswered(Notice):
    """A console got its answer to an N-CREATE or N-SET that is queued here."""

    association: str
    calling_ae: str
    called_ae: str
    kind: str  # "create" or "set"
    size: int
    seconds: float
    status: int
    outcome: str  # "answered" by the destination, "queued", "refused" here
    reason: str  # why it was refused here, in words


@dataclass(frozen=True, slots=True)
class StepSettled(Notice):
    """One try to pass on one step came to an end."""

    number: int
    destination: str
    calling_ae: str  # as the destination sees it
    kind: str  # "create" or "set"
    attempts: int
    seconds: float
    outcome: str  # "done", "refused" (and the console was told), "retry", "held"
    status: int | None  # None: the destination did not answer
    reason: str  # in words of ours; empty when there is nothing to say


@dataclass(frozen=True, slots=True)
class StepLinkChanged(Notice):
    """Steps can, or cannot, be passed on to a destination at all. `calling_ae` "": whoever calls."""

    destination: str
    calling_ae: str
    up: bool
    reason: str


@dataclass(frozen=True, slots=True)
class CommitmentRequested(Notice):
    """A console asked for commitment (N-ACTION) and was answered."""

    association: str
    address: str
    calling_ae: str
    called_ae: str
    number: int  # of the transaction, 0 when it was refused
    instances: int
    outcome: str  # "new" | "again" | "refused"
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class CommitmentAsked(Notice):
    """A destination was asked, or could not be."""

    destination: str
    instances: int
    outcome: str  # "asked" | "put off"
    reason: str


@dataclass(frozen=True, slots=True)
class CommitmentAnswered(Notice):
    """A destination told what it has committed."""

    source: str  # AE title or peer that told it
    outcome: str  # "known" | "again" | "unknown" | "refused"
    committed: int
    failed: int
    resent: int  # deliveries that are sent once more
    held: int
    how: str  # "N-EVENT-REPORT" | "verified by query"
    reason: str  # of a refusal; failure reasons otherwise
    undecided: int = 0  # whether what is kept there is what was sent cannot be told
    other: int = 0  # in whose place something else is kept: among those that failed


@dataclass(frozen=True, slots=True)
class CommitmentReported(Notice):
    """A console was told its result, or could not be."""

    number: int
    calling_ae: str
    committed: int
    failed: int
    outcome: str  # "reported" | "retry" | "given up"
    where: str  # "same association" | "new association"
    reason: str


@dataclass(frozen=True, slots=True)
class LinkChanged(Notice):
    """A destination went from one state to another (online, degraded, offline)."""

    destination: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class LinkConnected(Notice):
    """A gateway link came up: both ends have said hello."""

    link: str  # at a site: the hub; at a hub: the site
    inbound: bool
    address: str
    tls: str
    software: str  # of the other end, as it says
    resumed: bool  # the TLS session was one of before


@dataclass(frozen=True, slots=True)
class LinkLost(Notice):
    """A gateway link went down, or, at a site, cannot be brought up: told once for each reason."""

    link: str
    inbound: bool
    address: str
    reason: str
    seconds: float  # it was up; 0: it was not
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class OperatorActed(Notice):
    """Somebody did something through the operator API, or tried to."""

    who: str  # a name, and the process as the kernel knows it
    what: str  # the operation, a stable word: "retry", "discard", "pause" ...
    subject: str  # what it was done to: "number=17", "name=oncology"; empty when to the whole
    outcome: str  # "done", or why it was not, in words
    detail: str  # what the operator said (a reason), or what came of it; may be empty


@dataclass(frozen=True, slots=True)
class Alarm(Notice):
    """Something a person must look at. `code` is stable, `text` says what to do next."""

    code: str
    text: str
    object_number: int | None = None


class Notices:
    """Synchronous fan-out. A subscriber that raises is logged and does not disturb the core."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Notice], None]] = []
        self.open_associations: dict[str, OpenAssociation] = {}
        """By ID; each is still there while its AssociationClosed is published."""

    def subscribe(self, subscriber: Callable[[Notice], None]) -> Callable[[], None]:
        """Call `subscriber` for every notice from now on; the returned function ends that."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def publish(self, notice: Notice) -> None:
        """Hand `notice` to every subscriber, in order of subscription. Never raises."""
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(notice)
            except Exception:  # noqa: BLE001 - a broken log or metrics sink must never cost a treatment record
                _log.exception("a subscriber failed on %s", type(notice).__name__)
