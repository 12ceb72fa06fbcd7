"""What happens, as it happens, for the browsers that look: short pokes, no data.

A browser holds one stream of server-sent events (app.js). A poke tells it that something of a kind has
changed, and parts of the page that asked for that kind fetch themselves anew. `beat` comes every few seconds,
so that a page notices when its device is gone, and says whether the gateway program answers.

While nobody looks, nothing here runs; while somebody does, there is one subscription to the gateway's events
for all of them together.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from gateway.admin.gateway_client import GatewayClient
from gateway.errors import GatewayError
from gateway.operator import facts
from gateway.operator.sections.trends import WatchLease

_log = logging.getLogger(__name__)

POKES_OF: dict[str, tuple[str, ...]] = {
    "ObjectStored": ("queue",),
    "ObjectRefused": ("status", "queue"),
    "DeliverySettled": ("queue",),
    "StepSettled": ("queue",),
    "StepAnswered": ("queue",),
    "CommitmentReported": ("queue",),
    "LinkChanged": ("link", "status"),
    "StepLinkChanged": ("link", "status"),
    "LinkConnected": ("link", "status"),
    "LinkLost": ("link", "status"),
    "DialFailed": ("link",),
    "ConnectionRefused": ("associations",),
    "AssociationRefused": ("associations",),
    "AssociationOpened": ("associations",),
    "AssociationNegotiated": ("associations",),
    "AssociationClosed": ("associations",),
    "RelayOpened": ("associations",),
    "OperatorActed": ("queue", "status"),
    "Alarm": ("status", "alerts"),
    "lost": ("status", "queue", "link", "associations", "alerts"),
}
"""Notice (or event) of the gateway -> the kinds it pokes. Every notice pokes `log`, too."""

KINDS = ("status", "queue", "link", "associations", "alerts", "log")


@dataclass(frozen=True, slots=True)
class LivePace:
    """Seconds, and a bound."""

    max_browsers: int = 16
    beat: float = 3.0
    throttle: float = 1.0  # a browser gets one poke of a kind in this time, at most
    look: float = 10.0  # between pokes of `status` although nothing has happened
    ask: float = 3.0  # between questions whether the gateway answers
    patience: float = 3.0  # for its answer
    retry: float = 0.5  # until a gateway that does not answer is asked again
    grace: float = 2.5  # a gateway that starts anew is back by then, and nobody need be told
    lease: float = 4.0  # between requests that the gateway look at its links closely
    stall: float = 15.0  # for a browser to take something of what it was sent


@dataclass(eq=False)
class _Browser:
    pending: set[str] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Live:
    """Tells browsers what happens."""

    def __init__(
        self,
        gateway: GatewayClient,
        pace: LivePace | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._gateway = gateway
        self._pace = pace or LivePace()
        self._wall_clock = wall_clock
        self._browsers: set[_Browser] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._answers = True  # until it does not
        self._silent_since: float | None = None
        self._closed = False

    @property
    def browsers(self) -> int:
        """How many browsers are told."""
        return len(self._browsers)

    def poke(self, kind: str) -> None:
        """Tell every browser that something of `kind` has changed."""
        for browser in self._browsers:
            browser.pending.add(kind)
            browser.wake.set()

    async def now(self) -> dict[str, object]:
        """Return what a beat says; for browsers beyond the bound, which ask instead of being told."""
        if not self._browsers:
            await self._ask(grace=0.0)
        return self._beat()

    async def serve(self, request: web.Request, still: Callable[[], Awaitable[bool]]) -> web.StreamResponse:
        """Answer with a stream of events for as long as the browser listens and `still` holds.

        web.HTTPServiceUnavailable when too many listen already, or the page is about to end.
        """
        if self._closed or len(self._browsers) >= self._pace.max_browsers:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "10"})
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        browser = _Browser()
        self._join(browser)
        try:
            await response.prepare(request)
            await self._tell(browser, response, still)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # a browser that takes nothing would wait in the buffers for ever
        finally:
            self._leave(browser)
        return response

    async def close(self) -> None:
        """End every stream."""
        self._closed = True
        for browser in self._browsers:
            browser.wake.set()
        await self._stop_watching()

    # one browser

    async def _tell(
        self, browser: _Browser, response: web.StreamResponse, still: Callable[[], Awaitable[bool]]
    ) -> None:
        pace = self._pace
        loop = asyncio.get_running_loop()
        beat_at = loop.time()
        check_at = loop.time() + pace.look
        await self._write(response, b"retry: 2000\n\n")
        while not self._closed:
            now = loop.time()
            if now >= check_at:
                if not await still():
                    await self._write(response, b"event: bye\ndata: {}\n\n")
                    return
                check_at = now + pace.look
            told, browser.pending = browser.pending, set()
            browser.wake.clear()
            message = b""
            if now >= beat_at or "beat" in told:  # before the rest: what is shown is true again
                message = b"event: beat\ndata: %s\n\n" % json.dumps(self._beat()).encode()
                beat_at = now + pace.beat
            message += b"".join(
                b"event: %s\ndata: {}\n\n" % kind.encode() for kind in sorted(told - {"beat"})
            )
            if message:
                await self._write(response, message)
            if told:
                await asyncio.sleep(min(pace.throttle, max(beat_at - loop.time(), 0)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(beat_at, check_at)):
                    await browser.wake.wait()

    async def _write(self, response: web.StreamResponse, message: bytes) -> None:
        async with asyncio.timeout(self._pace.stall):
            await response.write(message)

    def _beat(self) -> dict[str, object]:
        return {"gateway": self._answers, "at": round(self._wall_clock(), 1)}

    # the gateway

    def _join(self, browser: _Browser) -> None:
        self._browsers.add(browser)
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._follow(), name="events of the gateway"),
                asyncio.create_task(self._watch(), name="watch over the gateway"),
            ]

    def _leave(self, browser: _Browser) -> None:
        self._browsers.discard(browser)
        if not self._browsers:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def _stop_watching(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        """Turn the gateway's events into pokes; ask for them again when they end."""
        while True:
            try:
                async with contextlib.aclosing(self._gateway.events()) as events:
                    async for kind, _ in events:
                        for poke in (*POKES_OF.get(kind, ("status",)), "log"):
                            self.poke(poke)
            except (GatewayError, ValueError) as error:
                _log.debug("the gateway's events ended: %s", error)
            await self._ask()
            await asyncio.sleep(self._pace.retry)

    async def _watch(self) -> None:
        """Ask the gateway whether it answers, poke `status` now and then, and have it look at its links."""
        loop = asyncio.get_running_loop()
        look_at = loop.time() + self._pace.look
        lease_at = loop.time()
        while True:
            await self._ask()
            if loop.time() >= look_at:
                self.poke("status")
                look_at = loop.time() + self._pace.look
            if loop.time() >= lease_at:
                with contextlib.suppress(GatewayError):
                    await self._gateway.post(WatchLease, "/v1/links/watch")
                lease_at = loop.time() + self._pace.lease
            await asyncio.sleep(self._pace.ask if self._silent_since is None else self._pace.retry)

    async def _ask(self, grace: float | None = None) -> None:
        now = asyncio.get_running_loop().time()
        try:
            # The associations are in the daemon's memory: the cheapest question there is.
            async with asyncio.timeout(self._pace.patience):
                await self._gateway.get(facts.Associations, "/v1/associations")
            self._silent_since = None
        except (GatewayError, TimeoutError):
            if self._silent_since is None:
                self._silent_since = now
        patience = self._pace.grace if grace is None else grace
        answers = self._silent_since is None or (
            self._answers and asyncio.get_running_loop().time() - self._silent_since < patience
        )
        if answers != self._answers:
            self._answers = answers
            self.poke("beat")
            if answers:
                for kind in KINDS:
                    self.poke(kind)
