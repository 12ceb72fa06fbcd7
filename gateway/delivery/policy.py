"""Every number of delivery in one frozen place, with its unit and its default."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.delivery.backoff import Backoff


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """When to try again, when to give an object to a person, how much to have in flight. Times in seconds."""

    # One object failed for a reason that may pass.
    object_backoff: Backoff = field(default_factory=lambda: Backoff(base=5.0, ceiling=300.0))
    max_attempts: int = 10  # counted tries at that pace; afterwards every `slow_interval`, for ever
    slow_interval: float = 3600.0
    busy_statuses: frozenset[int] = frozenset({0xC000})  # refusals some archives use for "busy"
    busy_attempts: int = 3  # counted tries before such a refusal is taken at its word and held

    # An object that makes the peer cut the association, again and again, while others pass.
    poison_aborts: int = 3  # A-ABORT, protocol violation or no answer
    poison_losses: int = 10  # the connection just broke: far more often the link's fault

    # The destination as a whole.
    link_backoff: Backoff = field(default_factory=lambda: Backoff(base=1.0, ceiling=60.0))
    rejected_interval: float = 300.0  # A-ASSOCIATE-RJ permanent: somebody has to change a configuration
    cuts_before_pause: int = 3  # different objects under which the association was cut, in a row
    refusals_before_pause: int = 3  # different objects refused as transient (A7xx, 0110) in a row
    holds_before_pause: int = 20  # different objects held in a row: the destination is misconfigured
    pause_backoff: Backoff = field(default_factory=lambda: Backoff(base=30.0, ceiling=900.0))
    lane_cap_hold: float = 300.0  # how long to respect "no more associations for you" from a peer

    # How much is claimed ahead. A record waits at most for one object in one lane; see scheduler.py.
    # 64 treatment records are about what a satellite line of 10 Mbit/s carries in one round trip.
    claim_objects: int = 64
    claim_bytes: int = 32 * 1024 * 1024

    # Associations.
    idle_hold: float = 30.0  # a warm association is released after this long without work
    window: int = 64  # asynchronous operations proposed (PS3.7 D.3.3.3); used when the peer agrees
    drain: float = 5.0  # on a graceful stop, time for objects in flight to be answered

    # Lossless conversion for a peer that refuses the stored transfer syntax.
    convert_max_bytes: int = 512 * 1024 * 1024
    convert_timeout: float = 600.0
