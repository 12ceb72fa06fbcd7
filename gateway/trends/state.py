"""One word for the way to a peer, out of what delivery and everybody who dials knows of it. Pure."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from gateway.reachability import Reach
from gateway.trends.sample import LinkWord


class DeliveryView(Protocol):
    """What delivery knows of one destination (delivery.destination_status)."""

    @property
    def name(self) -> str: ...

    @property
    def link_state(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def rtt(self) -> float | None: ...

    @property
    def goodput(self) -> float | None: ...

    @property
    def last_success(self) -> float | None: ...

    @property
    def next_try(self) -> float | None: ...


class ReachView(Protocol):
    """What is known of whether it is worth dialling (gateway.reachability.Reachability)."""

    @property
    def state(self) -> Reach: ...

    @property
    def words(self) -> str: ...


class LinkStanding(NamedTuple):
    """How a link stands."""

    state: LinkWord
    reason: str


def standing(delivery: DeliveryView | None, reach: ReachView) -> LinkStanding:
    """Return how the link stands; `delivery` None for a peer that nothing is delivered to.

    Who dials last knows best: a peer that nobody reaches is down, whatever it took before.
    """
    if reach.state in (Reach.DOWN, Reach.TRIAL):
        return LinkStanding("down", reach.words)
    if delivery is not None and delivery.link_state == "offline":
        return LinkStanding("down", delivery.reason)
    if delivery is not None and delivery.link_state == "degraded":
        return LinkStanding("degraded", delivery.reason)
    if reach.state is Reach.UP or (delivery is not None and delivery.link_state == "online"):
        return LinkStanding("up", "")
    return LinkStanding("unknown", "")
