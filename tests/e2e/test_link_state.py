"""What a site and its hub show of the link between them: state, measures, bytes, sites, what is held back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.synthetic import Sizes, Template, Treatment, make_record
from gateway.trends import ledger
from tests.support.console import Console
from tests.support.gateway_process import GatewayProcess
from tests.support.hub_scene import CENTRE, SITE, Pair, linked
from tests.support.receiver import Receiver

RECORDS = Template(make_record())
VOLUMES = Template(Treatment(sizes=Sizes(matrix=512)).make("cbct"))


def store(port: int, template: Template, count: int, first: int = 0) -> None:
    things = list(template.copies(count, first))
    with Console(port, "CENTRE", "LINAC1", [things[0].sop_class_uid]) as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000


def budget_of(box: GatewayProcess) -> dict[str, int]:
    """Return what each peer and link has used, as the budget counts it."""
    with box.client() as client:
        return {one["name"]: one["sent"] + one["received"] for one in client.budget()["peers"]}


@pytest.fixture(name="pair")
def a_pair(tmp_path: Path) -> Iterator[tuple[Pair, Receiver]]:
    with Receiver() as centre, linked(tmp_path, centre_port=centre.port) as pair:
        pair.wait_linked()
        yield pair, centre


def test_both_ends_show_the_link_and_what_went_over_it(pair: tuple[Pair, Receiver]) -> None:
    ends, centre = pair
    store(ends.site.port, RECORDS, 10)
    store(ends.site.port, VOLUMES, 4)
    centre.wait_stored(14, timeout=60)
    size = 4 * len(next(iter(VOLUMES.copies(1))).data)

    (shown,) = ends.hub.status()["sites"]
    assert (shown["name"], shown["connected"]) == (SITE, True)
    assert (shown["received_objects"], shown["received_bytes"] > size) == (14, True)
    assert shown["rtt_seconds"] is not None
    assert time.time() - shown["last_contact_at"] < 30

    there = ends.site.destination(CENTRE)
    assert there["link"] == "online"
    assert there["rtt_seconds"] is not None
    assert there["compression"] > 1  # synthetic volumes can be compressed
    assert there["retransmitted_bytes"] is not None

    # The bytes are the link's, once: not the streams' and the peers' beyond it as well.
    used = budget_of(ends.site)
    assert used[CENTRE] == 0
    assert 0.8 * size / there["compression"] < used["hub"] < size

    ends.site.stop()
    ends.hub.wait("the site is away", lambda: not ends.hub.status()["sites"][0]["connected"])
    (gone,) = ends.hub.status()["sites"]
    assert gone["received_objects"] == 14
    assert gone["reason"]
    with ends.hub.client() as client:
        assert f'dicom_gateway_site_connected{{site="{SITE}"}} 0.0' in client.metrics()


def test_the_months_data_of_the_link_holds_back_volumes_and_no_record(tmp_path: Path) -> None:
    folder = tmp_path / "site" / "state" / "trends"
    folder.mkdir(parents=True)
    today = time.strftime("%Y-%m-%d")
    ledger.save(folder, ledger.dump({"hub": ledger.Entry([], {today: (8_500_000, 0)})}, time.time()))
    plan = {"sections": {"data_budget": {"monthly": 10_000_000}}}
    with (
        Receiver() as centre,
        linked(tmp_path, centre_port=centre.port, site_options=plan) as pair,
    ):
        pair.wait_linked()
        store(pair.site.port, VOLUMES, 1)
        store(pair.site.port, RECORDS, 2)
        centre.wait_stored(2, timeout=60)
        there = pair.site.destination(CENTRE)
        assert there["waiting"]["bulk"]["count"] == 1
        assert "of this month's data" in there["held_back"]
        # The centre sees what waits at the site.
        pair.hub.wait("the hub knows", lambda: pair.hub.status()["sites"][0]["waiting_objects"] == 1)
        (shown,) = pair.hub.status()["sites"]
        assert shown["waiting_bytes"] == there["waiting"]["bulk"]["bytes"]
        assert 0 <= time.time() - shown["oldest_waiting_at"] < 60
        pair.site.stop()
        pair.hub.wait("the site is away", lambda: not pair.hub.status()["sites"][0]["connected"])
        assert pair.hub.status()["sites"][0]["waiting_objects"] == 1  # as it said last


def test_a_rate_holds_on_the_link_and_records_pass(tmp_path: Path) -> None:
    rate = 100_000
    with Receiver() as centre:
        sections = {"traffic": {"rate": rate}}
        with linked(tmp_path, centre_port=centre.port, site_options={"sections": sections}) as pair:
            pair.wait_linked()
            began = time.monotonic()
            store(pair.site.port, VOLUMES, 2)
            pair.site.wait("a volume on its way", lambda: pair.site.destination(CENTRE)["in_flight"] > 0)
            store(pair.site.port, RECORDS, 2)
            centre.wait_stored(2, timeout=60)
            assert {one["size"] for one in centre.stored()} == {len(next(iter(RECORDS.copies(1))).data)}
            centre.wait_stored(4, timeout=60)
            ratio = pair.site.destination(CENTRE)["compression"]
            volumes = 2 * len(next(iter(VOLUMES.copies(1))).data)
            assert time.monotonic() - began >= 0.8 * volumes / ratio / rate
