"""What was measured of the ways, what is held back on them, and how the sites of a hub stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from gateway.delivery.destination_status import DestinationStatus
from gateway.delivery.eta import eta
from gateway.link_state import UNMEASURED, LinkMeasures, SiteStatus, WaysView
from gateway.model import DeliveryState, Priority
from gateway.spool import SpoolSummary

_WAITING = (DeliveryState.QUEUED, DeliveryState.SENDING)


def links(
    status: Sequence[DestinationStatus], summary: SpoolSummary | None, ways: WaysView
) -> Iterator[Metric]:
    """Yield what there is of each destination; no value where nothing was measured."""
    known = {one.name: ways.measures(one.name) or UNMEASURED for one in status}
    caps = {one.name: ways.rate_cap(one.name) for one in status}
    measured: tuple[tuple[str, str, Callable[[LinkMeasures], float | None]], ...] = (
        ("link_loss_ratio", "Part of the TCP segments of the last hour sent again.", lambda one: one.loss),
        ("link_compression_ratio", "Bytes of objects per byte sent for them.", lambda one: one.ratio),
    )
    for name, words, read in measured:
        yield _gauge(name, words, "destination", {peer: read(one) for peer, one in known.items()})
    again = CounterMetricFamily(
        "dicom_gateway_link_retransmitted_bytes", "Sent again since the start.", labels=["destination"]
    )
    for peer, one in known.items():
        if one.retransmitted is not None:
            again.add_metric([peer], one.retransmitted)
    yield again
    yield _gauge(
        "link_throughput_bytes_per_second",
        "Bytes of objects per second while there is something to send, all associations together.",
        "destination",
        {one.name: one.throughput for one in status},
    )
    yield _gauge(
        "link_rate_cap_bytes_per_second",
        "What the schedule allows now; none without a cap.",
        "destination",
        caps,
    )
    held = GaugeMetricFamily(
        "dicom_gateway_link_held_back",
        "1 while objects of this priority wait for the schedule or for the next month's data.",
        labels=["destination", "priority"],
    )
    for destination in status:
        for priority in Priority:
            held.add_metric([destination.name, priority.label], float(priority > destination.most))
    yield held
    if summary is not None:
        yield _gauge(
            "queue_eta_seconds",
            "Until all that may leave now has left, as it goes now.",
            "destination",
            {one.name: eta(one, _waiting(summary, one.name), caps[one.name]) for one in status},
        )


def _waiting(summary: SpoolSummary, destination: str) -> dict[Priority, int]:
    return {
        priority: sum(
            cell.bytes
            for cell in summary.cells
            if cell.destination == destination and cell.priority is priority and cell.state in _WAITING
        )
        for priority in Priority
    }


def sites(status: Sequence[SiteStatus], now: float) -> Iterator[Metric]:
    """Yield how the sites of a hub stand; nothing where there are none."""
    if not status:
        return
    gauges: tuple[tuple[str, str, Callable[[SiteStatus], float | None]], ...] = (
        ("site_connected", "1 while the link of the site is up.", lambda one: one.connected),
        ("site_last_contact_timestamp_seconds", "When something last came.", lambda one: one.last_contact),
        ("site_rtt_seconds", "Measured round trip time.", lambda one: one.measures.rtt),
        ("site_loss_ratio", "Part of the TCP segments sent again.", lambda one: one.measures.loss),
        ("site_compression_ratio", "Bytes of objects per byte that came.", lambda one: one.measures.ratio),
        ("site_receive_bytes_per_second", "Bytes of objects, over the last minute.", lambda one: one.rate),
        ("site_receiving_objects", "Objects that have begun to arrive.", lambda one: one.receiving),
        ("site_partial_bytes", "Of those, kept here.", lambda one: one.partial_bytes),
        ("site_queue_objects", "Objects that wait at the site, as it says.", lambda one: one.queued),
        ("site_queue_bytes", "Their bytes.", lambda one: one.queued_bytes),
        (
            "site_queue_oldest_seconds",
            "Age of the oldest of them.",
            lambda one: None if one.oldest is None else max(0.0, now - one.oldest),
        ),
    )
    for name, words, read in gauges:
        yield _gauge(name, words, "site", {one.name: read(one) for one in status})
    counts: tuple[tuple[str, str, Callable[[SiteStatus], int]], ...] = (
        ("site_received_objects", "Objects that came from the site.", lambda one: one.objects),
        ("site_received_bytes", "Their bytes.", lambda one: one.bytes),
    )
    for name, words, count in counts:
        counted = CounterMetricFamily(f"dicom_gateway_{name}", words, labels=["site"])
        for one in status:
            counted.add_metric([one.name], float(count(one)))
        yield counted


def _gauge(name: str, words: str, label: str, values: Mapping[str, float | None]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"dicom_gateway_{name}", words, labels=[label])
    for key, value in values.items():
        if value is not None:
            gauge.add_metric([key], float(value))
    return gauge
