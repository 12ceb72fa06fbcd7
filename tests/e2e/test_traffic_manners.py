"""Manners on the line, by the product as it runs: what waits for the month or the hour, and what does not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.demo.synthetic import Sizes, SyntheticObject, Template, Treatment, make_record
from gateway.trends import ledger
from tests.support.console import Console
from tests.support.gateway_process import GatewayProcess, Toml, peer
from tests.support.ledger import assert_each_once, uids_and_digests
from tests.support.receiver import Receiver

CLOSED = {"traffic": {"window": [{"start": "00:00", "end": "00:00", "rate": 0}]}}
VOLUMES = Template(Treatment(sizes=Sizes(matrix=512)).make("cbct"))
BUDGET = {"data_budget": {"monthly": 10_000_000}}


def things() -> list[SyntheticObject]:
    """A volume's slice (bulk), and two treatment records."""
    return [
        *VOLUMES.copies(1),
        *Template(make_record()).copies(2),
    ]


def gateway(directory: Path, centre: Receiver, sections: dict[str, Toml]) -> GatewayProcess:
    return GatewayProcess(directory, peers=[peer("centre", "CENTRE", centre.port)], sections=sections)


def send(box: GatewayProcess, objects: list[SyntheticObject]) -> None:
    with Console(box.port, "CENTRE") as console:
        for one in objects:
            assert console.store(one.sop_class_uid, one.sop_instance_uid, one.data) == 0x0000


def spent(directory: Path, amount: int) -> None:
    """Lay down that so many bytes of this month are used, as the gateway keeps it."""
    folder = directory / "state" / "trends"
    folder.mkdir(parents=True)
    today = time.strftime("%Y-%m-%d")
    ledger.save(folder, ledger.dump({"centre": ledger.Entry([], {today: (amount, 0)})}, time.time()))


@pytest.mark.parametrize(
    ("sections", "used", "why"),
    [(CLOSED, 0, "the schedule of [traffic]"), (BUDGET, 8_500_000, "of this month's data is used")],
    ids=["the hours", "the month"],
)
def test_volumes_wait_and_records_do_not(
    sections: dict[str, Toml], used: int, why: str, tmp_path: Path
) -> None:
    objects = things()
    with Receiver() as centre:
        spent(tmp_path, used)
        with gateway(tmp_path, centre, sections) as box:
            send(box, objects)
            centre.wait_stored(2)
            box.wait("the records to be settled", lambda: box.destination()["delivered"]["count"] == 2)
            there = box.destination()
            assert there["waiting"]["bulk"]["count"] == 1
            assert there["waiting"]["record"]["count"] == 0
            assert why in there["held_back"]
            assert there["leaves"] in ("record", "image")
            assert why in box.status()["headline"]
            (waiting,) = box.deliveries(state="queued")
            with box.client() as client:
                assert client.story(waiting["number"])["next_step_code"] == "held-back"
                metrics = client.metrics()
            assert 'link_held_back{destination="centre",priority="bulk"} 1.0' in metrics
            assert 'link_held_back{destination="centre",priority="record"} 0.0' in metrics
        (tmp_path / "state" / "trends" / ledger.FILE_NAME).unlink()
        with gateway(tmp_path, centre, {}) as box:  # the next month, other hours
            centre.wait_stored(3)
            assert box.destination()["held_back"] == ""
        assert_each_once(centre.stored(), uids_and_digests(objects))


def test_a_rate_is_kept_and_a_record_does_not_wait_for_it(tmp_path: Path) -> None:
    rate = 250_000
    (volume,) = VOLUMES.copies(1)
    (record,) = Template(make_record()).copies(1)
    with Receiver() as centre, gateway(tmp_path, centre, {"traffic": {"rate": rate}}) as box:
        began = time.monotonic()
        send(box, [volume])
        box.wait("the volume on its way", lambda: box.destination()["in_flight"] == 1)
        send(box, [record])
        centre.wait_stored(1)
        assert [one["uid"] for one in centre.stored()] == [record.sop_instance_uid]
        assert box.destination()["rate_cap"] == rate
        centre.wait_stored(2)
        assert time.monotonic() - began >= len(volume.data) / rate - 0.5
