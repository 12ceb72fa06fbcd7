"""The page as a browser gets it, over plain HTTP on loopback, in front of a real operator API.

async with site(tmp_path / "op.sock", sections=[MySection(port)], role="engineer") as page:
    document = await page.get("/queue")
    assert document.find("h1").text == "Queue"
    document = await page.post("/queue/2/hold", reason="asked by physics")
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, FormData, web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from gateway.admin.access.permissions import Role, User
from gateway.admin.access_port import admit
from gateway.admin.app import build
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.live import LivePace
from gateway.admin.page import Page, route_of
from gateway.admin.pages import PAGES
from gateway.admin.settings import AdminSettings
from gateway.operator.api import OperatorServer
from gateway.operator.control import Control
from gateway.operator.section import Section
from tests.support.fake_control import FakeControl

TOKEN = "token-of-the-test"  # noqa: S105 - of a test


@dataclass
class SignedIn:
    """The session of the test's user."""

    user: User
    csrf: str = TOKEN
    must_change: bool = False
    notices: list[tuple[str, str]] = field(default_factory=list)


class TestAccess:
    """Everybody is the user of the test; permissions and form tokens are checked as the real one does."""

    __test__ = False

    def __init__(self, role: str | None, pages: tuple[Page, ...] = ()) -> None:
        self.pages = pages
        self.session = None if role is None else SignedIn(User("Anna Beispiel", Role(role)))
        self.audited: list[tuple[str, str, str, str]] = []
        self.holds = True

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._let_through(request, handler)

        self.middleware = middleware

    async def _let_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        admit(request, self.session, TOKEN)
        route = route_of(request)
        if route is not None and route.needs is not None:
            if self.session is None:
                raise web.HTTPUnauthorized
            if not self.session.user.may(route.needs):
                raise web.HTTPForbidden
        if request.method == "POST":
            form = await request.post()
            if TOKEN not in (form.get("csrf"), request.headers.get("X-CSRF-Token")):
                raise web.HTTPForbidden
        return await handler(request)

    async def still(self, request: web.Request) -> bool:
        return self.holds

    async def audit(self, request: web.Request, what: str, subject: str, detail: str, outcome: str) -> None:
        self.audited.append((what, subject, detail, outcome))

    async def close(self) -> None:
        pass


_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)


@dataclass
class Element:
    """One element of a page."""

    name: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text within, with single spaces."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join(" ".join(parts).split())

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute]

    def all(self, selector: str) -> list[Element]:
        """Elements below this one, by `name`, `#id`, `.class`, `name.class`, `[attr]` or `name[attr=value]`.

        Parts with spaces between them stand for descent, as in CSS.
        """
        first, _, rest = selector.strip().partition(" ")
        found = [one for one in self._below() if one.matches(first)]
        if not rest:
            return found
        unique = {id(inner): inner for one in found for inner in one.all(rest)}
        return list(unique.values())

    def find(self, selector: str) -> Element:
        """The only element that `all` finds; a failure when there is none, or more."""
        found = self.all(selector)
        assert len(found) == 1, f"{len(found)} elements are {selector!r}"
        return found[0]

    def matches(self, selector: str) -> bool:
        """Tell whether one part of a selector is about this element."""
        selector, _, wanted = selector.partition("[")
        if wanted:
            attribute, equals, value = wanted.removesuffix("]").partition("=")
            if attribute not in self.attributes:
                return False
            if equals and self.attributes[attribute] != value.strip("\"'"):
                return False
        selector, _, kind = selector.partition(".")
        if kind and kind not in self.attributes.get("class", "").split():
            return False
        if selector.startswith("#"):
            return self.attributes.get("id") == selector[1:]
        return not selector or self.name == selector

    def _below(self) -> list[Element]:
        inner = [child for child in self.children if isinstance(child, Element)]
        return [element for child in inner for element in (child, *child._below())]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self._open) - 1, 0, -1):
            if self._open[place].name == tag:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


@dataclass
class Document(Element):
    """An answer, and the page in it."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""

    @property
    def source(self) -> str:
        """The HTML as it came."""
        return self.raw.decode()


def parse(source: str) -> Element:
    """Return HTML as elements."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    return reader.root


class Site:
    """The running page, and a browser of sorts."""

    def __init__(
        self,
        client: TestClient[Any, Any],
        control: Control,
        access: TestAccess,
        app: web.Application,
        serve: Callable[[], OperatorServer],
    ) -> None:
        self.client = client
        self.control = control
        self.access = access
        self.app = app
        self._serve = serve
        self.server: OperatorServer | None = None

    async def start_gateway(self) -> None:
        """Let the gateway answer."""
        self.server = self._serve()
        await self.server.start()

    async def stop_gateway(self) -> None:
        """Let nobody answer on the gateway's socket."""
        if self.server is not None:
            await self.server.close()
            self.server = None

    async def get(self, path: str, *, fragment: bool = False, **headers: str) -> Document:
        """Return what is at `path`. Redirects are not followed: they are in `headers["Location"]`."""
        sent = _headers(headers, fragment)
        async with self.client.get(path, headers=sent, allow_redirects=False) as response:
            return await _document(response)

    async def post(
        self,
        path: str,
        *,
        fragment: bool = False,
        files: dict[str, tuple[str, bytes]] | None = None,
        **fields: str,
    ) -> Document:
        """Send a form with its token; `files`: field -> (file name, content)."""
        return await self.post_fields(path, {"csrf": TOKEN, **fields}, fragment=fragment, files=files)

    async def post_fields(
        self,
        path: str,
        fields: dict[str, str] | list[tuple[str, str]],
        *,
        fragment: bool = False,
        files: dict[str, tuple[str, bytes]] | None = None,
    ) -> Document:
        """Send exactly these fields."""
        data: Any = fields
        if files:
            data = FormData(fields, quote_fields=False)  # as browsers do
            for name, (file, content) in files.items():
                data.add_field(name, content, filename=file)
        sent = _headers({}, fragment)
        async with self.client.post(path, data=data, headers=sent, allow_redirects=False) as response:
            return await _document(response)


def _headers(headers: dict[str, str], fragment: bool) -> dict[str, str]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return {**sent, "HX-Request": "true"} if fragment else sent


async def _document(response: ClientResponse) -> Document:
    raw = await response.read()
    is_page = response.content_type == "text/html"
    children = parse(raw.decode()).children if is_page else []
    return Document("", {}, children, response.status, dict(response.headers), raw)


@contextlib.asynccontextmanager
async def site(
    socket: Path | None = None,
    *,
    control: Control | None = None,
    sections: Sequence[Section] = (),
    role: str | None = "engineer",
    pages: Sequence[Page] = PAGES,
    access_pages: tuple[Page, ...] = (),
    serve_gateway: bool = True,
    pace: LivePace | None = None,
    **settings: Any,
) -> AsyncIterator[Site]:
    """Serve the page to a user with `role` (None: nobody is signed in).

    `sections` answer beside `control` (a FakeControl unless given) on a real Unix socket; without
    `serve_gateway` nobody answers there. `settings` are fields of AdminSettings.
    """
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = socket or folder / "op.sock"
        shown = control or FakeControl()
        plain = AdminSettings("clinic-07", "CLINIC07", path, folder / "page", folder / "gateway.toml")
        gateway = GatewayClient(path)
        stack.push_async_callback(gateway.close)
        access = TestAccess(role, access_pages)
        app = build(replace(plain, **settings), gateway, access, pages=pages, pace=pace, watch=False)
        client: TestClient[Any, Any] = TestClient(TestServer(app))
        await client.start_server()
        stack.push_async_callback(client.close)
        page = Site(client, shown, access, app, lambda: OperatorServer(shown, path, sections=sections))
        if serve_gateway:
            await page.start_gateway()
        stack.push_async_callback(page.stop_gateway)
        yield page
