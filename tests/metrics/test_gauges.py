"""Queue, room and links are read when somebody asks."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from gateway.delivery.destination_status import DestinationStatus
from gateway.link_state import LinkMeasures, SiteStatus
from gateway.metrics import Metrics
from gateway.model import DeliveryState, Priority
from gateway.notices import Notices
from gateway.spool import SpoolSummary
from gateway.spool.scrub_values import PassReport, ScrubStatus
from gateway.spool.values import SummaryCell

SUMMARY = SpoolSummary(
    cells=(
        SummaryCell("oncology", DeliveryState.QUEUED, Priority.RECORD, 3, 72_000),
        SummaryCell("oncology", DeliveryState.HELD, Priority.IMAGE, 1, 500_000),
        SummaryCell("oncology", DeliveryState.ACCEPTED, Priority.RECORD, 2, 40_000),
        SummaryCell("oncology", DeliveryState.ACCEPTED, Priority.BULK, 5, 2_000_000),
        SummaryCell("pacs", DeliveryState.CONFIRMED, Priority.BULK, 5, 2_000_000),
    ),
    oldest={"oncology": {Priority.RECORD: 1200.0, Priority.IMAGE: 1000.0}, "pacs": {Priority.BULK: 5000.0}},
    objects=4,
    bytes=572_000,
    disk_free=10_000_000,
    disk_total=20_000_000,
    inodes_free=None,
    room={Priority.RECORD: 9_000_000, Priority.IMAGE: 1_000_000},
)
STATUS = DestinationStatus(
    name="oncology",
    link_state="offline",
    reason="refused",
    since=900.0,
    paused=False,
    in_flight=2,
    claimed=4,
    associations=1,
    circuit="open",
    rtt=None,
    goodput=125_000.0,
    last_success=950.0,
    next_try=1200.0,
)


async def summary() -> SpoolSummary:
    return SUMMARY


async def read() -> dict[tuple[str, ...], float]:
    metrics = Metrics(Notices(), wall_clock=lambda: 1600.0)
    metrics.observe(summary, lambda: [STATUS])
    return {
        (sample.name.removeprefix("dicom_gateway_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families((await metrics.render()).decode())
        for sample in family.samples
    }


async def test_the_queue_by_destination_state_and_priority_with_its_age() -> None:
    values = await read()
    assert values["queue_objects", "oncology", "queued", "record"] == 3
    assert values["queue_bytes", "held", "image", "oncology"] == 500_000
    assert values["queue_unverified_objects", "oncology"] == 7
    assert values["queue_unverified_objects", "pacs"] == 0
    assert values["queue_oldest_seconds", "oncology"] == 600
    assert values["queue_oldest_due_seconds", "oncology"] == 600
    assert values["queue_oldest_seconds", "pacs"] == 0  # the clock was set back


async def test_the_room_in_the_spool() -> None:
    values = await read()
    assert values["spool_objects",] == 4
    assert values["spool_bytes",] == 572_000
    assert values["spool_disk_free_bytes",] == 10_000_000
    assert values["spool_room_bytes", "record"] == 9_000_000
    assert values["spool_room_bytes", "image"] == 1_000_000
    assert ("spool_inodes_free",) not in values


async def test_the_links() -> None:
    values = await read()
    assert values["link_state", "offline", "oncology"] == 1
    assert values["link_state", "oncology", "online"] == 0
    assert values["link_goodput_bytes_per_second", "oncology"] == 125_000
    assert values["link_circuit_open", "oncology"] == 1
    assert values["link_objects_in_flight", "oncology"] == 2
    assert ("link_rtt_seconds", "oncology") not in values


async def test_the_check_of_the_store() -> None:
    metrics = Metrics(Notices())
    last = PassReport("requested", 10.0, 20.0, objects=7, damaged=2, journal_faults=1)
    current = PassReport(started_at=30.0, bytes=500)
    status = ScrubStatus(True, current, 9_000, 10.0, last, None, ())
    metrics.observe(summary, lambda: [STATUS], lambda: status)
    text = (await metrics.render()).decode()
    for line in (
        "scrub_running 1.0",
        "scrub_bytes 500.0",
        "scrub_total_bytes 9000.0",
        "scrub_last_end_timestamp_seconds 20.0",
        "scrub_last_objects 7.0",
        "scrub_last_journal_faults 1.0",
        'scrub_last_found{what="damaged"} 2.0',
        'scrub_last_found{what="missing"} 0.0',
    ):
        assert f"dicom_gateway_{line}" in text


async def test_before_anything_is_observed_there_are_no_gauges() -> None:
    text = (await Metrics(Notices()).render()).decode()
    assert "queue_objects" not in text
    assert "dicom_gateway_associations_open" in text


class Ways:
    """What a gateway would have measured."""

    def measures(self, peer: str) -> LinkMeasures | None:
        return LinkMeasures(loss=0.01, retransmitted=4096, ratio=2.5) if peer == "oncology" else None

    def rate_cap(self, peer: str) -> int | None:
        return 50_000 if peer == "oncology" else None

    def sites(self) -> list[SiteStatus]:
        return [
            SiteStatus("clinic-07", True, 1000.0, 1500.0, objects=5, bytes=100, queued=2, oldest=1540.0),
            SiteStatus("clinic-08", False, None, None),
        ]


async def test_what_was_measured_of_the_links_and_what_is_held_back() -> None:
    status = replace(STATUS, link_state="online", circuit="closed", throughput=90_000.0, most=Priority.IMAGE)
    metrics = Metrics(Notices(), wall_clock=lambda: 1600.0)
    metrics.observe(summary, lambda: [status, replace(status, name="pacs")], ways=Ways())
    text = (await metrics.render()).decode()
    held = replace(status, most=Priority.RECORD)
    metrics.observe(summary, lambda: [held, replace(status, name="pacs")], ways=Ways())
    assert 'queue_oldest_due_seconds{destination="oncology"} 400.0' in (await metrics.render()).decode()
    for line in (
        'link_loss_ratio{destination="oncology"} 0.01',
        'link_retransmitted_bytes_total{destination="oncology"} 4096.0',
        'link_compression_ratio{destination="oncology"} 2.5',
        'link_throughput_bytes_per_second{destination="pacs"} 90000.0',
        'link_rate_cap_bytes_per_second{destination="oncology"} 50000.0',
        'link_held_back{destination="oncology",priority="bulk"} 1.0',
        'link_held_back{destination="oncology",priority="image"} 0.0',
        'queue_eta_seconds{destination="oncology"} 0.8',
        'site_connected{site="clinic-07"} 1.0',
        'site_connected{site="clinic-08"} 0.0',
        'site_received_objects_total{site="clinic-07"} 5.0',
        'site_queue_objects{site="clinic-07"} 2.0',
        'site_queue_oldest_seconds{site="clinic-07"} 60.0',
    ):
        assert f"dicom_gateway_{line}" in text
    assert 'link_loss_ratio{destination="pacs"}' not in text  # not measured is not 0
    assert 'queue_eta_seconds{destination="pacs"}' not in text  # nothing waits
    assert 'site_queue_objects{site="clinic-08"}' not in text


async def test_a_gateway_without_sites_has_no_metrics_of_sites() -> None:
    assert not any(name.startswith("site_") for name, *_ in await read())
