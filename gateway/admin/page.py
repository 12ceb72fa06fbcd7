"""What a page is: a value with its routes, its place in the menu, and who may see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aiohttp import web

from gateway.admin.access.permissions import Permission

if TYPE_CHECKING:
    from gateway.admin.visit import Visit

LazyText = str
"""English text marked with N_; it is translated when it is shown."""

Group = Literal["daily", "engineer", "system", "hidden"]
Handler = Callable[["Visit"], Awaitable[web.StreamResponse]]

MAX_FORM = 64 * 1024  # bytes of an ordinary form


def N_(text: str) -> LazyText:  # noqa: N802 - the name that extraction of messages knows
    """Mark `text` for translation where it cannot be translated yet."""
    return text


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of a page."""

    method: Literal["GET", "POST"]
    path: str  # aiohttp's pattern: "/queue/{number:\\d{1,18}}"
    handler: Handler
    needs: Permission | None = Permission.SEE  # None: for everybody, signed in or not
    max_body: int = MAX_FORM  # bytes that a request may bring


@dataclass(frozen=True, slots=True)
class Page:
    """One entry of the menu and everything below it."""

    name: str  # stable; also the folder of its templates
    title: LazyText
    icon: str  # an id in static/icons.svg
    path: str  # where the menu leads
    routes: tuple[Route, ...]
    needs: Permission | None = Permission.SEE  # the menu shows it to those who may
    group: Group = "daily"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the page a request is."""

    page: Page
    route: Route


PLACES: web.AppKey[dict[web.AbstractRoute, Place]] = web.AppKey("places", dict)


def place_of(request: web.Request) -> Place | None:
    """Return the page and the route that a request is for; None when there is no such page."""
    return request.app[PLACES].get(request.match_info.route)


def route_of(request: web.Request) -> Route | None:
    """Return the route that a request is for; None when there is no such page."""
    place = place_of(request)
    return place.route if place else None
