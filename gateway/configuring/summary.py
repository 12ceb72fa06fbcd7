"""A configuration in the words of its users: who may call, whom we call, what goes where."""

from __future__ import annotations

from gateway.config.schema import Config
from gateway.operator.configuration_facts import (
    ListenerSummary,
    PeerSummary,
    RouteSummary,
    Summary,
)


def summarise(config: Config) -> Summary:
    """Return what matters of a checked configuration."""
    stored = {name for route in config.routes if route.mode == "store" for name in route.to}
    return Summary(
        gateway=config.gateway.name,
        ae_title=config.gateway.ae_title,
        state_dir=str(config.gateway.state_dir),
        operator_socket=str(config.operator.socket),
        listeners=tuple(
            ListenerSummary(
                one.name, one.address, one.port, one.tls is not None, tuple(map(str, one.allow or ()))
            )
            for one in config.listeners
        ),
        peers=tuple(
            PeerSummary(
                one.name,
                one.ae_title,
                one.host or one.via or "",
                one.port or 0,
                one.tls is not None or one.via is not None,
                one.name in stored,
            )
            for one in config.peers
        ),
        routes=tuple(
            RouteSummary(one.called, tuple(one.calling or ()), one.to, one.mode) for one in config.routes
        ),
    )
