"""The associations of the moment, in both directions, kept from notices."""

from __future__ import annotations

from collections.abc import Callable

from gateway.notices import AssociationClosed, AssociationOpened, Notice, Notices
from gateway.operator.facts import AssociationFacts


class AssociationBook:
    """Knows which associations are open. Bounded by the caps on associations themselves."""

    def __init__(self, notices: Notices, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._open: dict[str, AssociationFacts] = {}
        self._unsubscribe = notices.subscribe(self._take)

    def all(self) -> tuple[AssociationFacts, ...]:
        """Return them, the oldest first."""
        return tuple(self._open.values())

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def _take(self, notice: Notice) -> None:
        if isinstance(notice, AssociationOpened):
            self._open[notice.association] = AssociationFacts(
                id=notice.association,
                inbound=notice.inbound,
                address=notice.address,
                calling_ae=notice.calling_ae,
                called_ae=notice.called_ae,
                tls=notice.tls,
                since=self._wall_clock(),
            )
        elif isinstance(notice, AssociationClosed):
            self._open.pop(notice.association, None)
