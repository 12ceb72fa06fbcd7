"""A far association with what belongs to it, as it goes from the dialer to a session and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.association.association import Closed
from gateway.association.far import FarAssociation
from gateway.relay.patience import RelayTimeouts
from gateway.relay.profile import Profile

Far = FarAssociation[Profile]
"""An association with a far end, which knows what it was opened for."""


@dataclass(frozen=True, slots=True)
class FarEnd:
    """A far association with what belongs to it, as the dialer hands it over."""

    association: Far
    contexts: Mapping[int, int]  # the caller's context -> the far one, accepted ones
    timeouts: RelayTimeouts
    done: Callable[[Far, bool], None]  # (association, fit to be used again); exactly once
    lost: Callable[[Closed], None]  # it ended while it was used
