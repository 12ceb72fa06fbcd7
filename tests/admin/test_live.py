"""What browsers are told as it happens: pokes and beats, over real connections and a real operator API."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse

from gateway.admin.live import KINDS, POKES_OF, Live, LivePace
from gateway.admin.visit import SERVICES
from gateway.notices import LinkChanged, Notice, OperatorActed
from gateway.operator.sections.trends import LinkTrends, TrendsSection, WatchLease
from tests.support.admin_site import Site, site

QUICK = LivePace(beat=0.05, throttle=0.02, look=0.05, ask=0.02, patience=1.0, retry=0.02, grace=0.1)
CALM = LivePace(beat=30.0, throttle=0.0, look=600.0, ask=600.0, retry=0.02)


class Stream:
    """One browser's stream of events."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def next(self) -> tuple[str, Any]:
        """Return the next event; a stream that has ended is told as an event `end`."""
        kind = ""
        while True:
            line = (await asyncio.wait_for(self.response.content.readline(), 10)).decode()
            if not line:
                return "end", None
            if line.startswith("event: "):
                kind = line[7:].strip()
            elif line.startswith("data: "):
                return kind, json.loads(line[6:])

    async def until(self, wanted: str, **values: object) -> Any:
        """Return the data of the next `wanted` event that has these values."""
        while True:
            kind, data = await self.next()
            assert kind != "end", f"the stream ended without {wanted}"
            if kind == wanted and all(data[name] == value for name, value in values.items()):
                return data


@contextlib.asynccontextmanager
async def stream(page: Site) -> AsyncIterator[Stream]:
    async with page.client.get("/live", headers={"Accept": "text/event-stream"}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield Stream(response)


def live(page: Site) -> Live:
    return page.app[SERVICES].live


async def until(condition: Any) -> None:
    """Wait until a condition holds that has no event of its own."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def listening(page: Site) -> None:
    """Wait until the page has subscribed to the gateway's events."""
    await until(lambda: page.server is not None and page.server.events.listeners == 1)


async def test_a_beat_comes_at_once_and_again() -> None:
    async with site(pace=QUICK) as page, stream(page) as browser:
        first = await browser.until("beat")
        second = await browser.until("beat")
        assert first["gateway"] is second["gateway"] is True
        assert second["at"] >= first["at"] > 1_600_000_000


@pytest.mark.parametrize(
    ("notice", "kinds"),
    [
        (LinkChanged("oncology", "online", "offline", "cut"), {"link", "status", "log"}),
        (OperatorActed("anna", "hold", "number=2", "done", ""), {"queue", "status", "log"}),
    ],
)
async def test_what_happens_is_told(notice: Notice, kinds: set[str]) -> None:
    async with site(pace=CALM) as page, stream(page) as browser:
        await browser.until("beat")
        await listening(page)
        page.control.notices.publish(notice)
        told = {(await browser.next())[0] for _ in kinds}
        assert told == kinds


async def test_a_burst_is_one_poke() -> None:
    pace = LivePace(beat=30.0, throttle=0.2, look=600.0, ask=600.0)
    async with site(pace=pace) as page, stream(page) as browser:
        await browser.until("beat")
        for _ in range(1000):
            live(page).poke("queue")
        assert (await browser.next())[0] == "queue"
        began = asyncio.get_running_loop().time()
        for _ in range(1000):
            live(page).poke("queue")
        assert (await browser.next())[0] == "queue"
        assert asyncio.get_running_loop().time() - began > 0.1  # not before the time is over
        live(page).poke("link")
        assert (await browser.next())[0] == "link"  # and no queue left over


async def test_status_is_told_now_and_then_although_nothing_happens() -> None:
    async with site(pace=QUICK) as page, stream(page) as browser:
        await browser.until("status")
        await browser.until("status")


async def test_a_gateway_that_is_gone_and_back_is_told() -> None:
    async with site(pace=QUICK) as page, stream(page) as browser:
        await browser.until("beat", gateway=True)
        await page.stop_gateway()
        await browser.until("beat", gateway=False)
        await page.start_gateway()
        await browser.until("beat", gateway=True)
        for kind in sorted(KINDS):  # what was missed meanwhile is looked at anew
            await browser.until(kind)
        await listening(page)


async def test_a_gateway_that_starts_anew_alarms_nobody() -> None:
    pace = LivePace(beat=0.02, throttle=0.0, look=600.0, ask=0.02, retry=0.02, grace=30.0)
    async with site(pace=pace) as page, stream(page) as browser:
        await browser.until("beat", gateway=True)
        await page.stop_gateway()
        await until(lambda: live(page)._silent_since is not None)
        for _ in range(3):
            assert (await browser.until("beat"))["gateway"] is True
        await page.start_gateway()
        await until(lambda: live(page)._silent_since is None)
        await listening(page)


class _Leases(LinkTrends):
    taken = 0

    def watch(self) -> WatchLease:
        self.taken += 1
        return WatchLease(10.0)


async def test_the_gateway_looks_at_its_links_closely_while_somebody_looks() -> None:
    leases = _Leases()
    pace = LivePace(beat=30.0, look=600.0, lease=0.02, ask=0.02)
    async with site(pace=pace, sections=[TrendsSection(leases)]) as page, stream(page) as browser:
        await browser.until("beat")
        await until(lambda: leases.taken > 2)


async def test_nobody_looking_costs_nothing() -> None:
    async with site(pace=QUICK) as page:
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not names & {"events of the gateway", "watch over the gateway"}
        async with stream(page) as first, stream(page) as second:
            await first.until("beat")
            await second.until("beat")
            await listening(page)  # one subscription, for both
            assert live(page).browsers == 2
        await until(lambda: live(page).browsers == 0)
        await until(lambda: _listeners_after_news(page) == 0)
        names = {task.get_name() for task in asyncio.all_tasks() if not task.done()}
        assert not names & {"events of the gateway", "watch over the gateway"}


def _listeners_after_news(page: Site) -> int:
    """How many listen to the gateway; it notices that one has gone when it has something to tell."""
    assert page.server is not None
    page.control.notices.publish(LinkChanged("oncology", "online", "offline", "cut"))
    return page.server.events.listeners


async def test_browsers_are_bounded_and_the_others_may_ask() -> None:
    pace = LivePace(max_browsers=1, beat=30.0)
    async with site(pace=pace) as page, stream(page) as browser:
        await browser.until("beat")
        async with page.client.get("/live") as refused:
            assert refused.status == 503
            assert refused.headers["Retry-After"]
        async with page.client.get("/live/now") as answer:
            assert (await answer.json())["gateway"] is True


async def test_who_only_asks_is_told_the_truth() -> None:
    async with site() as page:
        await page.stop_gateway()
        async with page.client.get("/live/now") as answer:
            assert (await answer.json())["gateway"] is False
        await page.start_gateway()
        async with page.client.get("/live/now") as answer:
            assert (await answer.json())["gateway"] is True


async def test_the_stream_ends_with_the_session() -> None:
    async with site(pace=QUICK) as page, stream(page) as browser:
        await browser.until("beat")
        page.access.holds = False
        await browser.until("bye")
        assert (await browser.next())[0] == "end"
        await until(lambda: live(page).browsers == 0)


async def test_the_stream_ends_with_the_process() -> None:
    async with site(pace=CALM) as page, stream(page) as browser:
        await browser.until("beat")
        await live(page).close()
        assert (await browser.next())[0] == "end"
        async with page.client.get("/live") as refused:
            assert refused.status == 503


async def test_a_browser_that_takes_nothing_is_let_go() -> None:
    pace = LivePace(beat=0.001, throttle=0.0, look=600.0, ask=600.0, stall=0.3)
    async with site(pace=pace) as page:
        url = page.client.make_url("/live")
        assert url.port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", url.port, limit=1)
        writer.get_extra_info("socket").setsockopt(1, 8, 4096)  # SOL_SOCKET, SO_RCVBUF
        writer.write(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: live(page).browsers == 1)
        # Large answers, so that the buffers in between are full soon.
        live(page)._beat = lambda: {"gateway": True, "at": 0, "more": "x" * 100_000}  # type: ignore[method-assign]
        await until(lambda: live(page).browsers == 0)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await reader.read()


def test_every_poke_is_one_that_a_page_can_ask_for() -> None:
    assert {kind for kinds in POKES_OF.values() for kind in kinds} <= set(KINDS)


def test_every_notice_of_the_gateway_is_known() -> None:
    """A new notice pokes `status` unless somebody says better; here somebody has to say it."""
    known = {kind.__name__ for kind in Notice.__subclasses__()}
    assert set(POKES_OF) - {"lost"} <= known
