"""How the ways to the peers are and were: state, round trip, goodput, loss, bytes, and the month's budget.

Amounts are bytes on the wire, with TCP and IP headers as far as the kernel tells; a path that a satellite
modem accelerates has its own losses beyond the modem, which nobody here sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from gateway.operator.answering import answer
from gateway.operator.control import NotFound
from gateway.operator.http import Request, Response
from gateway.operator.routes import Parameter, Route
from gateway.operator.section import Section

LinkWord = Literal["up", "degraded", "down", "unknown"]
TrendSpan = Literal["day", "month"]
BudgetLevel = Literal["none", "ok", "watch", "over"]
Leaves = Literal["record", "image", "bulk"]


@dataclass(frozen=True, slots=True)
class BothWays:
    """Bytes to the peer, and from it."""

    sent: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """The way to one peer, now."""

    name: str
    ae_title: str
    host: str
    port: int
    tls: bool
    destination: Annotated[bool, "objects are delivered to it"]
    state: LinkWord
    reason: Annotated[str, "why it is not up, in words; may be empty"]
    since: Annotated[float, "when it went into this state, or when the gateway started"]
    rtt_seconds: Annotated[float | None, "round trip, smoothed"]
    bytes_per_second: Annotated[float | None, "goodput of large objects, per association"]
    loss: Annotated[float | None, "part of the TCP segments of the last hour that were sent again, 0 to 1"]
    last_contact_at: Annotated[float | None, "when it last accepted an object or answered"]
    next_try_at: Annotated[float | None, "when it is tried again, if that is waited for"]
    today: BothWays
    this_month: Annotated[BothWays, "since the budget's day of the month"]


@dataclass(frozen=True, slots=True)
class Links:
    """The ways to all peers: destinations first."""

    now: float
    watched: Annotated[bool, "somebody looks: destinations are asked every two seconds"]
    links: tuple[LinkFacts, ...]


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A link went into another state."""

    at: float
    state: LinkWord
    reason: str


@dataclass(frozen=True, slots=True)
class Trend:
    """What the way to one peer was like: columns of equal length, one row for each interval, by time."""

    name: str
    span: TrendSpan
    start: Annotated[float, "beginning of the time that was asked for"]
    end: float
    at: Annotated[tuple[float, ...], "beginning of each interval"]
    seconds: Annotated[tuple[float, ...], "length of each interval"]
    up: Annotated[tuple[float, ...], "part of the interval, 0 to 1, that the link was up"]
    degraded: tuple[float, ...]
    down: tuple[float, ...]
    rtt_min: Annotated[tuple[float | None, ...], "seconds"]
    rtt_median: tuple[float | None, ...]
    rtt_max: tuple[float | None, ...]
    goodput: Annotated[tuple[float | None, ...], "bytes per second of large objects, per association"]
    sent: Annotated[tuple[int, ...], "bytes"]
    received: tuple[int, ...]
    objects: Annotated[tuple[int, ...], "delivered"]
    loss: Annotated[tuple[float | None, ...], "part of the TCP segments that were sent again, 0 to 1"]
    changes: Annotated[tuple[LinkChange, ...], "by time; the first may be before `start`"]


@dataclass(frozen=True, slots=True)
class BudgetPeer:
    """What one peer has of this period's data."""

    name: str
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class BudgetPeriod:
    """One month of the budget."""

    start: Annotated[str, "its first day, as 2026-11-01"]
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class Budget:
    """Data of this month and where it leads. Forecasts are null while it is too early to say."""

    monthly: Annotated[int | None, "bytes that a month may have; null: it is only counted"]
    start: Annotated[str, "first day of the period, as 2026-11-01"]
    end: Annotated[str, "first day that is not in it"]
    days: int
    elapsed: Annotated[float, "days of it that are over"]
    used: int
    level: Annotated[BudgetLevel, "none: no budget; watch: the forecast is beyond it; over: it is used up"]
    by_elapsed: Annotated[int | None, "at the end, if all of it goes on as so far"]
    by_recent: Annotated[int | None, "at the end, if it goes on as in the last seven days"]
    low: Annotated[int | None, "range of by_recent: twice the standard deviation of those days"]
    high: int | None
    peers: tuple[BudgetPeer, ...]
    periods: Annotated[tuple[BudgetPeriod, ...], "this one last, thirteen at most"]
    daily: Annotated[tuple[BudgetPeriod, ...], "days of this period up to today"]
    bulk_until: Annotated[
        int | None, "used bytes from which bulk objects wait for the next period; null: they never do"
    ] = None
    image_until: Annotated[int | None, "the same for images"] = None
    leaves: Annotated[Leaves, "what may leave: this and what is more urgent"] = "bulk"


@dataclass(frozen=True, slots=True)
class WatchLease:
    """The links are watched for so long; renew it before."""

    seconds: float


class LinkTrends(Protocol):
    """What this section needs of the daemon."""

    def links(self) -> Links:
        """Return the ways to all peers, now."""

    def trend(self, peer: str, span: TrendSpan) -> Trend:
        """Return what the way to a peer was like. NotFound."""

    def budget(self) -> Budget:
        """Return the month's data."""

    def watch(self) -> WatchLease:
        """Watch the destinations for a while."""


_PEER = Parameter("name", "name of the peer, as in the configuration", "name")
_SPAN = Parameter(
    "span",
    "the last 24 hours by the minute (day, unless given), or the last 30 days by the half hour (month)",
    "choice",
    "query",
    choices=("day", "month"),
)


class TrendsSection(Section):
    """Links, their history, and the data budget."""

    # fmt: off
    routes = (
        Route("GET", "/v1/links", "links", "The ways to all peers, now.",
              Links),
        Route("POST", "/v1/links/watch", "watch_links",
              "Ask every destination each two seconds, for as long as this is renewed.",
              WatchLease, audited=False),
        Route("GET", "/v1/trends/{name}", "trend", "What the way to a peer was like.",
              Trend, (_PEER, _SPAN), errors=(404,)),
        Route("GET", "/v1/budget", "budget", "The month's data, and where it leads.",
              Budget),
    )
    # fmt: on
    problems = ((NotFound, 404, "The configuration names the peers."),)

    def __init__(self, trends: LinkTrends) -> None:
        self._trends = trends

    async def links(self, _request: Request) -> Response:
        return answer(self._trends.links())

    async def watch_links(self, _request: Request) -> Response:
        return answer(self._trends.watch())

    async def trend(self, _request: Request, name: str, span: TrendSpan = "day") -> Response:
        return answer(self._trends.trend(name, span))

    async def budget(self, _request: Request) -> Response:
        return answer(self._trends.budget())
