"""Consoles and centres: who calls, who is called, what they agreed to, and who may call what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

from gateway.errors import LocalError
from gateway.operator.answering import answer
from gateway.operator.http import Request, Response
from gateway.operator.routes import Parameter, Route
from gateway.operator.section import Section

ContextResult = Literal["user", "provider", "abstract-syntax", "transfer-syntaxes", "other"]
RefusalCode = Literal[
    "allow-list",
    "limit",
    "tls",
    "no-association",
    "called-title",
    "calling-title",
    "application-context",
    "protocol-version",
    "too-many",
    "centre-unreachable",
    "centre-rejected",
    "refused-without-reason",
    "rejected",
]
Offered = Literal["unknown", "yes", "no"]
ReachName = Literal["unknown", "up", "down", "trial"]
Role = Literal["scu", "scp", "both", "none"]


@dataclass(frozen=True, slots=True)
class ContextFacts:
    """What became of one abstract syntax when it was proposed last."""

    name: Annotated[str, "the SOP class by name"]
    uid: str
    accepted: Annotated[tuple[str, ...], "transfer syntaxes that were accepted, by name"]
    refused: Annotated[tuple[str, ...], "transfer syntaxes that were proposed and refused, by name"]
    result: Annotated[ContextResult | None, "why it was refused; null when some transfer syntax was accepted"]
    words: Annotated[str, "the same in words (PS3.8 Table 9-18)"]
    role: Annotated[Role, "role of who opened the association"]
    at: Annotated[float | None, "when; null when it was learned before the gateway started"]


@dataclass(frozen=True, slots=True)
class TermsFacts:
    """What the latest association agreed on beyond its presentation contexts."""

    at: float
    calling_ae: str
    called_ae: str
    max_pdu_length: Annotated[int, "longest P-DATA that the other side takes, in bytes; 0: any"]
    operations_invoked: Annotated[int, "operations that who called may have under way; 0: no limit"]
    operations_performed: Annotated[int, "the same in the other direction; 0: no limit"]
    implementation_class_uid: Annotated[str, "of the other side"]
    implementation_version: Annotated[str, "of the other side; may be empty"]
    tls: Annotated[str, "protocol and cipher; empty for plain TCP"]


@dataclass(frozen=True, slots=True)
class RefusalFacts:
    """Why somebody was not let in."""

    at: float
    code: Annotated[RefusalCode, "stable"]
    words: str
    called_ae: Annotated[str, "what it called; empty when it did not get that far"]


@dataclass(frozen=True, slots=True)
class CallerFacts:
    """One calling AE title at one address, since the gateway started."""

    number: Annotated[int, "the name of this caller in the API, until the gateway stops"]
    calling_ae: Annotated[str, "empty when it never got to say it"]
    address: str
    listener: str
    called: Annotated[tuple[str, ...], "the titles it called, the latest first"]
    known: Annotated[bool, "it was let in at some time"]
    first_at: float
    last_at: float
    associations: int
    open: Annotated[int, "associations open now"]
    objects: int
    bytes: int
    object_failures: int
    refusals: int
    last_refusal: RefusalFacts | None
    relay_refused_at: Annotated[float | None, "when a centre could not be reached for it"]
    relay_refused_peer: str
    relay_refused_words: str
    accepted: Annotated[int, "kinds of objects and services that were agreed on"]
    refused: Annotated[tuple[ContextFacts, ...], "what it proposed and did not get; the first ones"]
    refused_count: int


@dataclass(frozen=True, slots=True)
class CallerDetails:
    """Everything about one caller."""

    caller: CallerFacts
    terms: TermsFacts | None
    contexts: tuple[ContextFacts, ...]


@dataclass(frozen=True, slots=True)
class Callers:
    """Everybody who called, the most recent first."""

    since: Annotated[float, "nothing older is known"]
    callers: tuple[CallerFacts, ...]


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """One system we may dial."""

    name: str
    ae_title: str
    host: str
    port: int
    tls: bool
    certificate: Annotated[str, "file of the certificate we show; empty for plain DICOM"]
    authorities: Annotated[str, "file of the authorities we trust for it; empty for plain DICOM"]
    calling_ae: Annotated[str, "our title towards it"]
    destination: Annotated[bool, "objects are kept here and delivered to it"]
    max_associations: int
    commitment: Annotated[str, "how what it accepts is confirmed: on-request, always, query or never"]
    reach: ReachName
    reason: Annotated[str, "why it is down; may be empty"]
    next_try_seconds: Annotated[float | None, "it is not dialled before, except for a test"]
    rtt_seconds: float | None
    last_contact_at: Annotated[float | None, "when it answered last"]
    last_failure_at: float | None
    last_failure_phase: str
    last_failure: str
    failures: Annotated[int, "in a row"]
    open: Annotated[int, "associations with it open now, those kept ready too"]
    warm: Annotated[int, "associations kept ready for consoles"]
    accepted: int
    refused: Annotated[tuple[ContextFacts, ...], "what we proposed and it refused; the first ones"]
    refused_count: int
    compare: Annotated[str, "with what it was sent: auto, attributes, object or never"] = "never"
    queries: Annotated[Offered, "whether it takes queries of ours (Study Root C-FIND)"] = "unknown"
    gives_back: Annotated[Offered, "whether it gives objects back to us (Study Root C-GET)"] = "unknown"


@dataclass(frozen=True, slots=True)
class PeerDetails:
    """Everything about one peer."""

    peer: PeerFacts
    terms: TermsFacts | None
    contexts: tuple[ContextFacts, ...]


@dataclass(frozen=True, slots=True)
class Peers:
    """Every peer of the configuration."""

    since: Annotated[float, "nothing older is known, but for what peers accept"]
    peers: tuple[PeerFacts, ...]


@dataclass(frozen=True, slots=True)
class DoorFacts:
    """One listener, with who may come in."""

    name: str
    address: str
    port: int
    allow: Annotated[tuple[str, ...] | None, "networks that may connect; null: everybody"]
    tls: bool
    certificate: str
    authorities: str
    connections: int
    max_connections: int
    max_per_address: int
    associations: int
    max_associations: int


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """What happens to what is sent to one called AE title; the first route that matches wins."""

    called: str
    calling: Annotated[tuple[str, ...] | None, "titles that may call; null: every title"]
    to: tuple[str, ...]
    mode: Literal["store", "relay"]
    mpps: Literal["relay", "queue"]
    calling_upstream: Literal["caller", "gateway"]


@dataclass(frozen=True, slots=True)
class Routes:
    """Who may call what, and where it goes."""

    own_titles: Annotated[tuple[str, ...], "a C-ECHO to these is answered here"]
    listeners: tuple[DoorFacts, ...]
    routes: tuple[RouteFacts, ...]


class NoSuchPeer(LocalError):
    """There is no such peer in the configuration."""


class NoSuchCaller(LocalError):
    """There is no such caller, or it has been forgotten."""


class PeersPort(Protocol):
    """What this section asks of the daemon."""

    def peers(self) -> Peers:
        """Every peer."""

    def peer(self, name: str) -> PeerDetails:
        """One of them. Raises NoSuchPeer."""

    def callers(self) -> Callers:
        """Everybody who called since the start, within bounds."""

    def caller(self, number: int) -> CallerDetails:
        """One of them. Raises NoSuchCaller."""

    def routing(self) -> Routes:
        """Listeners and routes."""


_NAME = Parameter("name", "name of the peer, as in the configuration", "name")
_NUMBER = Parameter("number", "number of the caller, from the list of callers", "number")


class PeersSection(Section):
    """Answers from what the daemon remembers; nothing is dialled."""

    # fmt: off
    routes: ClassVar[tuple[Route, ...]] = (
        Route("GET", "/v1/peers", "peers", "Every peer: state, last contact, what it accepts.",
              Peers),
        Route("GET", "/v1/peers/{name}", "peer", "One peer, with everything that was negotiated.",
              PeerDetails, (_NAME,), errors=(404,)),
        Route("GET", "/v1/callers", "callers", "Everybody who called, also who was not let in.",
              Callers),
        Route("GET", "/v1/callers/{number}", "caller", "One caller, with everything that was negotiated.",
              CallerDetails, (_NUMBER,), errors=(404,)),
        Route("GET", "/v1/routes", "routing", "Listeners, and who may call what.",
              Routes),
    )
    # fmt: on
    problems: ClassVar[tuple[tuple[type[Exception], int, str], ...]] = (
        (NoSuchPeer, 404, "/v1/peers names the peers."),
        (NoSuchCaller, 404, "/v1/callers lists the callers that are remembered."),
    )

    def __init__(self, port: PeersPort) -> None:
        self._port = port

    async def peers(self, _request: Request) -> Response:
        return answer(self._port.peers())

    async def peer(self, _request: Request, name: str) -> Response:
        return answer(self._port.peer(name))

    async def callers(self, _request: Request) -> Response:
        return answer(self._port.callers())

    async def caller(self, _request: Request, number: int) -> Response:
        return answer(self._port.caller(number))

    async def routing(self, _request: Request) -> Response:
        return answer(self._port.routing())
