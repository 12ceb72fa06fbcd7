"""What is read when somebody asks: the queue, the room in the spool, the links."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.delivery.destination_status import DestinationStatus
from gateway.link_state import NoWays, WaysView
from gateway.metrics import ways
from gateway.model import DeliveryState, Priority
from gateway.spool import SpoolSummary
from gateway.spool.scrub_values import ScrubStatus

_LINK_STATES = ("unknown", "online", "degraded", "offline")


class Gauges(Collector):
    """Renders the latest summary of the spool and status of the destinations."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._summary: SpoolSummary | None = None
        self._status: Sequence[DestinationStatus] = ()
        self._scrub: ScrubStatus | None = None
        self._ways: WaysView = NoWays()

    def update(
        self,
        summary: SpoolSummary,
        status: Sequence[DestinationStatus],
        scrub: ScrubStatus | None = None,
        view: WaysView | None = None,
    ) -> None:
        """Take what is to be rendered from now on."""
        self._summary, self._status, self._scrub = summary, status, scrub
        self._ways = view or NoWays()

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges; nothing before the first update."""
        if self._summary is not None:
            yield from self._queue(self._summary)
            yield from _spool(self._summary)
        yield from _store_check(self._scrub)
        yield from _links(self._status)
        yield from ways.links(self._status, self._summary, self._ways)
        yield from ways.sites(self._ways.sites(), self._wall_clock())

    def _queue(self, summary: SpoolSummary) -> Iterator[GaugeMetricFamily]:
        labels = ["destination", "state", "priority"]
        objects = _gauge(
            "queue_objects", "Deliveries by state; an object counts once per destination.", labels
        )
        amount = _gauge("queue_bytes", "Their bytes.", labels)
        for cell in summary.cells:
            values = [cell.destination, cell.state.value, cell.priority.label]
            objects.add_metric(values, cell.count)
            amount.add_metric(values, cell.bytes)
        unverified = _gauge(
            "queue_unverified_objects",
            "Accepted, not verified: nothing proves yet that the destination keeps them.",
            ["destination"],
        )
        for name in sorted({cell.destination for cell in summary.cells}):
            unverified.add_metric([name], summary.count(DeliveryState.ACCEPTED, destination=name))
        oldest = _gauge(
            "queue_oldest_seconds", "Age of the oldest object not delivered yet.", ["destination"]
        )
        now = self._wall_clock()
        due = _gauge("queue_oldest_due_seconds", "The same, without what is held back.", ["destination"])
        most = {one.name: one.most for one in self._status}
        for destination in summary.oldest:
            for gauge, priority in ((oldest, Priority.BULK), (due, most.get(destination, Priority.BULK))):
                received_at = summary.oldest_of(destination, priority)
                if received_at is not None:
                    # A clock that was set back must not make an age negative.
                    gauge.add_metric([destination], max(now - received_at, 0.0))
        yield from (objects, amount, unverified, oldest, due)


def _spool(summary: SpoolSummary) -> Iterator[GaugeMetricFamily]:
    for name, words, value in (
        ("spool_objects", "Objects whose bytes are kept.", summary.objects),
        ("spool_bytes", "Bytes they take.", summary.bytes),
        ("spool_disk_free_bytes", "Free bytes of the file system.", summary.disk_free),
        ("spool_disk_bytes", "Size of the file system.", summary.disk_total),
        ("spool_inodes_free", "Free inodes, where their number is fixed.", summary.inodes_free),
    ):
        if value is not None:
            yield GaugeMetricFamily(f"dicom_gateway_{name}", words, value)
    room = _gauge("spool_room_bytes", "Bytes that objects of this priority may still use.", ["priority"])
    for priority, left in summary.room.items():
        room.add_metric([priority.label], left)
    yield room


def _store_check(scrub: ScrubStatus | None) -> Iterator[GaugeMetricFamily]:
    """How far the check of the store is, and what the last whole one found; no value before there was one."""
    current = scrub.current if scrub is not None else None
    last = scrub.last if scrub is not None else None
    total = scrub.total_bytes if scrub is not None and current is not None else 0
    values: tuple[tuple[str, str, float | None], ...] = (
        ("scrub_running", "1 while the store is being checked.", float(current is not None)),
        ("scrub_bytes", "Bytes read by the check that goes on.", current.bytes if current else 0),
        ("scrub_total_bytes", "Bytes that it has to read.", total),
        (
            "scrub_last_end_timestamp_seconds",
            "When the last whole check ended.",
            last.ended_at if last else None,
        ),
        ("scrub_last_objects", "Objects that it read.", last.objects if last else None),
        (
            "scrub_last_journal_faults",
            "Faults of the journal that it found.",
            last.journal_faults if last else None,
        ),
    )
    for name, words, value in values:
        gauge = _gauge(name, words, [])
        if value is not None:
            gauge.add_metric([], value)
        yield gauge
    found = _gauge("scrub_last_found", "Objects that it found not to be as received.", ["what"])
    if last is not None:
        for what in ("damaged", "missing", "unreadable"):
            found.add_metric([what], getattr(last, what))
    yield found


def _links(status: Sequence[DestinationStatus]) -> Iterator[GaugeMetricFamily]:
    state = _gauge("link_state", "1 for the state the link is in.", ["destination", "state"])
    for one in status:
        for name in _LINK_STATES:
            state.add_metric([one.name, name], float(one.link_state == name))
    yield state
    per_destination: tuple[tuple[str, str, Callable[[DestinationStatus], float | None]], ...] = (
        ("link_rtt_seconds", "Measured round trip time.", lambda one: one.rtt),
        ("link_goodput_bytes_per_second", "Measured, of one association.", lambda one: one.goodput),
        ("link_last_success_timestamp_seconds", "When something last worked.", lambda one: one.last_success),
        ("link_paused", "1 when an operator has stopped deliveries.", lambda one: one.paused),
        ("link_circuit_open", "1 when the destination is left alone for a while.", _circuit_open),
        ("link_objects_in_flight", "Objects being sent.", lambda one: one.in_flight),
        ("link_associations", "Associations at work.", lambda one: one.associations),
    )
    for name, words, read in per_destination:
        gauge = _gauge(name, words, ["destination"])
        for one in status:
            value = read(one)
            if value is not None:
                gauge.add_metric([one.name], float(value))
        yield gauge


def _circuit_open(status: DestinationStatus) -> float:
    return float(status.circuit != "closed")


def _gauge(name: str, words: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"dicom_gateway_{name}", words, labels=labels)
