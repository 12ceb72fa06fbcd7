"""The page with its real access, over plain HTTP on loopback, and browsers that keep cookies.

async with access_site(tmp_path) as site:
    anna = await site.admin("Anna")
    stranger = site.browser(address="127.0.0.7")
    document = await stranger.get("/users")
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import TCPConnector, web
from aiohttp.test_utils import TestServer
from argon2 import PasswordHasher
from yarl import URL

from gateway.admin.access import setup_code
from gateway.admin.access.access import Access
from gateway.admin.access.passwords import Passwords
from gateway.admin.access.permissions import Role
from gateway.admin.app import build
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.page import Page
from gateway.admin.pages import PAGES
from gateway.admin.settings import AdminSettings
from gateway.operator.api import OperatorServer
from gateway.operator.section import Section
from tests.support.admin_site import Document, parse
from tests.support.fake_control import FakeControl

PASSWORD = "seven tall green boats"  # noqa: S105 - of a test


class Browser:
    """Somebody's browser: keeps cookies, sends the form token of the page it saw last."""

    def __init__(self, base: str, address: str) -> None:
        self.base = base
        self.cookies: dict[str, str] = {}
        self.raw_cookies: dict[str, str] = {}  # as they were set, with their attributes
        self.csrf = ""
        connector = TCPConnector(local_addr=(address, 0))
        self.http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def get(self, path: str, **headers: str) -> Document:
        """Ask for a page, at exactly this path. Redirects are not followed."""
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, *, headers: dict[str, str] | None = None, **fields: str) -> Document:
        """Send a form with the token of the page seen last."""
        return await self._ask("POST", path, {"csrf": self.csrf, **fields}, headers or {})

    async def send(self, path: str, fields: dict[str, str], **headers: str) -> Document:
        """Send exactly these fields."""
        return await self._ask("POST", path, fields, headers)

    async def sign_in(self, name: str, password: str = PASSWORD, to: str = "/") -> Document:
        """Fill in the sign-in form."""
        await self.get("/login")
        if not self.csrf:
            await self.get("/setup")  # nobody was admin yet
        return await self.post("/login", name=name, password=password, to=to)

    async def _ask(
        self, method: str, path: str, data: dict[str, str] | None, headers: dict[str, str]
    ) -> Document:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self.http.request(
            method, URL(self.base + path, encoded=True), data=data, headers=sent, allow_redirects=False
        ) as response:
            raw = await response.read()
            for name, morsel in response.cookies.items():
                self.raw_cookies[name] = morsel.OutputString()
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
            page = response.content_type == "text/html"
            document = Document(
                "", {}, parse(raw.decode()).children if page else [], response.status,
                dict(response.headers), raw,
            )  # fmt: skip
        tokens = document.all("[name=csrf]")
        if tokens and tokens[0]["value"]:
            self.csrf = tokens[0]["value"]
        return document


@dataclass
class AccessSite:
    """The running page."""

    access: Access
    app: web.Application
    base: str
    folder: Path
    browsers: list[Browser] = field(default_factory=list)

    def browser(self, address: str = "127.0.0.1") -> Browser:
        """A browser that nobody has used yet, on a machine with this loopback address."""
        self.browsers.append(Browser(self.base, address))
        return self.browsers[-1]

    async def admin(self, name: str = "Anna") -> Browser:
        """The first admin, signed in with the set-up code."""
        browser = self.browser()
        await browser.get("/setup")
        code = setup_code.current(self.folder) or setup_code.make(self.folder)
        done = await browser.post("/setup", code=code, name=name, password=PASSWORD, again=PASSWORD)
        assert done.status == 303, done.text
        return browser

    async def person(self, name: str, role: str, address: str = "127.0.0.1") -> Browser:
        """Somebody with this role and PASSWORD, signed in."""
        rooms = self.access.rooms
        kept = await rooms.passwords.hash(PASSWORD)
        await rooms.users.add(name, Role(role), kept, by="test", start_until=None)
        browser = self.browser(address)
        done = await browser.sign_in(name)
        assert done.status == 303, done.text
        return browser

    async def close(self) -> None:
        """Close every browser."""
        for browser in self.browsers:
            await browser.http.close()

    def told(self) -> list[tuple[str, str, str, str]]:
        """What waits for the audit trail (there is no gateway): who, what, subject, outcome."""
        return [(e.who, e.what, e.subject, e.outcome) for _, e in self.access.rooms.trail.waiting()]


@contextlib.asynccontextmanager
async def access_site(
    folder: Path,
    *,
    pages: Sequence[Page] = PAGES,
    sections: Sequence[Section] | None = None,
    hasher: PasswordHasher | None = None,
    **settings: Any,
) -> AsyncIterator[AccessSite]:
    """Serve the page with its state in `folder`. With `sections`, a gateway answers on its socket."""
    async with contextlib.AsyncExitStack() as stack:
        socket, state = folder / "op.sock", folder / "page"
        plain = AdminSettings("clinic-07", "CLINIC07", socket, state, folder / "gateway.toml", **settings)
        if sections is not None:
            server = OperatorServer(FakeControl(), socket, sections=sections)
            await server.start()
            stack.push_async_callback(server.close)
        gateway = GatewayClient(socket)
        stack.push_async_callback(gateway.close)
        quick = Passwords(hasher or PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        access = await Access.open(plain, gateway, passwords=quick)
        stack.push_async_callback(access.close)
        app = build(plain, gateway, access, pages=pages, watch=False)
        server_of_pages = TestServer(app, host="0.0.0.0")
        await server_of_pages.start_server()
        stack.push_async_callback(server_of_pages.close)
        site = AccessSite(access, app, f"http://127.0.0.1:{server_of_pages.port}", state)
        stack.push_async_callback(site.close)
        yield site
