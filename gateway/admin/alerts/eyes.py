"""What the alerts see: the gateway's status and certificates, and this machine's clock.

Certificates and clock change slowly and cost a process each to look at, so they are looked at seldom.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from gateway.admin.alerts.rules import CertificateEnd, ClockState, Seen
from gateway.admin.gateway_client import GatewayClient
from gateway.health import clock
from gateway.health.machine import Machine
from gateway.operator.certificate_facts import CertificateFacts, Certificates
from gateway.operator.client import ApiProblem, DaemonUnreachable
from gateway.operator.facts import DeliveryPage, PriorityName, Status

_CERTIFICATES_EVERY = 3600.0  # seconds
_CLOCK_EVERY = 300.0
_NO_CLOCK_BEFORE = 600.0  # after the machine's start: a time service takes its time


class GatewayEyes:
    """Looks through the operator API."""

    def __init__(
        self,
        gateway: GatewayClient,
        *,
        read_clock: Callable[[], ClockState | None] | None = None,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read_clock` may block; it is called in a thread."""
        self._gateway = gateway
        self._read_clock = read_clock or clock_state
        self._wall_clock = wall_clock
        self._monotonic = monotonic
        self._answered = monotonic()
        self._certificates: Sequence[CertificateEnd] = ()
        self._certificates_at: float | None = None
        self._clock: ClockState | None = None
        self._clock_at: float | None = None

    async def look(self) -> Seen:
        """Look once."""
        await self._look_at_the_clock()
        try:
            status = await self._gateway.get(Status, "/v1/status")
            records = await self._oldest(status, "record")
            others = await self._oldest(status, "image", "bulk")
            await self._look_at_certificates()
        except (DaemonUnreachable, ApiProblem):
            return Seen(
                now=self._wall_clock(),
                status=None,
                silent_for=self._monotonic() - self._answered,
                certificates=self._certificates,
                clock=self._clock,
            )
        self._answered = self._monotonic()
        return Seen(
            now=self._wall_clock(),
            status=status,
            oldest_records=records,
            oldest_others=others,
            certificates=self._certificates,
            clock=self._clock,
        )

    async def _oldest(self, status: Status, *priorities: PriorityName) -> dict[str, float]:
        """Return when the oldest was received that has not reached its destination, by destination."""
        found: dict[str, float] = {}
        for destination in status.destinations:
            waiting = destination.waiting
            counts = {"record": waiting.record, "image": waiting.image, "bulk": waiting.bulk}
            for priority in priorities:
                # What waits for the month's data or its hour is meant to: nobody is to be woken for it.
                if counts[priority].count and destination.lets(priority):
                    for at in await self._received(destination.name, priority):
                        found[destination.name] = min(at, found.get(destination.name, at))
        return found

    async def _received(self, destination: str, priority: PriorityName) -> list[float]:
        """Return when the oldest of those that wait, and of those under way, were received."""
        found: list[float] = []
        for state in ("queued", "sending"):
            page = await self._gateway.get(
                DeliveryPage,
                "/v1/deliveries",
                destination=destination,
                state=state,
                priority=priority,
                limit=1,
            )
            found += [delivery.received_at for delivery in page.deliveries]
        return found

    async def _look_at_certificates(self) -> None:
        now = self._monotonic()
        if self._certificates_at is None or now - self._certificates_at >= _CERTIFICATES_EVERY:
            self._certificates_at = now
            # A gateway that answers and cannot tell this is not silent; what was known stays.
            with contextlib.suppress(ApiProblem):
                self._certificates = ends(await self._gateway.get(Certificates, "/v1/certificates"))

    async def _look_at_the_clock(self) -> None:
        now = self._monotonic()
        if self._clock_at is None or now - self._clock_at >= _CLOCK_EVERY:
            self._clock = await asyncio.to_thread(self._read_clock)
            self._clock_at = now


def ends(known: Certificates) -> tuple[CertificateEnd, ...]:
    """Return when each certificate that the configuration uses ends: ours, and those we trust."""
    found: dict[str, CertificateEnd] = {}
    for used in known.used:
        for one in (*used.chain, *used.authorities):
            found.setdefault(one.sha256, CertificateEnd(_name(one), one.not_after))
    return tuple(found.values())


def _name(certificate: CertificateFacts) -> str:
    return certificate.common_name or certificate.subject or certificate.sha256[:16]


def clock_state(machine: Machine | None = None) -> ClockState | None:
    """Return what is known of this machine's clock; None: not known yet. Blocking."""
    machine = machine or Machine()
    read = clock.read(machine)
    up = machine.text("/proc/uptime")
    if not read.trusted and up and float(up.split()[0]) < _NO_CLOCK_BEFORE:
        return None
    return ClockState(read.trusted, read.offset)
