"""Treatment records: what each says of itself, where it is and, only when revealed, whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

from gateway.errors import LocalError
from gateway.operator.answering import answer
from gateway.operator.facts import State
from gateway.operator.http import Request, Response
from gateway.operator.routes import DEFAULT_PAGE, MAX_PAGE, Parameter, Route
from gateway.operator.section import Section

Kind = Literal["beams", "brachy", "ion", "summary", "radiation", "salvage", "set", "other"]
Reading = Literal["read", "unreadable", "gone"]
Ending = Literal["normal", "operator", "machine", "unknown", "not-stated"]
Content = Literal[
    "treatment", "simulation", "plan-qa", "machine-qa", "research", "service", "phantom", "unknown"
]
Check = Literal["verified", "overridden", "not-verified", "not-stated"]
Standing = Literal["held", "waiting", "given-up", "reached", "confirmed"]

MAX_COUNTED = 2000
"""Records of one window that are counted and told apart by patient: the newest ones."""


@dataclass(frozen=True, slots=True)
class BeamFacts:
    """One beam, application set-up or radiation of a record."""

    name: str
    ending: Annotated[Ending, "how it ended (PS3.3 C.8.8.21, Treatment Termination Status)"]
    delivery: Annotated[str, "Treatment Delivery Type, as treatment or continuation; may be empty"]
    check: Annotated[Check, "Treatment Verification Status"]


@dataclass(frozen=True, slots=True)
class RecordDelivery:
    """A record on its way to one destination."""

    number: Annotated[int, "delivery number"]
    destination: str
    state: State
    cause: Annotated[str, "why it is held, as a stable word; empty unless held"]
    attempts: int
    sent_at: Annotated[float | None, "when the destination accepted it; null when it has not"]
    confirmed_at: Annotated[float | None, "when it was proven to be kept there; null when it is not"]


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """One treatment record, without its patient. What the record says is what its sender wrote."""

    number: Annotated[int, "journal number of the object"]
    received_at: Annotated[float, "when it was durable here"]
    sop_class: Annotated[str, "the SOP class by name"]
    kind: Kind
    calling_ae: str
    size: int
    reading: Annotated[Reading, "gone: delivered, and its bytes are not kept any more"]
    treated: Annotated[str, "ISO 8601 as the record states it, often without a zone; may be empty"]
    plan_label: str
    plan_name: str
    plan_reference: Annotated[str, "the end of the UID of the plan; may be empty"]
    fraction: int | None
    fractions_planned: int | None
    beams: Annotated[tuple[BeamFacts, ...], "the first ones"]
    beam_count: int
    channels: Annotated[int, "of a brachytherapy record"]
    ending: Annotated[Ending, "the worst of its beams"]
    ending_word: Annotated[str, "the record's own word when it is none of the standard's"]
    check: Annotated[Check, "the worst of its beams"]
    content: Annotated[Content, "what it is about; anything but treatment is of no patient's treatment"]
    entered_by_hand: Annotated[bool, "built from what a person entered, not recorded by the machine"]
    continuation: Annotated[bool, "of a treatment that was interrupted"]
    completion: Annotated[str, "of the course or fraction, the record's own word; may be empty"]
    machine: str
    patient: Annotated[
        int | None, "the same number for one patient's records in this window; null when nobody can tell"
    ]
    standing: Annotated[Standing, "where it is, over all its destinations"]
    deliveries: tuple[RecordDelivery, ...]


@dataclass(frozen=True, slots=True)
class RecordTotals:
    """All records of the window, or its newest ones."""

    records: int = 0
    complete: Annotated[bool, f"false: there are more than {MAX_COUNTED}, the newest were counted"] = True
    not_treatments: Annotated[int, "simulations, quality assurance, phantoms: no patient was treated"] = 0
    unreadable: int = 0
    patients: int = 0
    reached: Annotated[int, "that every destination has accepted, confirmed ones included"] = 0
    confirmed: Annotated[int, "that every destination has proven to keep"] = 0
    waiting: int = 0
    held: Annotated[int, "that wait for a person to decide"] = 0
    given_up: Annotated[int, "that a person has given up for a destination"] = 0
    destinations: Annotated[tuple[str, ...], "where they go"] = ()
    newest_at: Annotated[float | None, "when the newest was received"] = None


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Records of a window, the newest first; ask for the next page with `before` = `next`."""

    records: tuple[RecordFacts, ...]
    next: Annotated[int | None, "null when this page is the last"]
    totals: RecordTotals
    since: float
    until: float
    now: Annotated[float, "the gateway's clock"]


@dataclass(frozen=True, slots=True)
class RevealedPatient:
    """Who a record is of. Asking is audited."""

    number: int
    readable: bool
    name: str
    patient_id: str
    birth_date: Annotated[str, "ISO 8601; may be empty"]


class NoSuchRecord(LocalError):
    """There is no treatment record of that number."""


class RecordGone(LocalError):
    """The record was delivered and its bytes are not kept any more."""


class Records(Protocol):
    """What this section asks of the daemon."""

    async def page(
        self, *, since: float | None, until: float | None, before: int | None, limit: int
    ) -> RecordPage:
        """Return the records received in a window, and its totals. Without a window: the last day."""

    async def reveal(self, number: int) -> RevealedPatient:
        """Say who a record is of. Raises NoSuchRecord or RecordGone."""


_NUMBER = Parameter("number", "journal number of the record", "number")
_WINDOW = (
    Parameter(
        "since", "received at or after this time (seconds since the epoch)", "number", "query", minimum=0
    ),
    Parameter("until", "received before this time", "number", "query", minimum=0),
    Parameter("before", "only below this number (the `next` of the page before)", "number", "query"),
    Parameter(
        "limit", f"how many at most ({DEFAULT_PAGE} unless given)", "number", "query", maximum=MAX_PAGE
    ),
)


class RecordsSection(Section):
    """Treatment records."""

    # fmt: off
    routes: ClassVar[tuple[Route, ...]] = (
        Route("GET", "/v1/records", "records", "Treatment records of a window, the newest first.",
              RecordPage, _WINDOW),
        Route("POST", "/v1/records/{number}/reveal", "reveal", "Who a treatment record is of.",
              RevealedPatient, (_NUMBER,), errors=(404, 409)),
    )
    # fmt: on
    problems = (
        (NoSuchRecord, 404, "GET /v1/records lists them."),
        (RecordGone, 409, "The centre has it: look it up there."),
    )

    def __init__(self, records: Records) -> None:
        self._records = records

    async def records(
        self,
        _request: Request,
        since: int | None = None,
        until: int | None = None,
        before: int | None = None,
        limit: int = DEFAULT_PAGE,
    ) -> Response:
        return answer(await self._records.page(since=since, until=until, before=before, limit=limit))

    async def reveal(self, _request: Request, number: int) -> Response:
        return answer(await self._records.reveal(number))
