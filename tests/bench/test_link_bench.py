"""The bench over long links in a minute: not how fast, but that each way is measured and of which kind it is.

Figures on a machine with other work mean nothing. What holds on any machine: whoever waits for an answer per
object pays round trips per object, and whoever does not wait pays none.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.link import moments, transfers
from bench.link.loads import LOADS
from bench.link.transfers import Transfer
from bench.link.ways import WAYS
from gateway.demo.lab import PROFILES
from tests.support import long_link, machine

GEO = PROFILES["geo-clear"]

pytestmark = [
    pytest.mark.peers,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(long_link.missing() is not None, reason=f"a long link {long_link.missing()}"),
]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    machine.program("storescu")
    return tmp_path_factory.mktemp("bench")


def measured(way: str, objects: int, work: Path, *, load: str = "records") -> Transfer:
    few = replace(LOADS[load], count=objects)
    return transfers.measure(WAYS[way], GEO, few, objects, 1, work)


def trips(run: Transfer) -> float:
    """Round trips per object."""
    return run.seconds / run.objects / GEO.round_trip


def test_who_waits_for_answers_pays_round_trips(work: Path) -> None:
    runs = {
        way: measured(way, 3, work) for way in ("storescu", "storescu-nodelay", "orthanc", "orthanc-http")
    }
    assert trips(runs["storescu"]) > 2.5
    assert 1.2 < trips(runs["storescu-nodelay"]) < trips(runs["storescu"])
    assert trips(runs["orthanc"]) > 1.2
    assert trips(runs["orthanc-http"]) > 1
    for run in runs.values():
        assert run.up_bytes > run.object_bytes
        assert 0 < run.cpu_near < 10
        assert run.share < 0.1


def test_several_associations_share_the_round_trips(work: Path) -> None:
    run = measured("direct", 40, work)
    assert run.up_bytes > run.object_bytes
    assert trips(run) < 0.8


def test_through_a_hub_nothing_waits_for_a_round_trip(work: Path) -> None:
    run = measured("hub", 60, work)
    # The connection was up, its window grows, the receipts come back: a few round trips for all together.
    assert trips(run) < 0.3
    assert run.up_bytes < run.object_bytes, "records are compressed"
    assert run.stored_seconds >= run.seconds


def test_a_record_passes_images(work: Path) -> None:
    (one,) = moments.preemptions(PROFILES["dsl"], 1, 1, work)
    # The images before it need almost three minutes, and congestion control is still looking for the rate.
    assert one.early
    assert one.seconds < 5
