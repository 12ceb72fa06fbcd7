"""The composition root: the only file that builds things. It reads as the main flow.

    config -> spool -> storage, commitment and procedure step services -> listeners, streams of links
                    -> couriers with their transports, and who else works from the journal
           -> the ways to others: dialled, or over a link
           -> relay: far ends for whatever is not served here
           -> log, metrics, operator API, which only look on

Order of start: what keeps objects first, what takes objects last. Order of stop: the reverse.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gateway import __version__, chores, settings, systemd
from gateway.association.lost_twice import is_lost_twice
from gateway.association.tls import ClientContexts
from gateway.association.way import Ways
from gateway.commitment.engine import CommitmentEngine
from gateway.config.schema import Config
from gateway.configuring.keeper import Keeper
from gateway.configuring.sockets import Inherited
from gateway.configuring.undelivered import undelivered
from gateway.delivery.capabilities import Capabilities
from gateway.delivery.engine import DeliveryEngine, Destination
from gateway.delivery.pauses import Pauses
from gateway.delivery.smaller.compressor import Compressor
from gateway.delivery.transports import Transport
from gateway.delivery.transports.dicom import DicomTransport
from gateway.delivery.transports.stow import StowTransport
from gateway.errands import Errands
from gateway.errors import GatewayError, known
from gateway.link_ends import Surroundings, link_end
from gateway.links import Links
from gateway.listener import Listener
from gateway.logs import LogNotices, setup
from gateway.logs.refusals import RefusalLimits
from gateway.logs.ring import LogRing, RingLimits
from gateway.metrics import Metrics
from gateway.model import Peer
from gateway.notices import Alarm, Notices
from gateway.procedure_steps.engine import StepEngine
from gateway.reachability import Leave, Reachabilities
from gateway.relay.dialer import Dialer
from gateway.routing import Routing, RoutingTable
from gateway.services.commitment import CommitmentResults, CommitmentService
from gateway.services.mpps import ProcedureStepService
from gateway.services.registry import Service, ServiceRegistry
from gateway.services.relay import RelayService
from gateway.services.storage import StorageService
from gateway.services.ups_guard import UpsGuard
from gateway.services.verification import VerificationService
from gateway.shaping.shaper import Shaper
from gateway.spool import Spool
from gateway.spool.scrub import Scrub
from gateway.state_folder import make_state_folder
from gateway.surface import Surface

_log = logging.getLogger(__name__)

_READ_THREADS = 4  # reads of stored objects, and conversions, for all destinations together


class Gateway:
    """A whole gateway in this process: `start`, `wait` until something ends it, `stop`."""

    def __init__(self, config: Config, *, inherited: Mapping[str, list[socket.socket]] | None = None) -> None:
        """`inherited`: listening sockets by listener name, handed over by systemd."""
        self.config = config
        self.notices = Notices()
        self.spool: Spool
        self.engine: DeliveryEngine
        self.listeners: list[Listener] = []
        self.metrics: Metrics
        self.again = asyncio.Event()  # set: to be stopped, and started with what is on the disk then
        self._own_ae = config.gateway.ae_title
        self._peers = settings.peers(config)
        self._destinations = settings.destination_names(config)
        titles = [peer.calling_ae for peer in self._peers.values() if peer.calling_ae]
        self._routing = RoutingTable(settings.routes(config), self._own_ae, titles)
        self._reachabilities = Reachabilities()
        self._errands = Errands()
        self._shaper = Shaper(settings.traffic_schedule(config), wall_clock=time.time)
        self._shaped = settings.shaped_peers(config)
        self._inherited = inherited or {}
        self._cleanup = contextlib.AsyncExitStack()
        self._core: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        """Build everything and begin to work. Raises GatewayError, with nothing left running."""
        async with contextlib.AsyncExitStack() as undo:
            await self._start(undo)
            self._cleanup = undo.pop_all()

    async def _start(self, undo: contextlib.AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        self._watch_for_defects(loop)
        # Those who only look on come first, so that they see everything.
        self._log_ring = LogRing(RingLimits(lines=self.config.log.keep))
        undo.callback(self._log_ring.install())
        self.metrics = Metrics(self.notices)
        refusals = RefusalLimits(per_minute=self.config.log.refusals_per_minute)
        self.notices.subscribe(LogNotices(refusals, call_later=loop.call_later))

        await self._keep(undo)
        await self._connect(undo)
        await self._deliver()
        self._pass_through(undo)
        self._follow_up(undo)
        self._take()
        await self._show(undo)
        await self._begin(undo)

    async def _keep(self, undo: contextlib.AsyncExitStack) -> None:
        """What keeps objects."""
        state_dir = self.config.gateway.state_dir
        await asyncio.to_thread(make_state_folder, state_dir)
        self.spool = await asyncio.to_thread(
            Spool.open, state_dir / "spool", settings.spool_limits(self.config), notices=self.notices
        )
        undo.push_async_callback(self.spool.close)
        self._scrub = Scrub(
            self.spool, self.spool.directory, self.notices, settings.scrub_policy(self.config)
        )
        self._capabilities = await asyncio.to_thread(Capabilities.load, state_dir)
        undo.push_async_callback(self._capabilities.save)

    async def _connect(self, undo: contextlib.AsyncExitStack) -> None:
        """The ways to others: dialled, or over a link."""
        self._executor = ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="delivery")
        undo.callback(self._executor.shutdown, wait=False, cancel_futures=True)
        self._compressor = Compressor()
        undo.push_async_callback(self._compressor.close)
        self._link = await link_end(
            self.config,
            Surroundings(
                config=self.config,
                own_ae=self._own_ae,
                peers=self._peers,
                routing=self._routing,
                spool=self.spool,
                executor=self._executor,
                notices=self.notices,
                link_changed=self._link_changed,
                shaper=self._shaper,
                shaped=self._shaped,
            ),
        )
        undo.push_async_callback(self._link.close)
        self._way_to = Ways(ClientContexts(), self._link.carrier_to).of

    async def _deliver(self) -> None:
        """What delivers them."""
        pauses = await asyncio.to_thread(Pauses.load, self.config.gateway.state_dir)
        peers = [self._peers[name] for name in self._destinations]
        self.engine = DeliveryEngine(
            self.spool,
            [Destination(peer, peer.name in pauses, self._link.policy(peer)) for peer in peers],
            self._transport,
            self.notices,
            settings.delivery_policy(self.config),
            remember_paused=pauses.save,
            reachabilities=self._reachabilities,
        )

    def _pass_through(self, undo: contextlib.AsyncExitStack) -> None:
        """What is relayed while the caller waits."""
        self._dialer = Dialer(
            self._peers,
            own_ae=self._own_ae,
            reachabilities=self._reachabilities,
            way_to=self._way_to,
            notices=self.notices,
            policy=settings.relay_policy(self.config),
        )
        undo.push_async_callback(self._dialer.close)
        self._relay = RelayService(
            self._dialer,
            notices=self.notices,
            inspectors=[UpsGuard(self.spool, self.notices)],
            limits=settings.session_limits(self.config),
        )

    def _follow_up(self, undo: contextlib.AsyncExitStack) -> None:
        """What is worked off from the journal besides objects."""
        leave = Leave(self._reachabilities, time.monotonic)
        timeouts = settings.requestor_timeouts(self.config)
        self._commitment = CommitmentEngine(
            self.spool,
            self._peers,
            self._own_ae,
            self.notices,
            settings.commitment_policy(self.config),
            destinations=self._destinations,
            way_to=self._way_to,
            reachable=leave.ask,
            dialled=leave.tell,
            timeouts=timeouts,
        )
        self._steps = StepEngine(
            self.spool,
            self._peers,
            self._own_ae,
            self.notices,
            settings.step_policy(self.config),
            routing=self._routing,
            way_to=self._way_to,
            timeouts=timeouts,
            reachable=leave.ask,
            report=leave.tell,
        )
        self._links = Links(
            self._peers,
            self._destinations,
            self._own_ae,
            self.notices,
            state_dir=self.config.gateway.state_dir,
            spool=self.spool,
            engine=self.engine,
            reachabilities=self._reachabilities,
            way_to=self._way_to,
            plan=settings.budget_plan(self.config),
            schedule=settings.traffic_schedule(self.config),
            shaper=self._shaper,
            shaped=self._shaped,
            errands=self._errands,
            linked=self._link.linked,
            sites=self._link.sites,
        )
        undo.callback(self._reachabilities.subscribe(self._peer_changed))

    def _peer_changed(self, peer: str, up: bool, reason: str) -> None:
        """Whoever found out that a peer is back, what waits for it need not wait for its own next try."""
        self._commitment.peer_changed(peer, up, reason)
        if up:
            self._steps.kick(peer)
            if peer in self._destinations:
                self.engine.kick(peer)

    def _link_changed(self, via: str, up: bool, reason: str) -> None:
        """What is known of a link is known of all who are reached by it."""
        now, measures = time.monotonic(), self._link.linked(via)
        for name, peer in self._peers.items():
            if peer.via != via:
                continue
            if up:
                self._reachabilities.of(name).succeeded(now)
            else:
                self._reachabilities.of(name).failed(now, reason)
            if name in self._destinations and self._link.policy(peer) is not None:
                if up:
                    self.engine.answered(name, (measures.rtt if measures else None) or 0.0)
                else:
                    self.engine.unreachable(name, reason)

    def _take(self) -> None:
        """What takes objects and requests."""
        commitment_limits = settings.commitment_limits(self.config)
        services: list[Service] = [
            VerificationService(self._dialer.echo),
            CommitmentResults(self._links.inbox.before(self._commitment.take_result), commitment_limits),
            CommitmentService(self.spool, self._commitment, self._peers, commitment_limits),
            ProcedureStepService(self._steps, self.notices, settings.step_limits(self.config)),
            StorageService(self.spool, self._capabilities, notices=self.notices),
        ]

        def registry(routing: Routing) -> ServiceRegistry:
            most = self.config.limits.max_operations
            return ServiceRegistry(routing, services, relaying=self._relay, max_operations=most)

        self._link.serve(registry)
        everybody, limits = registry(self._routing), settings.listener_limits(self.config)
        self.listeners = [
            Listener(one, everybody, notices=self.notices, limits=limits)
            for one in settings.listeners(self.config)
        ]

    async def _show(self, undo: contextlib.AsyncExitStack) -> None:
        """What shows and steers all that."""
        self._keeper = Keeper(
            self.config, self.notices, undelivered=lambda: undelivered(self.spool), restart=self.again.set
        )
        surface = Surface(
            config=self.config,
            own_ae=self._own_ae,
            peers=self._peers,
            destinations=self._destinations,
            spool=self.spool,
            engine=self.engine,
            listeners=self.listeners,
            notices=self.notices,
            reachabilities=self._reachabilities,
            capabilities=self._capabilities,
            links=self._links,
            errands=self._errands,
            keeper=self._keeper,
            log_ring=self._log_ring,
            metrics=self.metrics,
            scrub=self._scrub,
            warm=self._dialer.warm.idle,
            way_to=self._way_to,
        )
        await surface.start(undo)

    async def _begin(self, undo: contextlib.AsyncExitStack) -> None:
        """From here on things happen. The engines are closed before the spool, after the listeners."""
        await chores.tell_orphans(self.spool, self._destinations, self._peers, self.notices)
        self._run_core("delivery", self.engine.run())
        self._run_core("commitment", self._commitment.run())
        self._run_core("procedure steps", self._steps.run())
        undo.push_async_callback(self._end_core)
        for engine in (self.engine, self._commitment, self._steps):
            undo.push_async_callback(engine.close)
        self._run_core("journal", self.spool.wait_failed())
        self._run_core("retention", chores.expire(self.spool, settings.verified_destinations(self.config)))
        self._run_core("scrub", self._scrub.run())
        for listener in self.listeners:
            await listener.start(self._inherited.get(listener.settings.name, ()))
            undo.push_async_callback(listener.close)
        await self._link.start()
        undo.push_async_callback(self._link.turn_away)
        self._run_core("configuration", self._keeper.run())

    async def wait(self) -> None:
        """Return when the gateway can no longer do its work, with the exception that says why."""
        done, _ = await asyncio.wait(self._core, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
        raise GatewayError("a core task ended by itself")

    async def stop(self) -> None:
        """Take nothing new, let what is under way come to its end, and let go of everything."""
        await self._cleanup.aclose()

    def _transport(self, peer: Peer) -> Transport:
        shaper = self._shaper if peer.name in self._shaped else None
        if peer.web is not None:
            return StowTransport(
                peer,
                open_data=self.spool.open_data,
                executor=self._executor,
                policy=settings.delivery_policy(self.config),
                timeouts=settings.requestor_timeouts(self.config),
                shaper=shaper,
            )
        return self._link.transport(peer) or DicomTransport(
            peer,
            calling_ae=peer.calling_ae or self._own_ae,
            open_data=self.spool.open_data,
            capabilities=self._capabilities,
            work_dir=self.config.gateway.state_dir / "work",
            executor=self._executor,
            notices=self.notices,
            policy=settings.delivery_policy(self.config),
            timeouts=settings.requestor_timeouts(self.config),
            shaper=shaper,
            compressor=self._compressor if peer.compress else None,
            way_to=self._way_to,
        )

    def _run_core(self, name: str, work: Coroutine[object, object, None]) -> None:
        self._core.append(asyncio.create_task(work, name=name))

    def _watch_for_defects(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let an exception that nobody expected end the process: recovery is safer than half a gateway.

        Except in what belongs to one connection: that connection is aborted, and no peer, however strange,
        can end the gateway for the others.
        """
        defect: asyncio.Future[None] = loop.create_future()

        def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if is_lost_twice(context):
                return
            _log.error("unexpected: %s", context.get("message"), exc_info=error)
            # The operating system's errors concern one connection or file, and whoever used it was told.
            if not isinstance(error, Exception) or isinstance(error, OSError):
                return
            if context.get("protocol") is not None:
                what = f"an association ended on a defect of the gateway ({type(error).__name__})"
                self.notices.publish(Alarm("defect", f"{what}; please report it, with the log"))
            elif not defect.done():
                defect.set_exception(error)

        loop.set_exception_handler(handler)
        self._core.append(defect)

    async def _end_core(self) -> None:
        for task in self._core:
            task.cancel()
        await asyncio.gather(*self._core, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a gateway came to its end."""

    code: int = 0
    reason: str = ""  # why the code is not 0
    again: bool = False  # it is to start again, with the configuration that is on the disk now
    sockets: tuple[systemd.ActivatedSocket, ...] = ()  # for the next one in this process


async def serve(config: Config, inherited: Inherited) -> Ended:
    """Run a gateway until SIGTERM, SIGINT or a new configuration. Raises what ends it before that."""
    loop = asyncio.get_running_loop()
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    notifier = systemd.Notifier()
    gateway = Gateway(config, inherited=inherited.of(config.listeners))
    sockets: list[systemd.ActivatedSocket] = []
    watchdog = asyncio.ensure_future(_feed_watchdog(notifier))
    try:
        await gateway.start()
        _log.info(
            "gateway %s %s is ready: %s",
            *(config.gateway.name, __version__),
            ", ".join(
                f"{one.settings.name} on {one.settings.address}:{one.port}" for one in gateway.listeners
            ),
        )
        # What was needed to start is not needed to run: give it back, and spare the collector the rest.
        gc.collect()
        gc.freeze()
        notifier.ready("taking objects")
        broken = asyncio.ensure_future(gateway.wait())
        reasons = [asyncio.ensure_future(event.wait()) for event in (told_to_stop, gateway.again)]
        await asyncio.wait([*reasons, broken], return_when=asyncio.FIRST_COMPLETED)
        for waiting in reasons:
            waiting.cancel()
        if broken.done():
            await broken
        broken.cancel()
        if told_to_stop.is_set():
            notifier.stopping("letting what is under way come to its end")
        else:
            notifier.reloading("letting what is under way come to its end, to start anew")
            sockets = inherited.keep((one.settings.name, one.sockets) for one in gateway.listeners)
    finally:
        await gateway.stop()
        watchdog.cancel()
    _log.info("gateway %s has stopped; what is undelivered is safe in the spool", config.gateway.name)
    return Ended(again=not told_to_stop.is_set(), sockets=tuple(sockets))


async def _feed_watchdog(notifier: systemd.Notifier) -> None:
    """A loop that hangs is as bad as a dead one; systemd ends and restarts it."""
    interval = systemd.watchdog_interval()
    while interval is not None:
        notifier.watchdog()
        await asyncio.sleep(interval)


def run(config: Config) -> Ended:
    """Run the daemon in this process, and say how it ended. The log is set up here."""
    setup(config.log)
    # pydicom would load it with the first conversion, only because it is installed: 20 MB for good. What
    # needs it is the compression worker, a process of its own.
    sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]  # None: as if it were not there
    for problem in config.warnings:
        _log.warning("configuration: %s", problem)
    # The journal's thread and the loop hand over many times per object; the default of 5 ms per turn would
    # let one of them wait for the other's whole turn.
    sys.setswitchinterval(0.0005)
    inherited = Inherited()
    try:
        return asyncio.run(serve(config, inherited))
    except Exception as error:  # noqa: BLE001 - the last line of defence: told in full, and the process ends
        failure = known(error)
        if failure is not None:
            _log.critical("the gateway ends: %s", failure)
            reason = str(failure)
        else:
            _log.critical("the gateway ends on a defect, please report it", exc_info=True)
            reason = f"a defect of the gateway ({type(error).__name__}), the log has the details"
    return Ended(1, reason, sockets=tuple(inherited.keep()))
