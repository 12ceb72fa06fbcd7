"""From the configuration's sections to the values that the rooms understand. No decisions are made here.

The rooms know nothing of the configuration, and the configuration knows nothing of the rooms.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from gateway.association.acceptor import AcceptorLimits
from gateway.association.requestor import RequestorTimeouts
from gateway.association.stream import StreamLimits
from gateway.audit.values import AuditLimits
from gateway.certificates.room import Use
from gateway.commitment.policy import CommitmentPolicy, Waits
from gateway.config import schema
from gateway.config.linking import Link
from gateway.config.schema import Config
from gateway.delivery.backoff import Backoff
from gateway.delivery.policy import DeliveryPolicy
from gateway.dicom.limits import MessageLimits, NegotiationLimits, UpperLayerLimits
from gateway.link.limits import LinkLimits
from gateway.listener import ListenerLimits, ListenerSettings
from gateway.model import Peer, Route, TlsMaterial, WebTarget
from gateway.procedure_steps.policy import StepPolicy
from gateway.relay.dialer import RelayPolicy
from gateway.relay.patience import RelayTimeouts
from gateway.relay.session import SessionLimits
from gateway.relay.warm import WarmPolicy
from gateway.services.commitment import CommitmentLimits
from gateway.services.mpps import ProcedureStepLimits
from gateway.shaping.allowance import BudgetPlan
from gateway.shaping.schedule import DAY_NAMES, Schedule, Window
from gateway.sites import Site
from gateway.spool import SpoolLimits
from gateway.spool.scrub_values import ScrubPolicy
from gateway.spool.values import DAY


def spool_limits(config: Config) -> SpoolLimits:
    """[spool], and what [commitment] and [procedure_steps] may keep there."""
    commitment, steps, delivery = config.commitment, config.procedure_steps, config.delivery
    return SpoolLimits(
        **_fields(config.spool),
        # What is due later than the longest wait there is (they vary a little) was put off by a wrong clock.
        max_retry_seconds=min(DAY, 1.5 * max(delivery.slow_interval, delivery.object_backoff.ceiling)),
        max_open_commitments=commitment.max_open,
        max_commitment_items=commitment.max_instances,
        max_open_items=commitment.max_open_items,
        commitment_again_seconds=commitment.again,
        commitment_history_rows=commitment.history_rows,
        commitment_history_items=commitment.history_items,
        commitment_history_seconds=commitment.history_seconds,
        ask_history_rows=commitment.history_rows,
        ask_history_seconds=commitment.history_seconds,
        max_steps=steps.max_queued,
        max_step_bytes=steps.max_total_bytes,
        step_history_rows=steps.history_rows,
        step_history_seconds=steps.history_seconds,
    )


def scrub_policy(config: Config) -> ScrubPolicy:
    """[scrub]."""
    return ScrubPolicy(**_fields(config.scrub))


def audit_limits(config: Config) -> AuditLimits:
    """[audit]."""
    return AuditLimits(**_fields(config.audit))


def delivery_policy(config: Config) -> DeliveryPolicy:
    """[delivery]."""
    values = _fields(config.delivery)
    for name in ("object_backoff", "link_backoff", "pause_backoff"):
        values[name] = Backoff(**_fields(values[name]))
    return DeliveryPolicy(**values)


def relay_policy(config: Config) -> RelayPolicy:
    """[relay], and those of [timeouts] that hold for every peer we dial."""
    relay = config.relay
    return RelayPolicy(
        max_associations=relay.max_associations,
        max_waiting=relay.max_waiting,
        wait=relay.wait,
        trial_wait=relay.trial_wait,
        timeouts=RelayTimeouts(
            connect=relay.connect,
            response=relay.response,
            between=relay.between,
            release=config.timeouts.release,
            stall=config.timeouts.write,
            idle=config.timeouts.peer_idle,
        ),
        warm=WarmPolicy(
            warm_hold=relay.warm_hold,
            warm_above=relay.warm_above,
            max_warm=relay.max_warm,
            keepalive=relay.keepalive,
            learned=relay.learned,
        ),
    )


def commitment_policy(config: Config) -> CommitmentPolicy:
    """[commitment], as far as asking and reporting are concerned."""
    commitment = config.commitment
    return CommitmentPolicy(
        patience=commitment.patience,
        answer=commitment.answer,
        linger=commitment.linger,
        batch=commitment.batch,
        batch_wait=commitment.batch_wait,
        report_for=commitment.report_for,
        report_backoff=Waits(**_fields(commitment.report_backoff)),
        fetch_max=commitment.fetch_max_bytes,
        fetch_rate=commitment.fetch_rate_bytes,
        outstanding=commitment.outstanding,
    )


def verified_destinations(config: Config) -> frozenset[str]:
    """The peers at which everything that they accept is to be verified: until then, its bytes stay here."""
    return frozenset(peer.name for peer in config.peers if peer.commitment in ("always", "query"))


def commitment_limits(config: Config) -> CommitmentLimits:
    """[commitment], as far as what consoles ask is concerned."""
    return CommitmentLimits(max_instances=config.commitment.max_instances)


def step_policy(config: Config) -> StepPolicy:
    """[procedure_steps], as far as passing them on is concerned."""
    steps = config.procedure_steps
    return StepPolicy(
        wait=steps.wait,
        backoff_base=steps.backoff.base,
        backoff_ceiling=steps.backoff.ceiling,
        backoff_factor=steps.backoff.factor,
    )


def step_limits(config: Config) -> ProcedureStepLimits:
    """[procedure_steps], as far as what consoles send is concerned."""
    return ProcedureStepLimits(max_size=config.procedure_steps.max_size_bytes)


def session_limits(config: Config) -> SessionLimits:
    """[relay], as far as one caller's relay is concerned."""
    relay = config.relay
    return SessionLimits(max_exchanges=relay.max_exchanges, max_inspected=relay.max_inspected_bytes)


def requestor_timeouts(config: Config) -> RequestorTimeouts:
    """[timeouts], as far as peers we dial are concerned."""
    timeouts = config.timeouts
    return RequestorTimeouts(
        connect=timeouts.connect,
        tls=timeouts.tls,
        associate=timeouts.associate,
        response=timeouts.response,
        release=timeouts.release,
        stall=timeouts.write,
        idle=timeouts.peer_idle,
    )


def link_limits(config: Config) -> LinkLimits:
    """[link.limits]."""
    return LinkLimits(**_fields(config.link.limits)) if config.link is not None else LinkLimits()


def link_tls(link: Link) -> TlsMaterial:
    """[link.tls]."""
    return TlsMaterial(link.tls.certificate, link.tls.key, link.tls.ca, link.tls.server_name)


def sites(config: Config) -> list[Site]:
    """Every [[site]]."""
    return [
        Site(one.name, frozenset(one.calls), frozenset(one.calling) if one.calling is not None else None)
        for one in config.sites
    ]


def budget_plan(config: Config) -> BudgetPlan:
    """[data_budget]."""
    budget = config.data_budget
    counted = budget.counted if budget.counted is not None else tuple(destination_names(config))
    # What goes to a peer behind a link is counted where the link is, under its own name.
    links = [one.via for one in config.peers if one.via is not None and one.name in counted]
    return BudgetPlan(
        budget.monthly_bytes,
        budget.day,
        tuple(dict.fromkeys((*counted, *links))),
        defer=budget.defer,
        bulk_share=budget.bulk_share,
        image_share=budget.image_share,
    )


def traffic_schedule(config: Config) -> Schedule:
    """[traffic]."""
    return Schedule(
        config.traffic.rate_bytes,
        tuple(
            Window(
                one.start,
                one.end,
                one.rate_bytes,
                frozenset(map(DAY_NAMES.index, DAY_NAMES if one.days is None else one.days)),
            )
            for one in config.traffic.windows
        ),
    )


def shaped_peers(config: Config) -> frozenset[str]:
    """The peers behind the line that [traffic] is about."""
    named = config.traffic.shaped
    return frozenset(destination_names(config) if named is None else named)


def listener_limits(config: Config) -> ListenerLimits:
    """[limits] and [timeouts], as far as callers are concerned."""
    limits, timeouts = config.limits, config.timeouts
    return ListenerLimits(
        max_connections=limits.max_connections,
        max_per_address=limits.max_per_address,
        max_associations=limits.max_associations,
        tls_handshake_timeout=timeouts.tls_handshake,
        stream=StreamLimits(
            artim=timeouts.artim,
            pdu_timeout=timeouts.pdu,
            idle_timeout=timeouts.idle,
            write_timeout=timeouts.write,
            max_output=limits.max_output,
        ),
        acceptor=AcceptorLimits(
            max_operations=limits.max_operations,
            answer_timeout=config.relay.response,
            messages=MessageLimits(
                max_command_length=limits.max_command_length, max_open_messages=limits.max_open_messages
            ),
        ),
        upper_layer=UpperLayerLimits(
            max_pdu_length=limits.max_pdu_length,
            max_associate_length=limits.max_associate_length,
            max_pdvs=limits.max_pdvs,
            negotiation=NegotiationLimits(
                max_transfer_syntaxes=limits.max_transfer_syntaxes, max_user_items=limits.max_user_items
            ),
        ),
    )


def listeners(config: Config) -> list[ListenerSettings]:
    """Every [[listener]]."""
    return [
        ListenerSettings(
            name=one.name,
            address=one.address,
            port=one.port,
            allow=one.allow or (),
            tls=TlsMaterial(one.tls.certificate, one.tls.key, one.tls.ca) if one.tls else None,
        )
        for one in config.listeners
    ]


def certificate_uses(config: Config) -> list[Use]:
    """Every TLS section there is."""
    sections = [("listener", one.name, one.tls) for one in config.listeners]
    sections += [("peer", one.name, one.tls) for one in config.peers]
    found = [
        Use(kind, name, tls.certificate, tls.key, tls.ca) for kind, name, tls in sections if tls is not None
    ]
    found += [
        Use("peer", one.name, one.dicomweb.certificate, one.dicomweb.key, one.dicomweb.ca)
        for one in config.peers
        if one.dicomweb and one.dicomweb.certificate and one.dicomweb.key and one.dicomweb.ca
    ]
    if config.link is not None:
        tls, name = config.link.tls, "sites" if config.link.hub is None else "hub"
        found.append(Use("link", name, tls.certificate, tls.key, tls.ca))
    return found


def peers(config: Config) -> dict[str, Peer]:
    """Every [[peer]], by name."""
    return {one.name: _peer(one) for one in config.peers}


def routes(config: Config) -> list[Route]:
    """Every [[route]], in the order of the files: the first that matches wins."""
    return [
        Route(
            called=one.called,
            to=one.to,
            mode=one.mode,
            calling=frozenset(one.calling) if one.calling is not None else None,
            priorities=dict(one.priorities),
            calling_upstream=one.calling_upstream,
            mpps=one.mpps,
            ups_guard=one.ups_guard,
        )
        for one in config.routes
    ]


def destination_names(config: Config) -> list[str]:
    """The peers that some route stores objects for, in the order of the configuration."""
    wanted = {name for route in config.routes if route.mode == "store" for name in route.to}
    return [one.name for one in config.peers if one.name in wanted]


def _peer(peer: schema.Peer) -> Peer:
    tls = None
    if peer.tls is not None:
        tls = TlsMaterial(
            peer.tls.certificate, peer.tls.key, peer.tls.ca, peer.tls.server_name, peer.tls.check_name
        )
    return Peer(
        name=peer.name,
        ae_title=peer.ae_title,
        host=peer.host or peer.via or "",
        port=peer.port or 0,
        tls=tls,
        calling_ae=peer.calling_ae,
        max_associations=peer.max_associations,
        commitment=peer.commitment,
        compare=peer.compare,
        compress=peer.compress,
        via=peer.via or "",
        web=WebTarget(**_fields(peer.dicomweb)) if peer.dicomweb is not None else None,
    )


def _fields(section: Any) -> dict[str, Any]:
    return {field.name: getattr(section, field.name) for field in dataclasses.fields(section) if field.init}
