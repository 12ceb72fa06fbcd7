"""Builds the page: the only file here that puts things together.

doorkeeper -> errors -> bodies -> access (who is there, may they, is the form ours) -> a page's handler
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from aiohttp import web

from gateway.admin.access_port import Access
from gateway.admin.alerts.eyes import GatewayEyes
from gateway.admin.alerts.service import Alerts
from gateway.admin.alerts.speaker import CatalogueSpeaker
from gateway.admin.bodies import bodies
from gateway.admin.diagnosis import Diagnosis
from gateway.admin.door import doorkeeper
from gateway.admin.errors import errors
from gateway.admin.exports.jobs import Exports
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.headers import add_headers
from gateway.admin.installing.room import Installing
from gateway.admin.language import Languages
from gateway.admin.live import Live, LivePace
from gateway.admin.page import MAX_FORM, PLACES, Page, Place, Route
from gateway.admin.pages import PAGES
from gateway.admin.services import Services
from gateway.admin.settings import AdminSettings
from gateway.admin.statics import PREFIX, Statics
from gateway.admin.templating import Templates
from gateway.admin.visit import SERVICES, Visit


def build(
    settings: AdminSettings,
    gateway: GatewayClient,
    access: Access,
    *,
    pages: Sequence[Page] = PAGES,
    pace: LivePace | None = None,
    watch: bool = True,
) -> web.Application:
    """Return the page as an application. Whoever runs it closes `gateway` and `access` afterwards.

    With `watch`, the gateway is looked at for alerts as long as the application runs.
    """
    statics = Statics()
    languages = Languages()
    live = Live(gateway, pace or LivePace(max_browsers=settings.max_browsers))
    services = Services(
        settings=settings,
        gateway=gateway,
        access=access,
        live=live,
        alerts=_alerts(settings, gateway, languages, live),
        diagnosis=Diagnosis(),
        exports=Exports(settings.state_dir / "exports", settings.gateway_name),
        installing=Installing(settings.state_dir / "install"),
        languages=languages,
        statics=statics,
        templates=Templates(statics.url),
        pages=(*pages, *access.pages),
    )
    app = web.Application(
        middlewares=[doorkeeper, errors, bodies, access.middleware], client_max_size=MAX_FORM
    )
    app[SERVICES] = services
    app[PLACES] = {}
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_watching if watch else _not_watching)
    for page in services.pages:
        _add(app, page)
    # Not behind access: the page that asks who is there has to look like something.
    static = app.router.add_route("GET", PREFIX + "/{file:.*}", statics.serve)
    app[PLACES][static] = _STATIC
    return app


async def _nothing(_visit: Visit) -> web.StreamResponse:
    raise web.HTTPNotFound


_STATIC = Place(
    Page("static", "", "", PREFIX, (), None, "hidden"), Route("GET", PREFIX + "/{file}", _nothing, None)
)


def _add(app: web.Application, page: Page) -> None:
    for route in page.routes:
        added = app.router.add_route(route.method, route.path, _handler(route.handler))
        app[PLACES][added] = Place(page, route)


def _handler(
    handler: Callable[[Visit], Awaitable[web.StreamResponse]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(Visit(request))

    return handle


def _alerts(settings: AdminSettings, gateway: GatewayClient, languages: Languages, live: Live) -> Alerts:
    lang = settings.language or "en"
    return Alerts(
        settings.alerts,
        settings.state_dir,
        GatewayEyes(gateway),
        gateway=settings.gateway_name,
        speaker=CatalogueSpeaker(lang, languages.catalogue(lang)),
        changed=lambda: live.poke("alerts"),
    )


async def _watching(app: web.Application) -> AsyncIterator[None]:
    alerts = app[SERVICES].alerts
    task = asyncio.create_task(alerts.run(), name="alerts")
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await alerts.close()


async def _not_watching(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[SERVICES].alerts.close()


async def _end_streams(app: web.Application) -> None:
    await app[SERVICES].live.close()
    await app[SERVICES].exports.close()
