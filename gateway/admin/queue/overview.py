"""Destinations, drawn: what waits by priority, the link, and the three buttons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import quote

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.queue import words
from gateway.admin.queue.filters import Filter
from gateway.admin.visit import Visit
from gateway.operator import facts

WIDTH = 1000  # units of a drawn bar


@dataclass(frozen=True, slots=True)
class Segment:
    """One priority's part of a bar."""

    name: str
    words: str
    amount: facts.Amount
    x: float
    width: float
    href: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A destination as it is drawn."""

    facts: facts.DestinationFacts
    path: str  # below which its operations are
    segments: tuple[Segment, ...]
    eta: float | None  # seconds until everything is sent, at the measured rate


async def overview(visit: Visit) -> web.StreamResponse:
    """The whole page."""
    return visit.render("queue/overview.html", tab="overview", **await values(visit))


async def now(visit: Visit) -> web.StreamResponse:
    """The part that changes."""
    return visit.render("queue/overview_now.html", **await values(visit))


async def values(visit: Visit) -> dict[str, Any]:
    """Return what both show."""
    status = await visit.gateway.get(facts.Status, "/v1/status")
    largest = max((one.waiting.total.count for one in status.destinations), default=0)
    return {
        "destinations": [_shown(visit, one, largest) for one in status.destinations],
        "priorities": words.PRIORITIES,
        "may_steer": visit.user.may(Permission.STEER),
        "waiting": sum(one.waiting.total.count for one in status.destinations),
        "held": sum(one.held.count for one in status.destinations),
    }


def _shown(visit: Visit, one: facts.DestinationFacts, largest: int) -> Shown:
    segments = []
    x = 0.0
    for name in get_args(facts.PriorityName):
        amount: facts.Amount = getattr(one.waiting, name)
        width = WIDTH * amount.count / largest if largest else 0.0
        if amount.count:
            width = max(width, 6.0)  # one of ten thousand is seen too
        href = Filter(state="queued", destination=one.name, priority=name).address()
        segments.append(Segment(name, visit.text(words.PRIORITIES[name]), amount, x, width, href))
        x += width
    return Shown(one, f"/queue/destinations/{quote(one.name, safe='')}", tuple(segments), eta(one))


def eta(one: facts.DestinationFacts) -> float | None:
    """Return the seconds until all that waits is sent; None when nobody can say."""
    total = one.waiting.total
    if not total.count or one.paused or one.link not in ("online", "degraded") or not one.bytes_per_second:
        return None
    return total.bytes / one.bytes_per_second


async def steer(visit: Visit) -> web.StreamResponse:
    """Pause or resume a destination, or try it now."""
    name, action = visit.path_value("name"), visit.path_value("action")
    await visit.gateway.post(facts.DestinationFacts, f"/v1/destinations/{quote(name, safe='')}/{action}")
    said = {
        "pause": visit.text("Deliveries to %(name)s are paused. What arrives is kept here.", name=name),
        "resume": visit.text("Deliveries to %(name)s go on.", name=name),
        "retry": visit.text("%(name)s is being tried now.", name=name),
    }
    visit.notice("ok", said[action])
    return visit.redirect("/queue")
