"""Every part of the page of the queue, on a real spool behind the real operator API."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.model import DeliveryState
from gateway.spool import Accepted, Answer, Hold, PutBack
from tests.support.admin_site import Document, Site, site
from tests.support.full_spool import CT, PRIVATE, Row, any_row
from tests.support.queue_scene import QueueScene, queue_scene
from tests.support.spooling import SMALL, a_receipt, content, store

S = DeliveryState
DICE = random.Random(8)
MANY = [any_row(number, DICE) for number in range(1, 301)]
HOSTILE = '<script>alert("x")</script>'


@asynccontextmanager
async def page(
    tmp_path: Path, rows: Iterable[Row] = (), role: str = "engineer"
) -> AsyncIterator[tuple[Site, QueueScene]]:
    async with (
        queue_scene(tmp_path, rows) as scene,
        site(control=scene.control, sections=scene.sections, role=role) as shown,
    ):
        yield shown, scene


def numbers(document: Document) -> list[int]:
    """The numbers of the rows that a list shows."""
    return [int(one["href"].rpartition("/")[2]) for one in document.all("th a")]


async def state(scene: QueueScene, number: int) -> str:
    return (await scene.control.story(number)).delivery.state


async def follow(shown: Site, document: Document) -> Document:
    assert document.status == 303, document.source
    return await shown.get(document.headers["Location"])


# the overview


async def test_the_overview_draws_what_waits(tmp_path: Path) -> None:
    async with page(tmp_path, MANY) as (shown, scene):
        status = await scene.control.status()
        document = await shown.get("/queue")
        assert document.find("h1").text == "Queue"
        for one in status.destinations:
            card = next(card for card in document.all("section") if card.all("h2")[0].text == one.name)
            parts = card.find("ul.legend").text
            for priority in ("record", "image", "bulk"):
                assert str(getattr(one.waiting, priority).count) in parts
            assert f"{one.held.count} held back" in card.text
        widths = [float(bar["width"]) for bar in document.all("svg.bar rect") if bar["class"] != "ground"]
        assert widths
        assert max(widths) <= 1000


async def test_an_empty_queue_says_so(tmp_path: Path) -> None:
    async with page(tmp_path) as (shown, _):
        assert "Nothing waits, and nothing is held back." in (await shown.get("/queue")).text
        assert "Nothing has been received yet." in (await shown.get("/queue/list")).text
        assert "Nothing is held back." in (await shown.get("/queue/held")).text
        assert "No procedure steps have been taken." in (await shown.get("/queue/steps")).text
        assert "No console has asked" in (await shown.get("/queue/commitments")).text
        assert "You have exported nothing lately." in (await shown.get("/queue/export")).text


async def test_a_destination_is_paused_tried_and_resumed(tmp_path: Path) -> None:
    async with page(tmp_path, MANY) as (shown, scene):
        document = await follow(shown, await shown.post("/queue/destinations/oncology/pause"))
        assert "What arrives is kept here." in document.text
        assert (await scene.control.status()).destinations[0].paused
        buttons = [one["action"] for one in document.all("form") if "destinations" in one["action"]]
        assert "/queue/destinations/oncology/resume" in buttons
        await shown.post("/queue/destinations/oncology/resume")
        assert not (await scene.control.status()).destinations[0].paused
        document = await follow(shown, await shown.post("/queue/destinations/oncology/retry"))
        assert "oncology is being tried now." in document.text
        assert (await shown.post("/queue/destinations/nobody/pause")).status == 404
        assert (await shown.post("/queue/destinations/oncology/burn")).status == 404


# lists


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("", lambda row: True),
        ("state=held", lambda row: row.state is S.HELD),
        (
            "destination=archive&priority=bulk",
            lambda row: (row.destination, row.priority.label) == ("archive", "bulk"),
        ),
        (f"sop_class={CT}", lambda row: row.sop_class == CT),
        ("calling_ae=CT1&order=oldest", lambda row: row.calling_ae == "CT1"),
        ("cause=refused", lambda row: row.cause == "refused"),
        ("q=linac2", lambda row: row.calling_ae == "LINAC2"),
        ("state=nonsense", lambda row: True),
    ],
)  # fmt: skip
async def test_a_list_shows_what_its_address_says_page_by_page(
    tmp_path: Path, query: str, fits: object
) -> None:
    wanted = [row.number for row in MANY if fits(row)]  # type: ignore[operator]
    wanted = wanted if "oldest" in query else wanted[::-1]
    async with page(tmp_path, MANY) as (shown, _):
        found: list[int] = []
        path = f"/queue/list?{query}"
        first = document = await shown.get(path)
        assert f"{len(wanted)} objects match" in document.text
        while True:
            found += numbers(document)
            following = document.all("a[rel=next]")
            if not following:
                break
            document = await shown.get(following[0]["href"])
        assert found == wanted
        if len(wanted) > 50:
            back = await shown.get(
                (await shown.get(first.find("a[rel=next]")["href"])).find("a[rel=prev]")["href"]
            )
            assert numbers(back) == numbers(first)
            assert not back.all("a[rel=prev]")


async def test_rows_are_refreshed_without_being_pushed_away(tmp_path: Path) -> None:
    rows = [Row(number) for number in range(1, 81)]
    async with page(tmp_path, rows) as (shown, scene):
        document = await shown.get("/queue/list")
        refresh = document.find("#rows")["hx-get"]
        before = numbers(document)
        await store(scene.spool, content(999, SMALL), 999)
        part = await shown.get(refresh, fragment=True)
        assert numbers(part) == before
        assert "There are newer ones. Show them." in part.text
        assert not part.all("h1")
        assert part.find("#rows")["hx-get"] == refresh
        assert numbers(await shown.get("/queue/list"))[0] == 81


async def test_nothing_found_is_said_kindly(tmp_path: Path) -> None:
    async with page(tmp_path, MANY) as (shown, _):
        assert "Nothing matches." in (await shown.get("/queue/list?q=nothing")).text
        wrong = await shown.get("/queue/list?destination=nobody")
        assert "This filter names something that is not here." in wrong.text
        assert wrong.find("select[name=destination] option[selected]").text == "nobody"
        wrong = await shown.get("/queue/list?sop_class=Nonsense")
        assert "This filter names something that is not here." in wrong.text
        assert (await shown.get("/queue/list?after=5&before=7")).status == 200


async def test_an_identity_does_not_get_into_an_address(tmp_path: Path) -> None:
    twins = [
        Row(1, uid="1.2.3.4.5"),
        Row(2, uid="1.2.3.4.5"),
        Row(3, sop_class=PRIVATE),
        Row(4, sop_class=PRIVATE),
    ]
    async with page(tmp_path, twins + MANY[4:]) as (shown, _):
        found = await shown.post("/queue/find", q=MANY[20].instance_uid)
        assert found.headers["Location"] == "/queue/21"
        found = await shown.post("/queue/find", q="1.2.3.4.5")
        assert found.headers["Location"] == "/queue/list?q=1"
        assert (
            "Several objects have this SOP Instance UID: 1, 2." in (await shown.get("/queue/list?q=1")).text
        )
        found = await shown.post("/queue/find", q=PRIVATE)
        assert found.headers["Location"] == f"/queue/list?sop_class={PRIVATE}"
        found = await shown.post("/queue/find", q="1.2.826.0.1.999")
        assert found.headers["Location"] == "/queue/list"
        found = await shown.post("/queue/find", q="LINAC2", **{"f-state": "held"})
        assert found.headers["Location"] == "/queue/list?state=held&q=LINAC2"
        kept = await shown.get("/queue/list?q=1.2.3.4.5")
        assert "1.2.3.4.5" not in kept.source.replace("/queue/list?q=1.2.3.4.5", "")


# held


async def test_what_is_held_is_tried_again_with_one_press(tmp_path: Path) -> None:
    async with page(tmp_path, MANY) as (shown, scene):
        groups = await scene.spool.held_groups()
        document = await shown.get("/queue/held")
        cards = document.all("section.held")
        assert len(cards) == len(groups)
        refused = next(card for card in cards if "The destination refused it." in card.text)
        assert "Ask the administrator of the destination" in refused.text
        form = next(one for one in refused.all("form") if one["action"] == "/queue/held/again")
        fields = {one["name"]: one["value"] for one in form.all("input")}
        document = await follow(shown, await shown.post_fields("/queue/held/again", fields))
        assert "back in the queue" in document.text
        left = await scene.spool.held_groups()
        assert len(left) == len(groups) - 1
        assert {(one.destination, one.cause) for one in groups} - {
            (one.destination, one.cause) for one in left
        } == {(fields["destination"], fields["cause"])}


async def test_what_was_held_since_is_not_touched(tmp_path: Path) -> None:
    rows = [Row(number, state=S.HELD, cause="refused") for number in (1, 2, 3)]
    async with page(tmp_path, rows) as (shown, scene):
        await shown.post(
            "/queue/held/again", action="retry", destination="oncology", cause="refused", up_to="2"
        )
        assert [await state(scene, number) for number in (1, 2, 3)] == ["queued", "queued", "held"]


# the story


async def a_story(scene: QueueScene) -> None:
    """Delivery 1 fails, is held, tried again, accepted with a warning; 2 is held by hand."""
    spool = scene.spool
    await spool.hold(2, HOSTILE, who=f"{HOSTILE} by somebody")
    await spool.claim("oncology", 1)
    answer = Answer("out-of-resources", 0xA700, HOSTILE)
    await spool.settle([PutBack(1, 0.0, "no room (0xA700)", answer=answer)])
    await spool.claim("oncology", 1)
    await spool.settle(
        [Hold(1, "refused (0xA900)", "refused", Answer("refused", 0xA900, "wrong <b>class</b>"))]
    )


async def test_the_story_is_told_in_order(tmp_path: Path) -> None:
    async with page(tmp_path, [Row(1), Row(2), Row(3, destination="archive", uid="x")]) as (shown, scene):
        await a_story(scene)
        document = await shown.get("/queue/1")
        assert document.find("h1").text == "Number 1 to oncology"
        told = [one.text for one in document.all("ol.story li")]
        assert told[0].startswith("Received from LINAC1")
        assert told[1].startswith("Sending failed; it is tried again")
        assert "The destination has no room for it. 0xA700" in told[1]
        assert told[2].startswith("Held back: a person has to decide")
        assert [quote.text for quote in document.all("blockquote")] == [HOSTILE, "wrong <b>class</b>"]
        assert document.find("section.advice p.next").text.startswith("Ask the administrator")
        await scene.spool.retry(1, who="anna")
        job = (await scene.spool.claim("oncology", 1))[0]
        receipt = a_receipt(job, 0xB000)
        await scene.spool.settle([Accepted(1, receipt)])
        document = await shown.get("/queue/1/now", fragment=True)
        told = [one.text for one in document.all("ol.story li")]
        assert "by anna" in " ".join(told)
        assert any(one.startswith("oncology accepted it, with a warning") for one in told)
        assert "nobody has verified that it keeps it" in document.text
        assert (await shown.get("/queue/77")).status == 404


async def test_hostile_words_stay_text(tmp_path: Path) -> None:
    rows = [Row(1), Row(2), Row(3, calling_ae="<i>AE</i>", destination=HOSTILE, state=S.HELD, cause=HOSTILE)]
    async with page(tmp_path, rows) as (shown, scene):
        await a_story(scene)
        for path in ("/queue", "/queue/list", "/queue/held", "/queue/1", "/queue/2", "/queue/3"):
            document = await shown.get(path)
            assert document.status == 200
            assert HOSTILE not in document.source
            assert "<i>AE" not in document.source
            assert "<b>class" not in document.source
        assert HOSTILE in (await shown.get("/queue/2")).text
        assert HOSTILE in (await shown.get("/queue/held")).text


# actions


@pytest.mark.parametrize(
    ("role", "steer", "discard"),
    [("viewer", False, False), ("clinic", True, False), ("engineer", True, True), ("admin", True, True)],
)
async def test_each_role_may_do_what_it_may(tmp_path: Path, role: str, steer: bool, discard: bool) -> None:
    async with page(tmp_path, [Row(number) for number in range(1, 6)], role) as (shown, scene):
        listed = await shown.get("/queue/list")
        offered = {one["value"] for one in listed.all("button[name=action]")}
        assert ("retry" in offered, "discard" in offered, "export" in offered) == (steer, discard, steer)
        assert bool(listed.all("input[name=number]")) is steer
        story = await shown.get("/queue/1")
        assert ("hold" in {one["value"] for one in story.all("input[name=action]")}) is steer
        expected = 303 if steer else 403
        assert (await shown.post("/queue/choose", action="retry", number="1")).status == expected
        held = await shown.post("/queue/act", action="hold", number="1", reason="a look", back="/queue/1")
        assert held.status == expected
        assert await state(scene, 1) == ("held" if steer else "queued")
        asked = await shown.post("/queue/choose", action="discard", number="2")
        assert asked.status == (200 if discard else 403)
        done = await shown.post("/queue/discard", number="2", reason="a test", typed="discard 1")
        assert done.status == (303 if discard else 403)
        assert await state(scene, 2) == ("discarded" if discard else "queued")
        assert (await shown.post("/queue/destinations/oncology/pause")).status == expected
        assert (await shown.post("/queue/held/again", action="retry")).status == (422 if steer else 403)
        assert (await shown.get("/queue/export")).status == (200 if steer else 403)
        assert (await shown.post("/queue/3/export")).status == (200 if steer else 403)
        assert (await shown.get("/queue/steps/1/discard")).status == (200 if discard else 403)


async def test_discarding_needs_the_exact_words_and_a_reason(tmp_path: Path) -> None:
    async with page(tmp_path, [Row(number) for number in range(1, 6)]) as (shown, scene):
        chosen = [("csrf", "token-of-the-test"), ("action", "discard"), ("number", "1"), ("number", "2")]
        chosen += [("back", "/queue/list?state=queued")]
        asked = await shown.post_fields("/queue/choose", chosen)
        assert asked.find("h1").text == "Discard"
        assert "This is for 2 objects: 1 , 2" in asked.text
        form = asked.find("form[action=/queue/discard]")
        fields = [(one["name"], one["value"]) for one in form.all("input[type=hidden]")]
        for typed, reason, wrong in (
            ("discard", "a test", "Please type exactly: discard 2"),
            ("discard 1", "a test", "Please type exactly: discard 2"),
            ("discard 2", "", "Please fill this in."),
            ("", "a test", "Please fill this in."),
        ):
            refused = await shown.post_fields(
                "/queue/discard", [*fields, ("typed", typed), ("reason", reason)]
            )
            assert refused.status == 422
            assert wrong in refused.text
            assert [await state(scene, number) for number in (1, 2)] == ["queued", "queued"]
        done = await shown.post_fields(
            "/queue/discard", [*fields, ("typed", " Discard  2 "), ("reason", "a test")]
        )
        assert done.headers["Location"] == "/queue/list?state=queued"
        assert "2 objects are discarded." in (await follow(shown, done)).text
        assert [await state(scene, number) for number in (1, 2, 3)] == ["discarded", "discarded", "queued"]
        event = (await scene.control.story(1)).history[-1]
        assert event.words == "a test"
        assert event.who.startswith("Anna Beispiel (engineer) by ")


async def test_all_that_match_are_those_that_were_counted(tmp_path: Path) -> None:
    rows = [Row(number) for number in range(1, 61)]
    async with page(tmp_path, rows) as (shown, scene):
        listed = await shown.get("/queue/list?state=queued")
        assert "All 60 that match, on every page" in listed.text
        asked = await shown.post("/queue/choose", action="discard", everything="yes", **{"f-state": "queued"})
        assert "This is for 60 objects" in asked.text
        form = asked.find("form[action=/queue/discard]")
        fields = {one["name"]: one["value"] for one in form.all("input[type=hidden]")}
        await scene.spool.hold(7, "meanwhile")
        changed = await shown.post_fields("/queue/discard", {**fields, "typed": "discard 60", "reason": "r"})
        assert "the number of matching objects has changed" in (await follow(shown, changed)).text
        assert await state(scene, 1) == "queued"
        held = await shown.post("/queue/choose", action="retry", everything="yes", **{"f-state": "held"})
        fields = {one["name"]: one["value"] for one in held.find("form[action=/queue/act]").all("input")}
        done = await shown.post_fields("/queue/act", fields)
        assert "1 object is back in the queue" in (await follow(shown, done)).text
        # Without a filter "everything" is not taken at its word.
        nothing = await shown.post("/queue/choose", action="discard", everything="yes")
        assert "Nothing was chosen." in (await follow(shown, nothing)).text


async def test_what_is_not_possible_is_told(tmp_path: Path) -> None:
    async with page(tmp_path, [Row(1, state=S.RELEASED), Row(2)]) as (shown, _):
        both = [("csrf", "token-of-the-test"), ("action", "retry"), ("number", "1"), ("number", "2")]
        document = await follow(shown, await shown.post_fields("/queue/choose", both))
        assert "1 object is back in the queue" in document.text
        assert "1 object was left as it is, because its state does not allow this: 1" in document.text
        story = await shown.get("/queue/1")
        assert not story.all("input[name=action]")
        assert "Its bytes are not kept here any more" in story.text


async def test_a_form_leads_back_to_this_page_only(tmp_path: Path) -> None:
    async with page(tmp_path, [Row(1)]) as (shown, _):
        for back in (
            "https://evil.example/",
            "//evil.example",
            "/logout",
            "/queueing",
            "javascript:alert(1)",
        ):
            answer = await shown.post("/queue/choose", action="retry", number="1", back=back)
            assert answer.headers["Location"] == "/queue/list"


async def test_a_selection_is_bounded(tmp_path: Path) -> None:
    async with page(tmp_path, [Row(1)]) as (shown, _):
        fields = [("csrf", "token-of-the-test"), ("action", "retry")]
        fields += [("number", str(number)) for number in range(1, 1002)]
        assert (await shown.post_fields("/queue/choose", fields)).status in (413, 422)
        assert (await shown.post("/queue/choose", action="retry", number="9" * 30)).status == 422
        assert (await shown.post("/queue/choose", action="burn", number="1")).status == 422
