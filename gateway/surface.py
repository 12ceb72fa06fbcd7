"""The operator surface, built as one: the operator API with its sections, the audit trail, the metrics.

A part of the composition: app.py gives it everything that there is to show and to steer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway import settings
from gateway.association.way import Way
from gateway.audit.trail import AuditTrail
from gateway.certificates.room import CertificateRoom
from gateway.config.schema import Config
from gateway.configuring.keeper import Keeper
from gateway.delivery.capabilities import Capabilities
from gateway.delivery.engine import DeliveryEngine
from gateway.errands import Errands
from gateway.links import Links
from gateway.listener import Listener
from gateway.logs.ring import LogRing
from gateway.metrics import Metrics, MetricsServer
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.operator.api import OperatorServer
from gateway.operator.contact_book import ContactBook
from gateway.operator.gateway_control import GatewayControl, Identity
from gateway.operator.peer_view import PeerView
from gateway.operator.record_list import RecordList
from gateway.operator.section import Section
from gateway.operator.sections.audit import AuditSection
from gateway.operator.sections.certificates import CertificatesSection
from gateway.operator.sections.configuration import ConfigurationSection
from gateway.operator.sections.logs import LogsSection
from gateway.operator.sections.peers import PeersSection
from gateway.operator.sections.queue import QueueSection
from gateway.operator.sections.records import RecordsSection
from gateway.operator.sections.store_check import StoreCheckSection
from gateway.operator.store_view import StoreView
from gateway.reachability import Reachabilities
from gateway.spool import Spool
from gateway.spool.scrub import Scrub


@dataclass(frozen=True, kw_only=True)
class Surface:
    """What shows and steers a gateway. `start` opens it to people, `undo` of it closes it again."""

    config: Config
    own_ae: AETitle
    peers: Mapping[str, Peer]  # by name, consoles too
    destinations: Sequence[str]  # the peers that objects are delivered to
    spool: Spool
    engine: DeliveryEngine
    listeners: Sequence[Listener]
    notices: Notices
    reachabilities: Reachabilities
    capabilities: Capabilities
    links: Links
    errands: Errands
    keeper: Keeper
    log_ring: LogRing
    metrics: Metrics
    scrub: Scrub
    way_to: Callable[[Peer], Way]  # how the gateway itself reaches a peer
    warm: Callable[[str], int]  # idle associations that the relay keeps to a peer

    async def start(self, undo: AsyncExitStack) -> None:
        """Open the operator's socket and, when configured, the port of the metrics. Raises GatewayError."""
        config = self.config
        control = GatewayControl(
            Identity(config.gateway.name, config.gateway.ae_title, time.time()),
            spool=self.spool,
            engine=self.engine,
            peers=self.peers,
            listeners=self.listeners,
            notices=self.notices,
            render_metrics=self.metrics.render,
            timeouts=settings.requestor_timeouts(config),
            errands=self.errands,
            way_to=self.way_to,
            ways=self.links,
        )
        undo.push_async_callback(control.close)
        trail = AuditTrail(config.gateway.state_dir / "audit", settings.audit_limits(config), self.notices)
        await trail.open()
        undo.push_async_callback(trail.close)
        operator = OperatorServer(
            control,
            config.operator.socket,
            mode=config.operator.mode,
            group=config.operator.group,
            sections=await self._sections(control, trail, undo),
        )
        await operator.start()
        undo.push_async_callback(operator.close)
        self.metrics.observe(self.spool.summary, self.engine.status, self.scrub.status, self.links)
        if config.metrics.port is not None:
            metrics_server = MetricsServer(self.metrics, config.metrics.address, config.metrics.port)
            await metrics_server.start()
            undo.push_async_callback(metrics_server.close)

    async def _sections(
        self, control: GatewayControl, trail: AuditTrail, undo: AsyncExitStack
    ) -> list[Section]:
        state_dir = self.config.gateway.state_dir
        return [
            AuditSection(trail),
            ConfigurationSection(self.keeper),
            LogsSection(self.log_ring),
            QueueSection(control.browsing),
            PeersSection(self._peer_view(undo)),
            CertificatesSection(CertificateRoom(state_dir, settings.certificate_uses(self.config))),
            RecordsSection(RecordList(self.spool)),
            StoreCheckSection(StoreView(self.scrub)),
            *await self.links.sections(undo),
        ]

    def _peer_view(self, undo: AsyncExitStack) -> PeerView:
        book = ContactBook(self.notices, self.peers, time.time)
        undo.callback(book.close)
        return PeerView(
            book,
            own_titles=[self.own_ae, *(peer.calling_ae for peer in self.peers.values() if peer.calling_ae)],
            own_ae=self.own_ae,
            peers=self.peers,
            destinations=self.destinations,
            routes=settings.routes(self.config),
            listeners=self.listeners,
            reachabilities=self.reachabilities,
            capabilities=self.capabilities,
            warm=self.warm,
        )
