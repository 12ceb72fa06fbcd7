"""Many deliveries at once: what is held and why, and one action for a whole selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from gateway.operator.answering import answer, checked_reason, read_body, who
from gateway.operator.control import NotFound, NotPossible
from gateway.operator.facts import DeliveryFilter
from gateway.operator.http import Request, Response
from gateway.operator.queue_facts import (
    ActOutcome,
    ActReport,
    ActRequest,
    HeldGroups,
    QueueAction,
    QueueKinds,
)
from gateway.operator.routes import MAX_NUMBER, MAX_SEARCH, MAX_TIME, Route
from gateway.operator.section import Section

MAX_SELECTION = 1000
"""Deliveries that one request may name by number."""

MAX_BY_FILTER = 10_000
"""Deliveries that one request may change by filter; the answer says when there are more."""

MAX_OUTCOMES = 1000

_WITH_REASON = ("hold", "discard")


class QueuePort(Protocol):
    """What this part needs of the daemon."""

    async def held(self) -> HeldGroups:
        """Return what is held, by destination and cause."""

    async def kinds(self) -> QueueKinds:
        """Return what has come, and from whom."""

    async def matching(self, wanted: DeliveryFilter, most: int) -> list[int]:
        """Return numbers of deliveries. NotFound: unknown destination; ValueError: no such SOP class."""

    async def act_on_many(
        self, numbers: Sequence[int], action: QueueAction, *, reason: str, who: str
    ) -> list[ActOutcome]:
        """Do the same to each; what one refuses does not stop the others."""


class QueueSection(Section):
    """Answers for the port."""

    # fmt: off
    routes: ClassVar = (
        Route("GET", "/v1/held", "held", "What is held, by destination and cause, and what to do about it.",
              HeldGroups),
        Route("GET", "/v1/kinds", "kinds", "Which SOP classes have come, and from which AE titles.",
              QueueKinds),
        Route("POST", "/v1/deliveries/act", "act_on_many", "Do the same to many deliveries.",
              ActReport, body=ActRequest, errors=(404, 409)),
    )
    # fmt: on
    problems = (
        (NotFound, 404, "`dicom-gateway status` names the destinations."),
        (NotPossible, 409, "Look at the listing again, and repeat it with the number it says now."),
    )

    def __init__(self, port: QueuePort) -> None:
        self._port = port

    async def held(self, _request: Request) -> Response:
        return answer(await self._port.held())

    async def kinds(self, _request: Request) -> Response:
        return answer(await self._port.kinds())

    async def act_on_many(self, request: Request) -> Response:
        wanted = await read_body(request, ActRequest)
        _check(wanted)
        reason = checked_reason(wanted.reason) if wanted.action in _WITH_REASON else ""
        request.note = wanted.action if not reason else f"{wanted.action}: {reason}"
        numbers, more = list(dict.fromkeys(wanted.numbers)), False
        if wanted.filter is not None:
            numbers = await self._port.matching(wanted.filter, MAX_BY_FILTER + 1)
            numbers, more = numbers[:MAX_BY_FILTER], len(numbers) > MAX_BY_FILTER
            if wanted.expected is not None and wanted.expected != len(numbers) and not more:
                raise NotPossible(f"{len(numbers)} deliveries match now, not {wanted.expected}")
        outcomes = await self._port.act_on_many(numbers, wanted.action, reason=reason, who=await who(request))
        done = sum(one.done for one in outcomes)
        request.note = f"{request.note}; {done} done, {len(outcomes) - done} refused"
        shown = sorted(outcomes, key=lambda one: one.done)[:MAX_OUTCOMES]
        return answer(ActReport(done, len(outcomes) - done, tuple(shown), more))


def _check(wanted: ActRequest) -> None:
    if bool(wanted.numbers) == (wanted.filter is not None):
        raise ValueError("numbers or filter: one of the two is expected")
    if len(wanted.numbers) > MAX_SELECTION:
        raise ValueError(f"numbers: {MAX_SELECTION} at most")
    if not all(0 < number <= MAX_NUMBER for number in wanted.numbers):
        raise ValueError(f"numbers: 1 to {MAX_NUMBER} is allowed")
    if wanted.filter is not None:
        _check_filter(wanted.filter)
        if wanted.action == "discard" and wanted.expected is None:
            raise ValueError("expected: how many deliveries are to be discarded?")
    if wanted.expected is not None and wanted.expected < 0:
        raise ValueError("expected: 0 or more is allowed")


def _check_filter(wanted: DeliveryFilter) -> None:
    if wanted == DeliveryFilter(up_to=wanted.up_to):
        raise ValueError("filter: say which deliveries; all of them is not possible")
    texts = (wanted.destination, wanted.sop_class, wanted.calling_ae, wanted.cause, wanted.q)
    if any(text is not None and len(text) > MAX_SEARCH for text in texts):
        raise ValueError(f"filter: texts of {MAX_SEARCH} characters at most are allowed")
    times = (wanted.received_from, wanted.received_before)
    if any(time is not None and not 0 <= time <= MAX_TIME for time in times):
        raise ValueError("filter: times in seconds since the epoch are expected")
    if wanted.up_to is not None and not 0 <= wanted.up_to <= MAX_NUMBER:
        raise ValueError(f"up_to: 0 to {MAX_NUMBER} is allowed")
