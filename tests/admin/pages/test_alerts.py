"""The page Alerts: what is shown, acknowledging, trying a channel, and who may."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.admin.alerts.service import Alerts
from gateway.admin.visit import SERVICES
from gateway.config.alerting import Alerts as Section
from gateway.config.alerting import SyslogAlerts, WebhookAlerts
from gateway.operator.facts import Amount, Waiting
from tests.support.admin_site import Site, site
from tests.support.fake_control import NOW, FakeControl, delivery, destination
from tests.support.ports import free_port

NO_CLOCK = Section(clock_offset=0.0)  # whatever the clock of the machine that tests
HOSTILE = '<script>alert("x")</script>'


def held() -> FakeControl:
    control = FakeControl()
    control.destinations = [destination(ae_title=HOSTILE, held=Amount(2, 1000))]
    return control


def alerts(page: Site) -> Alerts:
    return page.app[SERVICES].alerts


async def look(page: Site) -> None:
    await alerts(page)._watcher.look()


async def test_nothing_is_wrong() -> None:
    async with site(alerts=NO_CLOCK) as page:
        document = await page.get("/alerts")
        assert "There is no alert." in document.text
        assert "Nobody. Alerts are shown on this page only." in document.text


async def test_what_is_wrong_is_text_whatever_its_name() -> None:
    async with site(control=held(), alerts=NO_CLOCK) as page:
        await look(page)
        document = await page.get("/alerts")
        (alert,) = document.all("li.alert")
        assert alert.find("strong").text == (
            f"2 objects for {HOSTILE} are held back: somebody has to decide about them."
        )
        assert not [script for script in document.all("script") if "src" not in script.attributes]


@pytest.mark.parametrize(("paused", "leads_to"), [(False, "/link"), (True, "/queue")])
async def test_a_record_that_waits_leads_to_where_one_can_do_something(paused: bool, leads_to: str) -> None:
    control = FakeControl()
    control.destinations = [destination(paused=paused, waiting=Waiting(Amount(1, 1), Amount(), Amount()))]
    control.rows = [delivery(1, received_at=time.time() - 7200)]
    async with site(control=control, alerts=NO_CLOCK) as page:
        await look(page)
        (alert,) = (await page.get("/alerts")).all("li.alert")
        assert alert.find("strong").text.startswith("1 treatment record has not reached ARIA;")
        assert alert.find(".actions a")["href"] == leads_to


async def test_somebody_knows() -> None:
    async with site(control=held(), role="clinic", alerts=NO_CLOCK) as page:
        await look(page)
        answer = await page.post("/alerts/1/acknowledge")
        assert (answer.status, answer.headers["Location"]) == (303, "/alerts")
        assert page.access.audited == [("acknowledge", "alert=1", "", "done")]
        document = await page.get("/alerts")
        assert "Anna Beispiel knows of it since" in document.find("li.alert").text
        assert not document.all("li.alert button")
        mark = await page.get("/alerts/mark", fragment=True)
        assert mark.text == ""


async def test_the_mark_counts_what_nobody_knows_of() -> None:
    async with site(control=held(), alerts=NO_CLOCK) as page:
        await look(page)
        mark = await page.get("/alerts/mark", fragment=True)
        assert mark.find(".count").text.startswith("1 ")


async def test_what_is_over_cannot_be_acknowledged_and_is_told() -> None:
    async with site(control=held(), alerts=NO_CLOCK) as page:
        answer = await page.post("/alerts/7/acknowledge")
        assert answer.status == 303
        assert page.access.audited == []
        assert "This alert is over." in (await page.get("/alerts")).text


@pytest.mark.parametrize(
    ("role", "acknowledge", "test"),
    [("viewer", 403, 403), ("clinic", 303, 403), ("engineer", 303, 404), ("admin", 303, 404)],
)
async def test_who_may(role: str, acknowledge: int, test: int) -> None:
    async with site(control=held(), role=role, alerts=NO_CLOCK) as page:
        await look(page)
        buttons = (await page.get("/alerts")).all("li.alert button")
        assert bool(buttons) == (acknowledge == 303)
        assert (await page.post("/alerts/1/acknowledge")).status == acknowledge
        assert (await page.post("/alerts/channels/email/test")).status == test


Hooking = Callable[[int], AbstractAsyncContextManager[tuple[Section, list[bytes]]]]


@asynccontextmanager
async def hook(answer: int) -> AsyncIterator[tuple[Section, list[bytes]]]:
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response(status=answer)

    app = web.Application()
    app.router.add_post("/hook", take)
    async with TestServer(app) as server:
        yield Section(webhook=WebhookAlerts(url=str(server.make_url("/hook")))), bodies


async def test_a_channel_can_be_tried() -> None:
    async with hook(204) as (section, bodies), site(alerts=section) as page:
        document = await page.get("/alerts")
        assert "Web hook" in document.find("ul.channels").text
        assert (await page.post("/alerts/channels/webhook/test")).status == 303
        assert b"This is a test of the alerts of clinic-07" in bodies[0]
        assert "The test message is on its way." in (await page.get("/alerts")).text
        assert page.access.audited == [("alert test", "channel=webhook", "", "done")]


async def test_a_channel_that_refuses_says_so() -> None:
    async with hook(500) as (section, _), site(alerts=section) as page:
        await page.post("/alerts/channels/webhook/test")
        assert "The test was not taken" in (await page.get("/alerts")).text
        assert page.access.audited == [("alert test", "channel=webhook", "", "not told")]


async def test_what_waits_for_a_channel_is_shown() -> None:
    section = Section(
        syslog=SyslogAlerts(host="127.0.0.1", port=free_port(), transport="tcp"), clock_offset=0.0
    )
    async with site(control=held(), alerts=section) as page:
        await look(page)
        assert "1 message waits" in (await page.get("/alerts")).find("ul.channels").text


async def test_the_history_is_paged() -> None:
    control = FakeControl()
    async with site(control=control, alerts=Section(settle=0.0, clock_offset=0.0)) as page:
        for number in range(52):
            control.destinations = [destination(name=f"d{number}", held=Amount(1, 1), last_success_at=NOW)]
            await look(page)
        first = await page.get("/alerts/history")
        assert len(first.all("tbody tr")) == 50
        (following,) = [link for link in first.all("a") if link.attributes.get("rel") == "next"]
        assert len((await page.get(following["href"])).all("tbody tr")) == 1


async def test_whoever_looks_sees_what_is_wrong_now() -> None:
    async with site(control=held(), alerts=NO_CLOCK) as page:
        assert len((await page.get("/alerts")).all("li.alert")) == 1


async def test_the_menu_of_every_page_has_the_mark() -> None:
    async with site(control=held(), alerts=NO_CLOCK) as page:
        await look(page)
        marks = (await page.get("/alerts/history")).all("span.count")
        assert {mark.text.split()[0] for mark in marks} == {"1"}
        assert len(marks) == 3  # beside the entry, in the sheet of a phone, and on its button
