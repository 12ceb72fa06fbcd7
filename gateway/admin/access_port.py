"""What the shell of the page needs of access/: who is there, and one middleware that lets through or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.admin.access.permissions import User
from gateway.admin.page import Page

# aiohttp has typed keys since 3.14, and warns of others from then on.
_VISITOR: Any = web.RequestKey("visitor", object) if hasattr(web, "RequestKey") else "visitor"


class Session(Protocol):
    """Somebody who is signed in, in one browser."""

    @property
    def user(self) -> User: ...

    @property
    def must_change(self) -> bool:
        """True while this person may do nothing but choose a password."""

    @property
    def notices(self) -> list[tuple[str, str]]:
        """Messages (level, text) for the next page this browser shows."""


class Access(Protocol):
    """Stands between the error pages and the pages."""

    @property
    def middleware(self) -> Middleware:
        """Calls `admit` for every request, with the session of who is signed in, and refuses the rest.

        Raises web.HTTPUnauthorized or web.HTTPForbidden, or answers with a redirect to the page that asks
        who is there. A POST without the right token is refused.
        """

    @property
    def pages(self) -> tuple[Page, ...]:
        """The pages of access itself; those of people who are not signed in have routes that need nothing."""

    async def still(self, request: web.Request) -> bool:
        """Tell whether the session of `request` still holds. Asking does not prolong it."""

    async def audit(self, request: web.Request, what: str, subject: str, detail: str, outcome: str) -> None:
        """Put an entry into the gateway's audit trail, in the name of who sends `request`."""

    async def close(self) -> None: ...


@dataclass(slots=True)
class _Visitor:
    session: Session | None = None
    csrf: str = ""


def _visitor(request: web.Request) -> _Visitor:
    visitor: _Visitor | None = request.get(_VISITOR)
    if visitor is None:
        visitor = request[_VISITOR] = _Visitor()
    return visitor


def admit(request: web.Request, session: Session | None, csrf: str) -> None:
    """Remember who sends `request`, and the token that the forms of the answer carry."""
    visitor = _visitor(request)
    visitor.session, visitor.csrf = session, csrf


def session_of(request: web.Request) -> Session | None:
    """Return the session of who sends this request; None for somebody who is not signed in."""
    return _visitor(request).session


def csrf_of(request: web.Request) -> str:
    """Return the token for the forms of the answer; empty before access has looked at the request."""
    return _visitor(request).csrf
