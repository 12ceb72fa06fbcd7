"""The operator API as a table. The document (openapi.py) and the dispatch (api.py) are made from it.

What concerns deliveries, destinations and peers stands here; sections/ has a table of its own in each file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gateway.operator import facts

MAX_PAGE = 1000
DEFAULT_PAGE = 100
MAX_COUNT = 100_000
MAX_TIME = 2**40  # seconds since the epoch: far beyond any clock
MAX_SEARCH = 128  # characters
MAX_NUMBER = 2**63 - 1  # what the journal can count to

JSON_LINES = "application/x-ndjson"
DICOM = "application/dicom"  # a Part 10 file (PS3.10 7, RFC 3240)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value in the path or the query."""

    name: str
    words: str
    kind: Literal["number", "name", "choice"]
    where: Literal["path", "query"] = "path"
    maximum: int = MAX_NUMBER
    minimum: int = 1
    max_length: int = 64  # characters of a name
    choices: tuple[str, ...] = ()  # the words that a choice may be


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `answer` is a fact, or a media type for what is not JSON."""

    method: str
    path: str
    operation: str  # the name of the method of api.Handlers, and the operationId
    words: str
    answer: type[Any] | str
    parameters: tuple[Parameter, ...] = ()
    body: type[Any] | str | None = None
    body_optional: bool = False
    errors: tuple[int, ...] = ()
    line: type[Any] | None = None  # what each line is, where the answer is a stream of JSON lines
    audited: bool = True  # anything but GET is told to the audit trail, unless it changes nothing


_DELIVERY = Parameter("number", "delivery number", "number")
_DESTINATION = Parameter("name", "name of the destination, as in the configuration", "name")
_PEER = Parameter("name", "name of the peer, as in the configuration", "name")
_LIMIT = Parameter(
    "limit", f"how many at most ({DEFAULT_PAGE} unless given)", "number", "query", maximum=MAX_PAGE
)
_AFTER = Parameter(
    "after", "only deliveries beyond this number (see DeliveryPage)", "number", "query", minimum=0
)
_ORDERS = ("oldest", "newest")
_FILTERS = (
    Parameter("state", "only deliveries in this state", "choice", "query", choices=get_args(facts.State)),
    Parameter("destination", "only deliveries to this destination", "name", "query"),
    Parameter("priority", "only of this priority", "choice", "query", choices=get_args(facts.PriorityName)),
    Parameter("sop_class", "only of this SOP class, by name or UID", "name", "query", max_length=128),
    Parameter("calling_ae", "only from this AE title", "name", "query", max_length=16),
    Parameter("cause", "only held for this cause, a stable word", "name", "query"),
    Parameter("received_from", "received at this time or later", "number", "query", MAX_TIME, 0),
    Parameter("received_before", "received before this time", "number", "query", MAX_TIME, 0),
    Parameter("q", "search, as in DeliveryFilter", "name", "query", max_length=MAX_SEARCH),
    Parameter("up_to", "only deliveries up to this number", "number", "query"),
    Parameter(
        "order",
        "the oldest first (unless given), or the newest",
        "choice",
        "query",
        choices=("oldest", "newest"),
    ),
    _AFTER,
    Parameter("before", "only deliveries below this number (see DeliveryPage)", "number", "query"),
    _LIMIT,
    Parameter("count", "count those that match, up to so many", "number", "query", MAX_COUNT, 0),
)

_STEP = Parameter("number", "number of the message", "number")
_BEFORE = Parameter(
    "before", "only transactions below this number (the `next` of the page before)", "number", "query"
)
_STEP_FILTERS = (
    Parameter(
        "state", "only messages in this state", "choice", "query", choices=get_args(facts.StepStateName)
    ),
    Parameter("destination", "only messages to this destination", "name", "query"),
    Parameter(
        "after",
        "only messages beyond this number (the `next` of the page before)",
        "number",
        "query",
        minimum=0,
    ),
    _LIMIT,
)

# One operation after another, two lines each: a table is easier to check than the formatter's columns.
# fmt: off
ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/status", "status", "The whole gateway on one page.",
          facts.Status),
    Route("GET", "/v1/deliveries", "deliveries", "A page of deliveries, by their numbers.",
          facts.DeliveryPage, _FILTERS, errors=(404,)),
    Route("POST", "/v1/deliveries/retry-held", "retry_held", "Put held deliveries back into the queue.",
          facts.Retried, body=facts.HeldFilter, body_optional=True, errors=(404,)),
    Route("GET", "/v1/deliveries/{number}", "story", "One object from association to receipt.",
          facts.Story, (_DELIVERY,), errors=(404,)),
    Route("POST", "/v1/deliveries/{number}/retry", "retry", "Try this delivery again now.",
          facts.DeliveryFacts, (_DELIVERY,), errors=(404, 409)),
    Route("POST", "/v1/deliveries/{number}/hold", "hold", "Keep this delivery back until it is released.",
          facts.DeliveryFacts, (_DELIVERY,), body=facts.Reason, errors=(404, 409)),
    Route("POST", "/v1/deliveries/{number}/release", "release", "Let a held delivery go.",
          facts.DeliveryFacts, (_DELIVERY,), errors=(404, 409)),
    Route("POST", "/v1/deliveries/{number}/discard", "discard", "Give this delivery up for good.",
          facts.DeliveryFacts, (_DELIVERY,), body=facts.Reason, errors=(404, 409)),
    Route("GET", "/v1/deliveries/{number}/export", "export", "The object as a Part 10 file.",
          DICOM, (_DELIVERY,), errors=(404, 409)),
    Route("GET", "/v1/commitments", "commitments", "Transactions of storage commitment, the newest first.",
          facts.CommitmentPage, (_BEFORE, _LIMIT)),
    Route("GET", "/v1/steps", "steps", "Queued messages of procedure steps by ascending number.",
          facts.StepPage, _STEP_FILTERS, errors=(404,)),
    Route("POST", "/v1/steps/{number}/retry", "retry_step", "Try this message again now.",
          facts.StepFacts, (_STEP,), errors=(404, 409)),
    Route("POST", "/v1/steps/{number}/discard", "discard_step", "Give this message up for good.",
          facts.StepFacts, (_STEP,), body=facts.Reason, errors=(404, 409)),
    Route("POST", "/v1/destinations/{name}/pause", "pause", "Stop deliveries to this destination.",
          facts.DestinationFacts, (_DESTINATION,), errors=(404,)),
    Route("POST", "/v1/destinations/{name}/resume", "resume", "Let deliveries to this destination go again.",
          facts.DestinationFacts, (_DESTINATION,), errors=(404,)),
    Route("POST", "/v1/destinations/{name}/retry", "kick", "Try this destination now.",
          facts.DestinationFacts, (_DESTINATION,), errors=(404,)),
    Route("POST", "/v1/peers/{name}/echo", "echo", "Verify a peer with C-ECHO, step by step.",
          facts.EchoReport, (_PEER,), errors=(404, 503)),
    Route("POST", "/v1/peers/{name}/send", "send", "Pass one Part 10 file straight to a peer.",
          facts.SendReport, (_PEER,), body=DICOM, errors=(404, 411, 413, 422, 503)),
    Route("GET", "/v1/associations", "associations", "Associations established now.",
          facts.Associations),
    Route("GET", "/v1/events", "events", "What happens, as it happens.",
          "text/event-stream", errors=(503,)),
    Route("GET", "/v1/openapi.json", "openapi", "This document.",
          "application/json"),
    Route("GET", "/metrics", "metrics", "Metrics in the Prometheus text format.",
          "text/plain"),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Match:
    """A route, and the values of its path parameters as text."""

    route: Route
    values: Mapping[str, str]


def match(method: str, path: str, routes: Sequence[Route] = ROUTES) -> Match | tuple[str, ...]:
    """Return the route for a request, or the methods that the path does allow (none: no such path)."""
    allowed: list[str] = []
    parts = path.split("/")
    for route in routes:
        values = _path_values(route.path.split("/"), parts)
        if values is None:
            continue
        if route.method == method:
            return Match(route, values)
        allowed.append(route.method)
    return tuple(allowed)


def _path_values(template: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(template) != len(parts):
        return None
    values = {}
    for expected, part in zip(template, parts, strict=True):
        if expected.startswith("{"):
            values[expected[1:-1]] = part
        elif expected != part:
            return None
    return values


def parse(parameter: Parameter, text: str) -> int | str:
    """Return the value of a parameter; raise ValueError, saying what is allowed."""
    if parameter.kind == "number":
        if not (text.isascii() and text.isdigit() and len(text) <= 19):
            raise ValueError(f"{parameter.name}: a whole number is expected")
        number = int(text)
        if not parameter.minimum <= number <= parameter.maximum:
            raise ValueError(f"{parameter.name}: {parameter.minimum} to {parameter.maximum} is allowed")
        return number
    if parameter.kind == "choice" and text not in parameter.choices:
        raise ValueError(f"{parameter.name}: one of {', '.join(parameter.choices)} is expected")
    if not text or len(text) > parameter.max_length:
        raise ValueError(f"{parameter.name}: 1 to {parameter.max_length} characters are allowed")
    return text
