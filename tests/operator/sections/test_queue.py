"""Many deliveries at once, over HTTP, on a real spool."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.gateway_client import GatewayClient
from gateway.model import DeliveryState
from gateway.notices import Notice, OperatorActed
from gateway.operator.api import OperatorServer
from gateway.operator.client import ApiProblem
from gateway.operator.facts import DeliveryFilter, DeliveryPage, Story
from gateway.operator.queue_facts import ActReport, ActRequest, HeldGroups, QueueKinds
from gateway.operator.sections import queue
from gateway.spool import Answer, Hold, Page, PutBack, Wanted
from tests.support.full_spool import CT, PLAN, Row, any_row
from tests.support.queue_scene import QueueScene, queue_scene
from tests.support.spooling import BEAMS_RECORD

DICE = random.Random(3)
ROWS = [any_row(number, DICE) for number in range(1, 400)]
HELD = [row for row in ROWS if row.state is DeliveryState.HELD]


@asynccontextmanager
async def scene(
    tmp_path: Path, rows: list[Row] | None = None
) -> AsyncIterator[tuple[QueueScene, GatewayClient]]:
    async with queue_scene(tmp_path, ROWS if rows is None else rows) as made:
        server = OperatorServer(made.control, tmp_path / "op.sock", sections=made.sections)
        await server.start()
        client = GatewayClient(server.path, who="Anna B. (clinic)")
        try:
            yield made, client
        finally:
            await client.close()
            await server.close()


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({"priority": "bulk"}, lambda row: row.priority.label == "bulk"),
        ({"sop_class": "RT Plan Storage"}, lambda row: row.sop_class == PLAN),
        ({"sop_class": "rt plan storage "}, lambda row: row.sop_class == PLAN),
        ({"sop_class": CT}, lambda row: row.sop_class == CT),
        (
            {"calling_ae": "LINAC2", "state": "queued"},
            lambda row: (row.calling_ae, row.state) == ("LINAC2", "queued"),
        ),
        ({"cause": "refused"}, lambda row: row.cause == "refused"),
        ({"q": "17"}, lambda row: row.number == 17),
        ({"q": ROWS[20].instance_uid}, lambda row: row.number == 21),
        ({"q": "linac"}, lambda row: row.calling_ae != "CT1"),
        ({"q": "RT Beams"}, lambda row: row.sop_class == BEAMS_RECORD),
        ({"q": "1.2.840.10008.5.1.4.1.1.481"}, lambda row: row.sop_class != CT),
        ({"q": "Doe^John"}, lambda row: False),
        ({"q": " "}, lambda row: False),
        (
            {"received_from": 1_700_000_100, "received_before": 1_700_000_110},
            lambda row: 100 <= row.number < 110,
        ),
        ({"up_to": 9}, lambda row: row.number <= 9),
    ],
)  # fmt: skip
async def test_a_listing_has_what_the_filter_says(tmp_path: Path, query: dict[str, Any], fits: Any) -> None:
    wanted = [row.number for row in ROWS if fits(row)]
    async with scene(tmp_path) as (_, client):
        page = await client.get(DeliveryPage, "/v1/deliveries", **query, limit=1000, count=5000)
        assert [row.number for row in page.deliveries] == wanted
        assert (page.total, page.total_exact, page.next, page.previous) == (len(wanted), True, None, None)
        newest = await client.get(DeliveryPage, "/v1/deliveries", **query, limit=3, order="newest")
        assert [row.number for row in newest.deliveries] == wanted[::-1][:3]
        assert newest.total is None


async def test_pages_go_both_ways(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, client):
        first = await client.get(DeliveryPage, "/v1/deliveries", order="newest", limit=10)
        second = await client.get(DeliveryPage, "/v1/deliveries", order="newest", limit=10, before=first.next)
        assert second.deliveries[0].number == first.deliveries[-1].number - 1
        back = await client.get(
            DeliveryPage, "/v1/deliveries", order="newest", limit=10, after=second.previous
        )
        assert back == first


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"sop_class": "No Such Storage"}, "no storage SOP class"),
        ({"after": 1, "before": 9}, "one of the two"),
        ({"q": "x" * 200}, "128 characters"),
        ({"count": 10**9}, "0 to 100000"),
        ({"order": "sideways"}, "oldest, newest"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(
    tmp_path: Path, query: dict[str, Any], words: str
) -> None:
    async with scene(tmp_path) as (_, client):
        with pytest.raises(ApiProblem, match=words) as refused:
            await client.get(DeliveryPage, "/v1/deliveries", **query)
        assert refused.value.details.status == 400


async def test_what_is_held_comes_with_what_to_do(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, client):
        groups = (await client.get(HeldGroups, "/v1/held")).groups
        assert sum(group.count for group in groups) == len(HELD)
        for group in groups:
            assert group.next_step_code == f"held-{group.cause}"
            assert str(group.examples[0]) in group.next_step or group.cause == "conflict"
            row = await client.get(Story, f"/v1/deliveries/{group.examples[0]}")
            assert (row.delivery.cause, row.delivery.destination) == (group.cause, group.destination)
            assert row.next_step_code == group.next_step_code


async def test_what_has_come_from_whom(tmp_path: Path) -> None:
    async with scene(tmp_path) as (_, client):
        kinds = await client.get(QueueKinds, "/v1/kinds")
        assert kinds.calling_aes == ("CT1", "LINAC1", "LINAC2")
        assert [one.uid for one in kinds.sop_classes] == [CT, BEAMS_RECORD, PLAN]
        assert kinds.sop_classes[2].name == "RT Plan Storage"


async def act(client: GatewayClient, **wanted: Any) -> ActReport:
    return await client.post(ActReport, "/v1/deliveries/act", ActRequest(**wanted))


async def test_a_selection_is_acted_on_one_by_one(tmp_path: Path) -> None:
    async with scene(tmp_path, [Row(number) for number in range(1, 6)]) as (made, client):
        await made.spool.claim("oncology", 1)
        acted: list[Notice] = []
        made.notices.subscribe(acted.append)
        report = await act(client, action="hold", numbers=(1, 2, 3, 3, 77), reason=" physics first ")
        assert (report.done, report.refused, report.more) == (2, 2, False)
        assert [(one.number, one.done) for one in report.outcomes] == [
            (1, False), (77, False), (2, True), (3, True),
        ]  # fmt: skip
        assert report.outcomes[1].words == "there is no delivery 77"
        event = (await made.control.story(2)).history[-1]
        assert event.words == "physics first"
        assert event.who.startswith("Anna B. (clinic) by ")
        (told,) = [one for one in acted if isinstance(one, OperatorActed)]
        assert (told.what, told.outcome) == ("act_on_many", "done")
        assert told.detail == "hold: physics first; 2 done, 2 refused"


async def test_a_group_is_acted_on_as_it_was_seen(tmp_path: Path) -> None:
    async with scene(tmp_path) as (made, client):
        group = (await client.get(HeldGroups, "/v1/held")).groups[0]
        seen = DeliveryFilter(
            state="held", destination=group.destination, cause=group.cause, up_to=group.newest
        )
        with pytest.raises(ApiProblem, match=f"{group.count} deliveries match now, not 1") as refused:
            await act(client, action="discard", filter=seen, reason="a test", expected=1)
        assert refused.value.details.status == 409
        report = await act(client, action="discard", filter=seen, reason="a test", expected=group.count)
        assert (report.done, report.refused) == (group.count, 0)
        assert (await act(client, action="retry", filter=seen)).done == 0
        left = await made.spool.browse(Wanted(state=DeliveryState.DISCARDED), Page(limit=1000))
        assert len(left.rows) == group.count


async def test_one_request_changes_so_many_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_BY_FILTER", 3)
    monkeypatch.setattr(queue, "MAX_OUTCOMES", 2)
    async with scene(tmp_path, [Row(number) for number in range(1, 6)]) as (_, client):
        queued = DeliveryFilter(state="queued")
        report = await act(client, action="hold", filter=queued, reason="too many")
        assert (report.done, report.more, len(report.outcomes)) == (3, True, 2)
        report = await act(client, action="hold", filter=queued, reason="the rest")
        assert (report.done, report.more) == (2, False)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"action": "retry"}, "one of the two"),
        ({"action": "retry", "numbers": (1,), "filter": DeliveryFilter(state="held")}, "one of the two"),
        ({"action": "retry", "numbers": tuple(range(1, 1002))}, "1000 at most"),
        ({"action": "retry", "numbers": (0,)}, "is allowed"),
        ({"action": "retry", "filter": DeliveryFilter()}, "all of them"),
        ({"action": "retry", "filter": DeliveryFilter(up_to=7)}, "all of them"),
        ({"action": "retry", "filter": DeliveryFilter(q="x" * 200)}, "128 characters"),
        ({"action": "retry", "filter": DeliveryFilter(state="held", up_to=-1)}, "is allowed"),
        ({"action": "retry", "filter": DeliveryFilter(received_from=-1.0)}, "seconds"),
        ({"action": "retry", "filter": DeliveryFilter(state="held"), "expected": -1}, "0 or more"),
        ({"action": "hold", "numbers": (1,)}, "say why"),
        ({"action": "hold", "numbers": (1,), "reason": "two\nlines"}, "printable"),
        ({"action": "discard", "numbers": (1,), "reason": "x" * 501}, "500 characters"),
        ({"action": "discard", "filter": DeliveryFilter(state="held"), "reason": "x"}, "how many"),
        ({"action": "burn", "numbers": (1,)}, "expected"),
    ],
)
async def test_a_request_is_checked_before_anything_is_done(
    tmp_path: Path, wanted: dict[str, Any], words: str
) -> None:
    async with scene(tmp_path, [Row(1)]) as (made, client):
        with pytest.raises(ApiProblem, match=words) as refused:
            await act(client, **wanted)
        assert refused.value.details.status == 400
        assert (await made.control.story(1)).delivery.state == "queued"


async def test_an_unknown_destination_is_not_found(tmp_path: Path) -> None:
    async with scene(tmp_path, [Row(1, destination="former")]) as (_, client):
        with pytest.raises(ApiProblem, match="no destination"):
            await act(client, action="retry", filter=DeliveryFilter(destination="nobody"))
        assert (await act(client, action="retry", filter=DeliveryFilter(destination="former"))).done == 1


async def test_a_story_quotes_the_peer_apart_from_our_words(tmp_path: Path) -> None:
    async with scene(tmp_path, [Row(1)]) as (made, client):
        answer = Answer("out-of-resources", 0xA700, "disk <b>full</b>")
        await made.spool.claim("oncology", 1)
        await made.spool.settle(
            [PutBack(1, 0.0, "no room (0xA700); the destination says: disk", answer=answer)]
        )
        story = await client.get(Story, "/v1/deliveries/1")
        event = story.history[-1]
        assert (event.what, event.cause, event.status) == ("put-back", "out-of-resources", "0xA700")
        assert event.said == "disk <b>full</b>"
        assert (story.delivery.cause, story.bytes_kept) == ("out-of-resources", True)
        await made.spool.claim("oncology", 1)
        await made.spool.settle([Hold(1, "no", "refused", Answer("", 0xA900, ""))])
        story = await client.get(Story, "/v1/deliveries/1")
        assert (story.history[-1].cause, story.delivery.cause) == ("refused", "refused")
        assert (story.next_step_code, story.commitment) == ("held-refused", "not-asked")
