"""What the alerts see: the gateway's status and certificates, and this machine's clock."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from gateway.admin.alerts.rules import CertificateEnd, ClockState, Seen
from gateway.admin.gateway_client import GatewayClient
from gateway.operator.client import ApiProblem, DaemonUnreachable
from gateway.operator.facts import DeliveryPage, DestinationFacts, Status

_CERTIFICATES_EVERY = 3600.0  # seconds: certificates do not end between two looks


class GatewayEyes:
    """Looks through the operator API."""

    def __init__(
        self,
        gateway: GatewayClient,
        *,
        certificates: Callable[[], Awaitable[Sequence[CertificateEnd]]] | None = None,
        clock: Callable[[], Awaitable[ClockState | None]] | None = None,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`certificates` may raise DaemonUnreachable or ApiProblem: what was known then stays."""
        self._gateway = gateway
        self._read_certificates = certificates
        self._read_clock = clock
        self._wall_clock = wall_clock
        self._monotonic = monotonic
        self._answered = monotonic()
        self._certificates: Sequence[CertificateEnd] = ()
        self._certificates_at: float | None = None

    async def look(self) -> Seen:
        """Look once."""
        clock = await self._read_clock() if self._read_clock else None
        try:
            status = await self._gateway.get(Status, "/v1/status")
            oldest = {one.name: at for one in status.destinations if (at := await self._oldest(one))}
            await self._look_at_certificates()
        except (DaemonUnreachable, ApiProblem):
            return Seen(
                now=self._wall_clock(),
                status=None,
                silent_for=self._monotonic() - self._answered,
                certificates=self._certificates,
                clock=clock,
            )
        self._answered = self._monotonic()
        return Seen(
            now=self._wall_clock(),
            status=status,
            oldest_records=oldest,
            certificates=self._certificates,
            clock=clock,
        )

    async def _oldest(self, destination: DestinationFacts) -> float | None:
        """Return when the oldest record was received that has not reached `destination`."""
        if not destination.waiting.record.count:
            return None
        found: list[float] = []
        for state in ("queued", "sending"):
            page = await self._gateway.get(
                DeliveryPage,
                "/v1/deliveries",
                destination=destination.name,
                state=state,
                priority="record",
                limit=1,
            )
            found += [delivery.received_at for delivery in page.deliveries]
        return min(found, default=None)

    async def _look_at_certificates(self) -> None:
        now = self._monotonic()
        if self._read_certificates is None:
            return
        if self._certificates_at is None or now - self._certificates_at >= _CERTIFICATES_EVERY:
            self._certificates = await self._read_certificates()
            self._certificates_at = now
