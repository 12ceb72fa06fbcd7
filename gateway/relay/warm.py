"""Warm associations with far ends, so that a console's query over a long link costs one round trip, not four.

What consoles ask for is learned; for it an association is kept open, or opened again, as long as it was used
within `learned`. Only where it pays (round trip of `warm_above` or more), only so many (`max_warm` a peer),
and not at a peer that ends them again and again. `keeper` does it, per peer; `learning` remembers.

An association is handed to one caller at a time, and never across calling AE titles; one with a user identity
is never kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic

from gateway.reachability import Reachabilities
from gateway.relay.keepable import F, Far, Opener, WarmPolicy
from gateway.relay.keeper import Keeper
from gateway.relay.profile import Profile

__all__ = ["Far", "Warm", "WarmPolicy"]


class Warm(Generic[F]):
    """The warm associations of one gateway. Belongs to one event loop."""

    def __init__(
        self,
        opener: Opener[F],
        reachabilities: Reachabilities,
        *,
        policy: WarmPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is monotonic, the one that `reachabilities` is asked by."""
        self._opener = opener
        self._reachabilities = reachabilities
        self._policy = policy or WarmPolicy()
        self._clock = clock
        self._keepers: dict[str, Keeper[F]] = {}  # bounded: the names come from the configuration
        self._forget = reachabilities.subscribe(self._changed)

    def take(self, wanted: Profile) -> tuple[F, tuple[int, ...]] | None:
        """Hand out a warm association that covers `wanted`, and which of its contexts serves each wanted one.

        None when there is none. Whoever gets it gives it back, also when it ended meanwhile.
        """
        if wanted.personal:
            return None
        return self._keeper(wanted.peer).take(wanted)

    def learned(self, far: F) -> None:
        """A caller opened `far` itself and uses it: learn what was asked and answered."""
        if not far.profile.personal:
            self._keeper(far.profile.peer).learned(far)

    def give_back(self, far: F) -> None:
        """A caller is done with `far`, and nothing is under way on it: keep it, or let it go by and by."""
        self._keeper(far.profile.peer).give_back(far)

    def release_soon(self, far: F) -> None:
        """A caller is done with `far`, and nobody is to have it again: release it in the background."""
        keeper = self._keeper(far.profile.peer)
        keeper.let_go(far)
        keeper.review()

    def idle(self, peer: str) -> int:
        """How many warm associations with `peer` are ready for a caller."""
        keeper = self._keepers.get(peer)
        return 0 if keeper is None else len(keeper)

    async def close(self) -> None:
        """Release everything that is warm and wait for it, within the policy's bound.

        What callers still have is released when they give it back.
        """
        self._forget()
        await asyncio.gather(*(keeper.close() for keeper in self._keepers.values()))

    def _keeper(self, peer: str) -> Keeper[F]:
        keeper = self._keepers.get(peer)
        if keeper is None:
            keeper = Keeper(self._opener, self._reachabilities.of(peer), self._policy, self._clock)
            self._keepers[peer] = keeper
        return keeper

    def _changed(self, peer: str, up: bool, _reason: str) -> None:
        keeper = self._keepers.get(peer)
        if keeper is not None:
            keeper.changed(up)
