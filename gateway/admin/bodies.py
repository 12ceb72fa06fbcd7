"""Bounds on what a request brings along: its size, by route, and the time it may take to arrive."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.admin.page import MAX_FORM, route_of

PATIENCE = 20.0  # seconds for a small form to arrive
SLOWEST = 32 * 1024  # bytes per second that a large upload has to keep up


@web.middleware
async def bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what is too large (413), and give up on what does not come (408)."""
    if not request.body_exists:
        return await handler(request)
    route = route_of(request)
    most = route.max_body if route else MAX_FORM
    if request.content_length is not None and request.content_length > most:
        raise web.HTTPRequestEntityTooLarge(most, request.content_length)
    # Not request.clone(client_max_size=...): what is found out about a copy, and the files that come with it,
    # would be lost on the error page and at the end of the request.
    request._client_max_size = most
    timer = asyncio.get_running_loop().call_later(
        PATIENCE + most / SLOWEST, request.content.set_exception, web.HTTPRequestTimeout()
    )
    request.content.on_eof(timer.cancel)
    try:
        return await handler(request)
    finally:
        timer.cancel()
