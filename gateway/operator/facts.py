"""The facts that leave the daemon, as frozen values: field names are the keys of `--json` and of the API.

Keys are stable: new ones may appear, none changes its meaning. Times are gateway wall-clock seconds since the
epoch, durations are seconds, amounts are bytes. Nothing here identifies a patient: objects are named by their
journal number, and SOP Instance UIDs stay in the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from gateway.operator.site_facts import SiteFacts

LinkState = Literal["online", "degraded", "offline", "unknown"]
State = Literal["queued", "sending", "accepted", "confirmed", "held", "released", "discarded"]
PriorityName = Literal["record", "image", "bulk"]
Level = Literal["ok", "waiting", "attention"]
CommitmentOfDelivery = Literal["not-asked", "asked", "put-off", "comparing", "confirmed"]
StepName = Literal["name", "tcp", "tls", "association", "echo"]
CommitmentStateName = Literal["open", "reporting", "reported", "given-up"]
StepStateName = Literal["queued", "held", "done", "refused", "discarded"]
StepKindName = Literal["create", "set"]


@dataclass(frozen=True, slots=True)
class Amount:
    """How many objects, and how many bytes they are."""

    count: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What has not reached a destination yet (queued or under way), by priority."""

    record: Amount
    image: Amount
    bulk: Amount

    @property
    def total(self) -> Amount:
        """All priorities together."""
        parts = (self.record, self.image, self.bulk)
        return Amount(sum(part.count for part in parts), sum(part.bytes for part in parts))


@dataclass(frozen=True, slots=True)
class DestinationFacts:
    """One destination: its link, and what waits for it."""

    name: str
    ae_title: str
    host: str
    port: int
    tls: bool
    link: LinkState
    link_reason: Annotated[str, "why the link is in this state, in words; may be empty"]
    link_since: Annotated[float | None, "when the link entered this state"]
    paused: Annotated[bool, "an operator has stopped deliveries to this destination"]
    waiting: Waiting
    in_flight: Annotated[int, "objects being sent right now; they are part of `waiting`"]
    held: Annotated[Amount, "objects that wait for a person to decide"]
    delivered: Annotated[Amount, "objects the destination has accepted or confirmed and that are still kept"]
    oldest_waiting_at: Annotated[float | None, "when the oldest object that waits or is held was received"]
    rtt_seconds: Annotated[float | None, "measured round trip time"]
    bytes_per_second: Annotated[float | None, "measured goodput"]
    last_success_at: float | None
    next_try_at: Annotated[float | None, "when delivery is tried again, if it waits for that"]
    unverified: Annotated[
        Amount, "of the delivered ones: accepted, not verified; nothing proves they are kept"
    ] = Amount(0, 0)
    at_hub: Annotated[
        int, "of the delivered ones: the hub has them, and the destination does not have them yet"
    ] = 0
    verified: Annotated[bool, "whatever it accepts is to be verified; until then the bytes stay here"] = False
    throughput: Annotated[
        float | None,
        "bytes of objects per second while busy, over all associations together",
    ] = None
    loss: Annotated[
        float | None, "part of the TCP segments of the last hour that were sent again, 0 to 1"
    ] = None
    retransmitted_bytes: Annotated[int | None, "sent again since the gateway started"] = None
    compression: Annotated[float | None, "bytes of objects for each byte that was sent for them"] = None
    eta_seconds: Annotated[float | None, "until all that may leave now has left, as it goes now"] = None
    rate_cap: Annotated[
        int | None, "bytes per second that the schedule allows now; 0: treatment records only; null: no cap"
    ] = None
    leaves: Annotated[PriorityName, "what may leave: this and what is more urgent; the rest waits here"] = (
        "bulk"
    )
    oldest_due_at: Annotated[float | None, "`oldest_waiting_at` without what is held back"] = None
    held_back: Annotated[str, "why the rest waits, in words; empty when nothing is held back"] = ""

    def lets(self, priority: PriorityName) -> bool:
        """Say whether objects of `priority` may leave now, as far as the line is concerned."""
        order: tuple[PriorityName, ...] = ("record", "image", "bulk")
        return order.index(priority) <= order.index(self.leaves)

    @property
    def put_off(self) -> Amount:
        """What of `waiting` may not leave for now, though the link may be up."""
        image = Amount() if self.lets("image") else self.waiting.image
        bulk = Amount() if self.lets("bulk") else self.waiting.bulk
        return Amount(image.count + bulk.count, image.bytes + bulk.bytes)


@dataclass(frozen=True, slots=True)
class SpoolFacts:
    """Room in the spool."""

    objects: int
    bytes: Annotated[int, "bytes of the objects kept"]
    free_bytes: Annotated[int, "bytes that may still be used, by the quota and by the file system"]
    reserve_bytes: Annotated[int, "the part of the free bytes that only treatment records may use"]
    accepts_records: bool
    accepts_images: bool


@dataclass(frozen=True, slots=True)
class ListenerFacts:
    """One listening address."""

    name: str
    address: str
    port: int
    tls: bool
    associations: Annotated[int, "associations established through this listener now"]


@dataclass(frozen=True, slots=True)
class CommitmentTotals:
    """Requests for storage commitment that are not finished."""

    open: Annotated[int, "transactions of consoles that wait for an answer of a destination"] = 0
    reporting: Annotated[int, "transactions whose result the console has not taken yet"] = 0
    asked: Annotated[int, "questions to destinations that wait for an answer"] = 0


@dataclass(frozen=True, slots=True)
class StepTotals:
    """Messages of procedure steps that are not finished."""

    queued: int = 0
    held: Annotated[int, "that wait for a person to decide"] = 0


@dataclass(frozen=True, slots=True)
class Status:
    """The whole gateway on one page."""

    gateway: str
    ae_title: str
    version: str
    started_at: float
    now: float
    level: Annotated[Level, "ok: nothing waits; waiting: on its way; attention: a person must look"]
    headline: Annotated[str, "the state in one sentence"]
    attention: Annotated[tuple[str, ...], "what a person must look at, one sentence each"]
    destinations: tuple[DestinationFacts, ...]
    spool: SpoolFacts
    listeners: tuple[ListenerFacts, ...]
    commitments: CommitmentTotals = CommitmentTotals()
    steps: StepTotals = StepTotals()
    sites: Annotated[tuple[SiteFacts, ...], "of a hub"] = ()


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """One object on its way to one destination."""

    number: Annotated[int, "delivery number: the name of this delivery in every command"]
    object_number: Annotated[int, "journal number of the object"]
    destination: str
    state: State
    priority: PriorityName
    sop_class: Annotated[str, "the SOP class by name"]
    size: int
    calling_ae: Annotated[str, "who sent it to the gateway"]
    received_at: float
    updated_at: float
    attempts: int
    not_before: Annotated[float | None, "not tried again before this time"]
    reason: Annotated[str, "why it is held or was put back, in words; may be empty"]
    cause: Annotated[str, "the same as a stable word; may be empty"] = ""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries: those to which everything given applies."""

    state: State | None = None
    destination: str | None = None
    priority: PriorityName | None = None
    sop_class: Annotated[str | None, "SOP class, by name or UID"] = None
    calling_ae: Annotated[str | None, "who sent it to the gateway"] = None
    cause: Annotated[str | None, "held for this cause, a stable word such as conflict"] = None
    received_from: Annotated[float | None, "received then or later"] = None
    received_before: Annotated[float | None, "received earlier than then"] = None
    q: Annotated[
        str | None,
        "number of the delivery or its object, the whole SOP Instance UID, or how the calling AE title, "
        "the name or the UID of the SOP class begins",
    ] = None
    up_to: Annotated[int | None, "only deliveries up to this number"] = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries.

    With order `oldest`, ask for the next page with `after` = `next` and for the one before with `before` =
    `previous`; with order `newest` the other way round.
    """

    deliveries: tuple[DeliveryFacts, ...]
    next: Annotated[int | None, "null when this page is the last"]
    previous: Annotated[int | None, "null when this page is the first"] = None
    searched_all: Annotated[
        bool, "false: so much was looked at that the search stopped before the page was full; `next` goes on"
    ] = True
    total: Annotated[int | None, "how many there are; null unless `count` was given"] = None
    total_exact: Annotated[bool, "false: there may be more than `total`"] = True


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """A stored object, without anything that names its patient."""

    number: int
    sop_class: str
    sop_class_uid: str
    transfer_syntax: str
    transfer_syntax_uid: str
    priority: PriorityName
    size: int
    sha256: Annotated[str, "of the data set exactly as received, in hexadecimal"]
    received_at: float
    listener: str
    address: str
    calling_ae: str
    called_ae: str
    association: str


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What a destination answered."""

    destination: str
    status: Annotated[str, "DIMSE status, as 0x0000"]
    words: Annotated[str, "what the status means"]
    comment: Annotated[str, "the peer's own words (0000,0902); may be empty"]
    transfer_syntax: str
    same_bytes: Annotated[bool, "false when the object had to be converted for this destination"]
    at: float


@dataclass(frozen=True, slots=True)
class EventFacts:
    """One entry of an object's history."""

    at: float
    what: Annotated[str, "a stable word"]
    words: str
    who: Annotated[str, "the operator who did it; empty when the gateway did"]
    cause: Annotated[str, "why an attempt failed, as a stable word; may be empty"] = ""
    status: Annotated[str, "DIMSE status of the answer, as 0xA700; empty when there was none"] = ""
    said: Annotated[str, "the peer's own words; may be empty"] = ""


@dataclass(frozen=True, slots=True)
class Story:
    """One object from the association that brought it to the receipt, and what to do next."""

    delivery: DeliveryFacts
    object: ObjectFacts
    others: Annotated[tuple[DeliveryFacts, ...], "the same object on its way to other destinations"]
    receipts: tuple[ReceiptFacts, ...]
    history: tuple[EventFacts, ...]
    next_step: str
    next_step_code: Annotated[str, "the same as a stable word"] = ""
    bytes_kept: Annotated[bool, "false: the object is history, its bytes are gone"] = True
    commitment: Annotated[
        CommitmentOfDelivery, "whether its destination was asked to commit it, since it was accepted"
    ] = "not-asked"


@dataclass(frozen=True, slots=True)
class CommitmentFacts:
    """A transaction of storage commitment that a console asked for. Instances are counted, not named."""

    number: int
    transaction_uid: str
    calling_ae: Annotated[str, "the console that asked"]
    called_ae: Annotated[str, "whom it asked"]
    listener: str
    address: str
    destinations: Annotated[tuple[str, ...], "those that have to commit every instance"]
    state: CommitmentStateName
    open: Annotated[int, "instances that are not resolved at every destination"]
    committed: Annotated[int, "instances that every destination has committed"]
    failed: Annotated[int, "instances that a destination has not committed"]
    attempts: Annotated[int, "reports to the console that failed"]
    not_before: Annotated[float | None, "the next report is not sent before this time"]
    reason: Annotated[str, "why the last report failed or was given up, in words; may be empty"]
    received_at: float
    finished_at: float | None


@dataclass(frozen=True, slots=True)
class CommitmentPage:
    """A page of transactions, the newest first; ask for the next one with `before` = `next`."""

    commitments: tuple[CommitmentFacts, ...]
    next: Annotated[int | None, "null when this page is the last"]


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One message of a procedure step (N-CREATE or N-SET) that is queued for its destination."""

    number: Annotated[int, "the name of this message in every command; the order of arrival"]
    kind: StepKindName
    sop_class: Annotated[str, "the SOP class by name"]
    destination: str
    calling_ae: str
    called_ae: str
    state: StepStateName
    waits_for: Annotated[int | None, "the earlier unfinished message of the same procedure step"]
    size: int
    attempts: int
    uncertain: Annotated[bool, "an attempt may have been carried out without an answer"]
    not_before: Annotated[float | None, "not tried again before this time"]
    reason: Annotated[str, "why it was put back, held or discarded, in words; may be empty"]
    status: Annotated[str | None, "DIMSE status of the destination, as 0x0000"]
    words: Annotated[str, "what the status means"]
    comment: Annotated[str, "the destination's own words (0000,0902); may be empty"]
    who: Annotated[str, "the operator who decided last; empty when nobody did"]
    received_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class StepPage:
    """A page of messages of procedure steps; ask for the next one with `after` = `next`."""

    steps: tuple[StepFacts, ...]
    next: Annotated[int | None, "null when this page is the last"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an operator does something; kept in the object's history."""

    reason: str


@dataclass(frozen=True, slots=True)
class HeldFilter:
    """Which held deliveries to try again; without a filter, all of them."""

    destination: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Retried:
    """How many deliveries were put back into the queue."""

    count: int


@dataclass(frozen=True, slots=True)
class EchoStep:
    """One step towards a peer."""

    step: StepName
    ok: bool
    seconds: float
    words: str


@dataclass(frozen=True, slots=True)
class EchoReport:
    """A C-ECHO to a peer, step by step. The steps end with the first that failed."""

    peer: str
    ok: bool
    steps: tuple[EchoStep, ...]
    next_step: Annotated[str, "what to do about the failure; empty when all is well"]


@dataclass(frozen=True, slots=True)
class SendReport:
    """The answer of a peer to one object sent to it directly."""

    peer: str
    ok: bool
    status: Annotated[str | None, "DIMSE status, as 0x0000; null when there was no answer"]
    words: str
    sop_class: str
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class AssociationFacts:
    """One established association."""

    id: str
    inbound: bool
    address: str
    calling_ae: str
    called_ae: str
    tls: Annotated[str, "protocol and cipher; empty for plain TCP"]
    since: float
    listener: Annotated[str, "that it came through; empty when the gateway opened it"] = ""
    peer: Annotated[str, "name of the peer that was dialled; empty when it came in"] = ""
    objects: Annotated[int | None, "stored so far; null when it is not counted until the end"] = None
    bytes_in: Annotated[int | None, "received so far; null when it is not counted until the end"] = None
    bytes_out: int | None = None


@dataclass(frozen=True, slots=True)
class Associations:
    """All established associations."""

    associations: tuple[AssociationFacts, ...]


@dataclass(frozen=True, slots=True)
class ProblemDetails:
    """An error, as RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    next_step: Annotated[str, "what to do about it"]
