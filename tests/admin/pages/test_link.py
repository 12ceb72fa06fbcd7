"""The page Link: states, history, the month's data, and path tests with and without a script."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.operator.facts import Amount, DestinationFacts, Waiting
from gateway.operator.sections.path_test import PathTestSection, PathTestWanted
from gateway.operator.sections.trends import TrendsSection
from gateway.operator.site_facts import SiteFacts
from tests.support.admin_site import TOKEN, Site, site
from tests.support.fake_control import FakeControl, destination
from tests.support.fake_links import HOSTILE, NOW, REPORT, FakeLinks, FakeTests, budget, link, trend


@asynccontextmanager
async def linked(
    links: FakeLinks | None = None, tests: FakeTests | None = None, role: str = "engineer", **more: Any
) -> AsyncIterator[Site]:
    sections = [TrendsSection(links or FakeLinks()), PathTestSection(tests or FakeTests())]
    async with site(sections=sections, role=role, **more) as page:
        yield page


async def test_each_centre_with_its_state_and_numbers() -> None:
    links = FakeLinks()
    links.shown[0] = link(state="down", reason=f"nothing has come back {HOSTILE}", next_try_at=NOW + 8)
    async with linked(links) as page:
        document = await page.get("/link")
    (card,) = document.all("article")
    assert "offline" in card.text
    assert HOSTILE in card.find("p.reason").text  # as text
    assert "610 ms" in card.text
    assert "10 Mbit/s" in card.text
    assert "0.2%" in card.text
    assert "5 MB sent, 100 kB received" in card.text
    assert "LINAC1" in document.text
    assert not [one for one in document.all("script") if "src" not in one.attributes]


async def test_what_is_not_known_yet_says_so() -> None:
    links = FakeLinks()
    nothing = {"rtt_seconds": None, "bytes_per_second": None, "loss": None, "last_contact_at": None}
    links.shown = [link(state="unknown", **nothing)]
    links.history = trend(count=0, changes=())
    unknown = dict.fromkeys(("monthly", "by_elapsed", "by_recent", "low", "high"))
    links.spent = budget(used=0, level="none", daily=(), **unknown)
    async with linked(links) as page:
        text = (await page.get("/link")).text
        assert text.count("no measurement yet") == 3
        assert "No measurement yet: it begins with the first contact." in text
        assert "none is set" in text
        assert "too early" in text
        assert "The gateway notes once a minute" in (await page.get("/link/peer/oncology")).text
        links.shown = []
        assert "No centre is configured yet." in (await page.get("/link")).text


async def test_whoever_looks_keeps_the_links_watched() -> None:
    links = FakeLinks()
    async with linked(links, role="viewer") as page:
        fragment = await page.get("/link/now", fragment=True)
        assert links.watched == 1
        trigger = fragment.find("#link-now")["hx-trigger"]
        assert "sse:link" in trigger
        assert "every 4s" in trigger  # the lease is for ten seconds
        assert not fragment.all("html")


@pytest.mark.parametrize("span", ["day", "month"])
async def test_the_history_of_one_link(span: str) -> None:
    async with linked() as page:
        document = await page.get(f"/link/peer/oncology?span={span}")
        (strip,) = document.all("figure.strip")
        assert [bar["class"] for bar in strip.all("rect")] == ["up", "up", "down"]
        assert strip.find("svg")["aria-label"].startswith("Up ")
        assert "1 time down or unstable" in document.text
        assert f"no answer {HOSTILE}" in document.text
        assert document.find(".chips [aria-current]").text == ("24 hours" if span == "day" else "30 days")
        assert document.find("#charts")["data-from"] == f"/link/peer/oncology/data?span={span}"
        assert "Round trip" in document.find("details table").text


async def test_numbers_for_the_charts_have_a_hole_where_nothing_is_known() -> None:
    links = FakeLinks()
    plain = trend()
    keep = [index for index in range(len(plain.at)) if not 20 <= index < 40]
    links.history = trend(
        **{
            name: tuple(getattr(plain, name)[index] for index in keep)
            for name in (
                *("at", "seconds", "up", "degraded", "down", "rtt_min", "rtt_median", "rtt_max"),
                *("goodput", "sent", "received", "objects", "loss"),
            )
        }
    )
    async with linked(links) as page:
        answer = await page.get("/link/peer/oncology/data")
    data = json.loads(answer.raw)
    rtt, rate, loss = data["charts"]
    assert len(data["at"]) == len(keep) + 1
    assert data["at"] == sorted(data["at"])
    values = rtt["series"][0]["values"]
    assert values[20] is None  # between the two parts
    assert values[19] == values[21] == 600
    assert rate["series"][0]["values"][0] == 8.0  # 60,000 bytes in a minute, in kbit/s
    assert rate["series"][2]["values"] == [None] * len(data["at"])
    assert loss["series"][0]["values"][0] == 1
    assert [chart["empty"] for chart in data["charts"]] == [False, False, False]


async def test_a_peer_that_is_not_there() -> None:
    async with linked() as page:
        for path in ("/link/peer/nobody", "/link/peer/nobody/data", "/link/report/oncology/ff"):
            assert (await page.get(path)).status == 404


@pytest.mark.parametrize(
    ("level", "words"), [("over", "is used up"), ("watch", "will not last"), ("ok", "of 50 GB")]
)
async def test_the_data_of_the_month(level: str, words: str) -> None:
    links = FakeLinks()
    links.spent = budget(level=level)
    async with linked(links) as page:
        card = (await page.get("/link")).find("#budget")
    assert words in card.text
    assert "23 GB" in card.find(".figure").text
    assert "47 GB at the end, between 44 GB and 49.5 GB" in card.text
    (used,) = card.all("polygon.used")
    points = [tuple(map(float, point.split(","))) for point in used["points"].split()]
    assert all(0 <= x <= 1000 and 0 <= y <= 220 for x, y in points)
    assert len(card.all("polyline")) == 2
    assert len(card.all("line.limit")) == 1


# ---- path tests -------------------------------------------------------------------------------------------


async def test_who_may_test() -> None:
    for role, status in (("viewer", 403), ("clinic", 403), ("engineer", 200), ("admin", 200)):
        tests = FakeTests()
        async with linked(tests=tests, role=role) as page:
            assert (await page.get("/link/test")).status == status
            answer = await page.post("/link/test", peer="oncology")
            assert answer.status == (303 if status == 200 else 403)
            assert len(tests.asked) == (status == 200)
            offered = [one["href"] for one in (await page.get("/link")).all("a.button")]
            assert ("/link/test" in offered) == (status == 200)


async def test_nothing_is_chosen_for_storage_beforehand() -> None:
    async with linked() as page:
        document = await page.get("/link/test?peer=console1")
        boxes = document.all("#path-test input[type=checkbox]")
        assert len(boxes) == 7
        assert not [box for box in boxes if "checked" in box.attributes]
        assert document.find("option[selected]")["value"] == "console1"
        assert "connection test, not a patient" in document.text
        assert "ARIA" in document.find("table").text  # an earlier test


async def test_without_a_script_the_report_comes_in_the_end() -> None:
    tests = FakeTests()
    async with linked(tests=tests) as page:
        fields = {"csrf": TOKEN, "peer": "oncology", "store-ct": "yes", "commitment": "yes"}
        answer = await page.post_fields("/link/test", fields)
        assert answer.headers["Location"] == "/link/report/oncology/0a1b"
        ((peer, wanted, who),) = tests.asked
        assert (peer, wanted) == ("oncology", PathTestWanted(("ct",), commitment=True, commitment_wait=60.0))
        assert who.startswith("Anna Beispiel (engineer)")
        document = await page.get("/link/report/oncology/0a1b")
    assert "found something to be mended" in document.text
    name, store = document.all("ol.steps li")
    assert (name["class"], store["class"]) == ("ok", "failed")
    assert "Storage of CT Image" in store.text
    assert f"failure {HOSTILE}" in store.text
    assert "Ask them." in store.text
    assert REPORT.patient_id in document.text
    assert document.all("[data-print]")


async def test_with_a_script_every_step_comes_as_it_happens() -> None:
    tests = FakeTests()
    async with linked(tests=tests) as page:
        sent = {"Accept": "application/x-ndjson", "X-CSRF-Token": TOKEN}
        async with page.client.post("/link/test", data={"peer": "oncology"}, headers=sent) as response:
            assert response.content_type == "application/x-ndjson"
            lines = [json.loads(line) async for line in response.content]
    places = [line.get("place") for line in lines]
    assert places == ["step-name", "step-name", "step-store-ct", "step-store-ct", None]
    assert 'class="running"' in lines[0]["html"]
    assert HOSTILE not in lines[3]["html"]  # escaped: it is put into the page as HTML
    assert "&lt;script&gt;" in lines[3]["html"]
    assert lines[-1]["report"] == "/link/report/oncology/0a1b"
    assert tests.closed == 1


async def test_what_cannot_be_started() -> None:
    tests = FakeTests()
    async with linked(tests=tests) as page:
        answer = await page.post("/link/test", peer="nobody")
        assert answer.status == 422
        assert "choose one of these" in answer.find(".problem").text
        answer = await page.post("/link/test", peer="oncology", commitment="yes")
        assert answer.status == 422
        assert "Choose at least one class to store first." in answer.find(".problem").text
        assert tests.asked == []
        tests.busy = True
        answer = await page.post("/link/test", peer="oncology")
        assert answer.status == 503
        assert "is being tested already" in answer.text


async def test_a_gateway_that_does_not_answer() -> None:
    async with linked(serve_gateway=False) as page:
        for path in ("/link", "/link/test", "/link/peer/oncology"):
            assert (await page.get(path)).status in (502, 503)


# ---- what waits, what is held back, and a hub's sites ----


def control_with(*destinations: DestinationFacts, sites: tuple[SiteFacts, ...] = ()) -> FakeControl:
    control = FakeControl()
    control.destinations = list(destinations)
    control.sites = sites
    return control


async def test_a_card_shows_the_queue_its_age_and_the_time_it_needs() -> None:
    one = destination(
        waiting=Waiting(Amount(2, 48_000), Amount(14, 7_000_000), Amount(1, 9_000_000)),
        oldest_waiting_at=time.time() - 840, eta_seconds=39.0, throughput=412_000.0, rate_cap=500_000,
        retransmitted_bytes=2_100_000, compression=2.42,
    )  # fmt: skip
    async with linked(control=control_with(one)) as page:
        (card,) = (await page.get("/link")).all("article")
    for words in (
        "17 waiting 16 MB",
        "Treatment records 2 · 48 kB",
        "Images 14 · 7 MB",
        "Volumes 1 · 9 MB",
        "14 minutes ago",
        "All there in about 39 s",
        "Sent again since the start 2.1 MB",
        "Compressed 2.4 : 1",
        "At most, now 4 Mbit/s",
    ):
        assert words in card.text
    assert [bar["class"] for bar in card.all("svg.parts rect")] == ["record", "image", "bulk"]
    assert "wait here for now" not in card.text
    assert not card.all("[style]")  # the policy of the page forbids it


async def test_what_is_held_back_is_said_with_the_reason() -> None:
    one = destination(
        waiting=Waiting(Amount(1, 9), Amount(2, 9), Amount(3, 9)), leaves="record",
        held_back=f"data {HOSTILE}", rate_cap=0,
    )  # fmt: skip
    async with linked(control=control_with(one)) as page:
        (card,) = (await page.get("/link")).all("article")
        peer = await page.get("/link/peer/oncology")
    assert "Images and volumes wait here for now; treatment records go on." in card.text
    assert f"data {HOSTILE}" in card.text
    assert "At most, now treatment records only" in card.text
    assert [bar["class"] for bar in card.all("svg.parts rect")] == ["record", "image put-off", "bulk put-off"]
    assert "wait here for now" in peer.text


@pytest.mark.parametrize(
    ("leaves", "words"),
    [
        ("bulk", None),
        ("image", "To spare the rest, volumes wait until"),
        ("record", "To spare the rest, images and volumes wait until"),
    ],
)
async def test_the_budget_says_what_waits_and_from_when_on(leaves: str, words: str | None) -> None:
    links = FakeLinks()
    links.spent = budget(bulk_until=40_000_000_000, image_until=47_500_000_000, leaves=leaves)
    async with linked(links) as page:
        card = (await page.get("/link")).find("#budget")
    assert "Volumes wait from 40 GB" in card.text
    assert "Images wait from 47.5 GB" in card.text
    assert (words in card.text) if words else ("To spare the rest" not in card.text)


async def test_a_used_up_budget_does_not_promise_what_is_not_so() -> None:
    links = FakeLinks()
    links.spent = budget(level="over", leaves="record")
    async with linked(links) as page:
        text = (await page.get("/link")).find("#budget").text
    assert "Nothing is held back" not in text
    assert "Treatment records go on as before." in text


async def test_a_hub_shows_its_sites() -> None:
    here = SiteFacts(
        name="clinic-07", connected=True, since=NOW - 3600, reason="", last_contact_at=time.time() - 2,
        address="198.51.100.7", version="1", rtt_seconds=0.61, bytes_per_second=400_000.0, loss=None,
        retransmitted_bytes=None, compression=2.0, receiving=1, partial_bytes=5, received_objects=9,
        received_bytes=9_000_000, waiting_objects=3, waiting_bytes=1_500_000,
        oldest_waiting_at=time.time() - 600,
    )  # fmt: skip
    away = replace(here, name="clinic-08", connected=False, reason=f"lost {HOSTILE}", waiting_objects=None)
    never = replace(away, name="clinic-09", since=None, last_contact_at=None, reason="")
    async with linked(control=control_with(destination(), sites=(here, away, never))) as page:
        document = await page.get("/link")
    rows = [row.text for row in document.all("tr") if "clinic-" in row.text]
    assert "1 of 3 sites connected" in document.text
    assert "connected" in rows[0]
    assert "3 · 1.5 MB 10 minutes ago" in rows[0]
    assert "9 · 9 MB" in rows[0]
    assert "away" in rows[1]
    assert f"lost {HOSTILE}" in rows[1]
    assert "never seen" in rows[2]


async def test_a_gateway_that_is_no_hub_has_no_table_of_sites() -> None:
    async with linked() as page:
        assert "Waiting there" not in (await page.get("/link")).text


async def test_what_only_the_hub_has_is_not_said_to_have_arrived() -> None:
    async with linked(control=control_with(destination(at_hub=3))) as page:
        (card,) = (await page.get("/link")).all("article")
    assert "3 objects are at the hub; the centre has not answered for them yet" in card.text
    assert "Nothing waits." not in card.text
