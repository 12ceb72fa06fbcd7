"""What is counted as it happens, from notices alone."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

from gateway import __version__
from gateway.delivery.destination_status import DestinationStatus
from gateway.dicom import sop_classes
from gateway.link_state import NoWays, WaysView
from gateway.metrics.gauges import Gauges
from gateway.metrics.labels import Bounded, SopClassLabel
from gateway.notices import (
    Alarm,
    AssociationClosed,
    AssociationOpened,
    AssociationRefused,
    CommitmentAnswered,
    CommitmentReported,
    CommitmentRequested,
    ConnectionRefused,
    DeliverySettled,
    Notice,
    Notices,
    ObjectRefused,
    ObjectStored,
    RelayBroken,
    RelayOpened,
    RelayRefused,
    StepSettled,
    UpsGuarded,
)
from gateway.spool import SpoolSummary
from gateway.spool.scrub_values import ScrubStatus

# Every series would come twice, with a "_created" that nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations

_ASSOCIATION_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 1800)
_STORE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
_DELIVERY_SECONDS = (0.05, 0.1, 0.5, 1, 2.5, 5, 15, 60, 300, 1800)
_RELAY_SECONDS = (0.001, 0.01, 0.05, 0.25, 1, 2.5, 5, 10)
_OBJECT_BYTES = (4e3, 16e3, 65536, 262144, 1e6, 4e6, 16e6, 64e6, 256e6, 1e9)


class Metrics:
    """All metrics of one gateway, in a registry of its own."""

    def __init__(self, notices: Notices, *, wall_clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self._wall_clock = wall_clock
        self._gauges = Gauges(wall_clock)
        self._summary: Callable[[], Awaitable[SpoolSummary]] | None = None
        self._status: Callable[[], Sequence[DestinationStatus]] = tuple
        self._scrub: Callable[[], ScrubStatus] | None = None
        self._sop_class = SopClassLabel()
        self._place = Bounded()  # listeners and destinations: as many as are configured
        self._word = Bounded()  # outcomes, statuses, alarm codes
        self._make()
        self.registry.register(self._gauges)
        ProcessCollector(registry=self.registry)
        notices.subscribe(self._on_notice)

    def observe(
        self,
        summary: Callable[[], Awaitable[SpoolSummary]],
        status: Callable[[], Sequence[DestinationStatus]],
        scrub: Callable[[], ScrubStatus] | None = None,
        ways: WaysView | None = None,
    ) -> None:
        """From now on, read the queue, the links and the scrub from these whenever somebody asks."""
        self._summary, self._status, self._scrub = summary, status, scrub
        self._ways = ways or NoWays()

    async def render(self) -> bytes:
        """Return everything in the Prometheus text format 0.0.4."""
        if self._summary is not None:
            scrub = self._scrub() if self._scrub is not None else None
            self._gauges.update(await self._summary(), self._status(), scrub, self._ways)
        return generate_latest(self.registry)

    def _make(self) -> None:
        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"dicom_gateway_{name}", words, labels, registry=self.registry)

        def histogram(name: str, words: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"dicom_gateway_{name}", words, labels, buckets=buckets, registry=self.registry)

        build = Gauge("dicom_gateway_build_info", "Always 1.", ["version"], registry=self.registry)
        build.labels(__version__).set(1)
        self._connections_refused = counter(
            "connections_refused", "Connections ended before an association was asked for.", "listener"
        )
        self._associations = counter(
            "associations", "Associations that ended, or were refused.", "direction", "outcome"
        )
        self._open = Gauge(
            "dicom_gateway_associations_open", "Associations now.", ["direction"], registry=self.registry
        )
        for direction in ("in", "out"):
            self._open.labels(direction).set(0)
        self._association_seconds = histogram(
            "association_seconds", "Length of associations.", _ASSOCIATION_SECONDS, "direction"
        )
        self._association_bytes = counter(
            "association_bytes", "Bytes on associations, when they end.", "direction", "flow"
        )
        self._received = counter(
            "objects_received", "Objects offered to us.", "outcome", "priority", "sop_class"
        )
        self._received_bytes = counter("objects_received_bytes", "Bytes of stored objects.", "priority")
        self._received_size = histogram("object_bytes", "Sizes of stored objects.", _OBJECT_BYTES, "priority")
        self._store_seconds = histogram(
            "object_store_seconds", "First byte to durable.", _STORE_SECONDS, "priority"
        )
        self._refusals = counter("objects_refused", "Failure statuses we answered.", "status")
        self._deliveries = counter(
            "deliveries", "Attempts to deliver that came to an end.", "destination", "outcome", "priority"
        )
        self._delivered = counter(
            "objects_delivered", "Objects that a destination accepted.", "destination", "sop_class"
        )
        self._delivered_bytes = counter("objects_delivered_bytes", "Their bytes.", "destination")
        self._delivery_seconds = histogram(
            "delivery_seconds", "First byte sent to the answer.", _DELIVERY_SECONDS, "destination"
        )
        self._statuses = counter(
            "delivery_statuses", "DIMSE statuses that destinations answered.", "destination", "status"
        )
        self._alarms = counter("alarms", "Alarms raised.", "code")
        self._relays = counter(
            "relays", "Callers that were, or were not, connected with a far end.", "peer", "outcome"
        )
        self._unanswered = counter(
            "relay_unanswered", "Requests that got a failure because the far end was lost.", "peer"
        )
        self._relay_seconds = histogram(
            "relay_connect_seconds", "A caller's wait for the far end.", _RELAY_SECONDS, "peer"
        )
        self._guarded = counter(
            "ups_guarded", "UPS completions that had to wait for records, or were refused.", "outcome"
        )
        self._commitments = counter(
            "commitments", "Storage commitment: requested by consoles, reported to them.", "step", "outcome"
        )
        self._committed = counter(
            "commitment_instances",
            "Objects that destinations committed or were found there, or not; kept-other is part of failed.",
            "outcome",
        )
        self._steps = counter(
            "procedure_steps", "Tries to pass on a queued procedure step.", "destination", "outcome"
        )

    def _on_notice(self, notice: Notice) -> None:
        match notice:
            case ConnectionRefused():
                self._connections_refused.labels(self._place(notice.listener)).inc()
            case AssociationRefused():
                self._associations.labels(_direction(notice.inbound), "refused").inc()
            case AssociationOpened():
                self._open.labels(_direction(notice.inbound)).inc()
            case AssociationClosed():
                self._on_closed(notice)
            case ObjectStored():
                self._on_stored(notice)
            case ObjectRefused():
                priority = sop_classes.default_priority(notice.sop_class_uid).label
                self._received.labels("refused", priority, self._sop_class(notice.sop_class_uid)).inc()
                self._refusals.labels(self._word(f"0x{notice.status:04X}")).inc()
            case DeliverySettled():
                self._on_settled(notice)
            case Alarm():
                self._alarms.labels(self._word(notice.code)).inc()
            case _:
                self._on_conversation(notice)

    def _on_conversation(self, notice: Notice) -> None:
        match notice:
            case RelayOpened():
                peer = self._place(notice.peer)
                self._relays.labels(peer, "warm" if notice.warm else "opened").inc()
                self._relay_seconds.labels(peer).observe(notice.seconds)
            case RelayRefused():
                self._relays.labels(self._place(notice.peer), "refused").inc()
            case RelayBroken():
                peer = self._place(notice.peer)
                self._relays.labels(peer, "broken").inc()
                self._unanswered.labels(peer).inc(notice.unanswered)
            case UpsGuarded():
                self._guarded.labels(self._word(notice.outcome)).inc()
            case CommitmentRequested():
                self._commitments.labels("requested", self._word(notice.outcome)).inc()
            case CommitmentReported():
                self._commitments.labels("reported", self._word(notice.outcome)).inc()
            case CommitmentAnswered():
                self._committed.labels("committed").inc(notice.committed)
                self._committed.labels("failed").inc(notice.failed)
                self._committed.labels("undecided").inc(notice.undecided)
                self._committed.labels("kept-other").inc(notice.other)
            case StepSettled():
                self._steps.labels(self._place(notice.destination), self._word(notice.outcome)).inc()

    def _on_closed(self, notice: AssociationClosed) -> None:
        direction = _direction(notice.inbound)
        self._open.labels(direction).dec()
        self._associations.labels(direction, self._word(notice.outcome)).inc()
        self._association_seconds.labels(direction).observe(notice.seconds)
        self._association_bytes.labels(direction, "received").inc(notice.bytes_in)
        self._association_bytes.labels(direction, "sent").inc(notice.bytes_out)

    def _on_stored(self, notice: ObjectStored) -> None:
        priority, sop_class = self._word(notice.priority), self._sop_class(notice.sop_class_uid)
        self._received.labels(self._word(notice.outcome), priority, sop_class).inc()
        self._received_bytes.labels(priority).inc(notice.size)
        self._received_size.labels(priority).observe(notice.size)
        self._store_seconds.labels(priority).observe(notice.seconds)

    def _on_settled(self, notice: DeliverySettled) -> None:
        destination = self._place(notice.destination)
        priority = self._word(notice.priority)
        self._deliveries.labels(destination, self._word(notice.outcome), priority).inc()
        if notice.status is not None:
            self._statuses.labels(destination, self._word(f"0x{notice.status:04X}")).inc()
        if notice.outcome == "accepted":
            self._delivered.labels(destination, self._sop_class(notice.sop_class_uid)).inc()
            self._delivered_bytes.labels(destination).inc(notice.size)
            self._delivery_seconds.labels(destination).observe(notice.seconds)


def _direction(inbound: bool) -> str:
    return "in" if inbound else "out"
