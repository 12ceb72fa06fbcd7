"""The associations of the moment, in both directions, kept from notices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from gateway.notices import AssociationClosed, AssociationNegotiated, AssociationOpened, Notice, Notices
from gateway.operator.facts import AssociationFacts


class LiveView(Protocol):
    """What is asked of an association while it is open (gateway.association.association.Association)."""

    @property
    def id(self) -> str: ...

    @property
    def objects(self) -> int: ...

    @property
    def traffic(self) -> tuple[int, int]: ...


class AssociationBook:
    """Knows which associations are open. Bounded by the caps on associations themselves."""

    def __init__(self, notices: Notices, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._open: dict[str, AssociationFacts] = {}
        self._through: dict[str, tuple[str, str]] = {}  # until it opens, a moment later
        self._unsubscribe = notices.subscribe(self._take)

    def all(self, live: Iterable[LiveView] = ()) -> tuple[AssociationFacts, ...]:
        """Return them, the oldest first; of those in `live` it is known what they have carried so far."""
        counted = {one.id: one for one in live}
        return tuple(
            _counted(known, counted[known.id]) if known.id in counted else known
            for known in self._open.values()
        )

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def _take(self, notice: Notice) -> None:
        if isinstance(notice, AssociationNegotiated):
            self._through[notice.association] = (notice.listener, notice.peer)
        elif isinstance(notice, AssociationOpened):
            listener, peer = self._through.pop(notice.association, ("", ""))
            self._open[notice.association] = AssociationFacts(
                id=notice.association,
                inbound=notice.inbound,
                address=notice.address,
                calling_ae=notice.calling_ae,
                called_ae=notice.called_ae,
                tls=notice.tls,
                since=self._wall_clock(),
                listener=listener,
                peer=peer,
            )
        elif isinstance(notice, AssociationClosed):
            self._open.pop(notice.association, None)


def _counted(known: AssociationFacts, live: LiveView) -> AssociationFacts:
    received, sent = live.traffic
    return replace(known, objects=live.objects, bytes_in=received, bytes_out=sent)
