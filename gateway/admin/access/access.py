"""Builds access, and is what the shell of the page sees of it (access_port.Access)."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.admin.access import setup_code
from gateway.admin.access.account import AccountPage
from gateway.admin.access.audit_trail import AuditTrail
from gateway.admin.access.guard import Guard
from gateway.admin.access.known_browser import KnownBrowsers, browser_key
from gateway.admin.access.passwords import Passwords
from gateway.admin.access.people import PeoplePage
from gateway.admin.access.rooms import Rooms
from gateway.admin.access.sessions import Session, Sessions
from gateway.admin.access.sign_in import SignIn, who_of
from gateway.admin.access.signing_in import SignInPages
from gateway.admin.access.store import Store, StoreFailure
from gateway.admin.access.users import Users
from gateway.admin.access_port import session_of
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.page import Page
from gateway.admin.settings import AdminSettings

SWEEP_EVERY = 600.0  # seconds

log = logging.getLogger(__name__)


class Access:
    """The door of the page. `open` makes it, `close` ends it."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._guard = Guard(rooms)
        sign_in = SignIn(rooms)
        self._pages = (
            SignInPages(rooms, sign_in).page,
            AccountPage(rooms, sign_in).page,
            PeoplePage(rooms).page,
        )
        self._sweeper = asyncio.create_task(self._sweep(), name="end of sessions")

    @classmethod
    async def open(
        cls, settings: AdminSettings, gateway: GatewayClient, *, passwords: Passwords | None = None
    ) -> Access:
        """Open what is kept in settings.state_dir. StoreFailure in words.

        At a first start there is a set-up code afterwards, and the log shows it.
        """
        store = await asyncio.to_thread(Store.open, settings.state_dir)
        try:
            sessions = Sessions(
                store, idle=settings.session_idle, longest=settings.session_max, most=settings.max_sessions
            )
            rooms = Rooms(
                settings=settings,
                store=store,
                users=Users(store, changed=sessions.drop_user),
                sessions=sessions,
                passwords=passwords if passwords is not None else await asyncio.to_thread(_passwords),
                known=KnownBrowsers(await browser_key(store)),
                trail=AuditTrail(store, gateway),
            )
            if store.first_start:
                await asyncio.to_thread(_announce_code, settings)
            elif store.damage:
                log.error(
                    "nobody can sign in: %s. Make a new administrator with "
                    "`dicom-gateway admin setup-code --new --config %s`",
                    store.damage,
                    settings.config_file,
                )
        except BaseException:
            await asyncio.to_thread(store.close)
            raise
        return cls(rooms)

    @property
    def middleware(self) -> Middleware:
        """See access_port.Access."""
        return self._guard.middleware

    @property
    def pages(self) -> tuple[Page, ...]:
        """See access_port.Access."""
        return self._pages

    async def still(self, request: web.Request) -> bool:
        """See access_port.Access."""
        session = session_of(request)
        return isinstance(session, Session) and self.rooms.sessions.holds(session)

    async def audit(self, request: web.Request, what: str, subject: str, detail: str, outcome: str) -> None:
        """See access_port.Access."""
        session = session_of(request)
        who = who_of(session) if isinstance(session, Session) else "somebody"
        await self.rooms.trail.add(
            who, what, subject=subject, outcome=outcome, detail=detail, address=request.remote or ""
        )

    async def close(self) -> None:
        """Stop what runs and close the database."""
        self._sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeper
        await self.rooms.trail.close()
        await asyncio.to_thread(self.rooms.passwords.close)
        await asyncio.to_thread(self.rooms.store.close)

    async def _sweep(self) -> None:
        while True:
            try:
                await self.rooms.sessions.sweep()
            except StoreFailure as error:
                log.warning("ended sessions stay on the disk for now: %s", error)
            await asyncio.sleep(SWEEP_EVERY)


def _passwords() -> Passwords:
    return Passwords()


def _announce_code(settings: AdminSettings) -> None:
    """Have a set-up code, and show it to whoever can read the device's console. Blocks."""
    code = setup_code.current(settings.state_dir) or setup_code.make(settings.state_dir)
    log.warning(
        "no administrator yet: open the page and use the set-up code %s (it is good once)",
        code,
    )
