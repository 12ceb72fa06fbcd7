"""What can be kept warm, and how much of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gateway.dicom.negotiation import AssociateAccept
from gateway.relay.learning import LearningLimits
from gateway.relay.profile import Profile


@dataclass(frozen=True, slots=True)
class WarmPolicy:
    """What is kept warm, and for how long. Times in seconds."""

    warm_hold: float = 600.0  # idle time of one beyond one per profile, or that cannot be asked by C-ECHO
    warm_above: float = 0.02  # round trip below which nothing is kept: opening anew costs nothing there
    max_warm: int = 2  # idle ones per peer, those being opened included
    keepalive: float = 60.0  # silence after which an idle one is asked by C-ECHO
    learned: float = 12 * 3600.0  # how long after its last use a profile is kept warm
    echo: float = 10.0  # for the answer to that C-ECHO
    close: float = 5.0  # for letting all go at the end
    learning: LearningLimits = field(default_factory=LearningLimits)


class Far(Protocol):
    """An association with a far end that can be kept warm."""

    on_gone: Callable[[], None] | None
    """Called once, on the loop, when it begins to end while nobody holds it."""

    @property
    def profile(self) -> Profile:
        """What was asked for it."""

    @property
    def answer(self) -> AssociateAccept:
        """What the peer accepted."""

    @property
    def usable(self) -> bool:
        """False once it is over or coming to its end."""

    async def echo(self) -> float:
        """C-ECHO: seconds to the answer. Raises LocalError without a context for it, PeerError unanswered."""

    async def release(self) -> None:
        """Release politely, within a bound; never raises for what the peer does."""

    def abort(self) -> None:
        """Close at once."""


F = TypeVar("F", bound=Far)

Opener = Callable[[Profile], Awaitable[F]]
"""Opens an association for nobody yet, or raises PeerError. Leave to dial was asked before."""


def of_use(far: Far) -> bool:
    """Say whether anything was accepted on `far`, and by a peer that was told no user's identity."""
    return not far.profile.personal and any(context.accepted for context in far.answer.contexts)
