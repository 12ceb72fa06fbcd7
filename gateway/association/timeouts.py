"""How patient we are with a peer that we dial."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestorTimeouts:
    """How long a peer may take, in seconds."""

    connect: float = 10.0  # for name resolution, and again for each address tried
    tls: float = 10.0
    associate: float = 30.0
    response: float = 60.0  # from the moment the peer's TCP has all of our request
    release: float = 10.0
    stall: float = 60.0  # the peer takes nothing of what we send
    idle: float = 3600.0  # nothing is asked and nothing is heard
