"""Procedure steps and storage commitment on the page."""

from __future__ import annotations

import pytest

from tests.support.admin_site import site
from tests.support.fake_control import HOSTILE_WORDS, FakeControl, commitment, step


async def test_steps_are_listed_filtered_and_paged() -> None:
    control = FakeControl()
    control.messages = [step(number) for number in range(1, 61)]
    control.messages[3] = step(4, state="held", comment=HOSTILE_WORDS, reason="<b>no</b>", uncertain=True)
    async with site(control=control) as page:
        document = await page.get("/queue/steps")
        assert len(document.all("tbody tr")) == 50
        assert "<b>no</b>" in document.text
        assert "<b>no" not in document.source
        assert "may have been carried out" in document.text
        following = await page.get(document.find("a[rel=next]")["href"])
        assert len(following.all("tbody tr")) == 10
        held = await page.get("/queue/steps?state=held")
        assert [row.text for row in held.all("tbody th")] == ["4"]
        assert held.find("ul.chips a[aria-current]").text == "held back"
        part = await page.get(held.find("#steps")["hx-get"], fragment=True)
        assert not part.all("h1")
        assert [row.text for row in part.all("tbody th")] == ["4"]


async def test_a_step_is_tried_again() -> None:
    control = FakeControl()
    async with site(control=control, role="clinic") as page:
        assert (await page.post("/queue/steps/3/retry")).headers["Location"] == "/queue/steps"
        assert control.done[0][:2] == ("retry", 3)
        document = await page.get("/queue/steps")
        assert "Message 3 is tried again now." in document.text
        assert not document.all("a.danger")
        await page.post("/queue/steps/99/retry")
        assert "Nothing was done" in (await page.get("/queue/steps")).text


async def test_a_step_is_discarded_with_the_exact_words_and_a_reason() -> None:
    control = FakeControl()
    async with site(control=control) as page:
        assert "discard 3" in (await page.get("/queue/steps/3/discard")).text
        for typed, reason in (("discard", "r"), ("discard 2", "r"), ("discard 3", "")):
            refused = await page.post("/queue/steps/3/discard", typed=typed, reason=reason)
            assert refused.status == 422
        assert control.done == []
        done = await page.post("/queue/steps/3/discard", typed="discard 3", reason="sent twice")
        assert done.status == 303
        assert control.done[0][:3] == ("discard", 3, "sent twice")


@pytest.mark.parametrize("role", ["viewer", "clinic"])
async def test_not_everybody_discards(role: str) -> None:
    async with site(role=role) as page:
        assert (await page.post("/queue/steps/3/discard", typed="discard 3", reason="r")).status == 403
        assert (await page.post("/queue/steps/3/retry")).status == (403 if role == "viewer" else 303)


async def test_commitments_are_listed_and_paged() -> None:
    control = FakeControl()
    control.transactions = [commitment(number) for number in range(60, 0, -1)]
    control.transactions[0] = commitment(60, state="given-up", reason=HOSTILE_WORDS, calling_ae="<i>x</i>")
    async with site(control=control) as page:
        document = await page.get("/queue/commitments")
        assert len(document.all("tbody tr")) == 50
        assert "<i>x" not in document.source
        assert "2 of 6 committed" in document.text
        assert "1 not committed" in document.text
        following = await page.get(document.find("a[rel=next]")["href"])
        assert len(following.all("tbody tr")) == 10
        part = await page.get("/queue/commitments?before=11", fragment=True)
        assert len(part.all("tbody tr")) == 10
