"""What no service here serves: relayed to the far end of the route, while the caller waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from gateway.association.admission import Relay
from gateway.dicom.negotiation import Rejection
from gateway.dicom.sop_classes import default_priority, is_storage
from gateway.model import Priority, Route
from gateway.notices import Notices, RelayOpened, RelayRefused
from gateway.relay.dialer import Dialer, NotReached, Reached
from gateway.relay.inspection import Inspector
from gateway.relay.mirror import Mirror, Wanted
from gateway.relay.moves import Moves
from gateway.relay.session import RelaySession, SessionLimits
from gateway.services.registry import Connection, Visit


class RelayService:
    """Connects callers with the far ends of their routes (the `Relaying` of the registry)."""

    def __init__(
        self,
        dialer: Dialer,
        *,
        notices: Notices,
        inspectors: Sequence[Inspector] = (),
        limits: SessionLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`inspectors` look at some requests of callers before they go on."""
        self._dialer = dialer
        self._notices = notices
        self._inspectors = tuple(inspectors)
        self._limits = limits or SessionLimits()
        self._moves = Moves()
        self._clock = clock

    async def connect(self, visit: Visit, wanted: Wanted, *, alone: bool) -> Connection:
        """Reach the far end for this visit; the caller waits, within the relay's bounds."""
        route = visit.target
        if not isinstance(route, Route):
            raise RuntimeError("nothing is relayed for our own title")  # noqa: TRY004 - a defect of ours
        since = self._clock()
        found = await self._dialer.reach(
            route, visit.calling_ae, visit.request, wanted, priority=_urgency(wanted)
        )
        seconds = self._clock() - since
        if isinstance(found, NotReached):
            self._notices.publish(
                RelayRefused(
                    association=visit.caller.association,
                    address=visit.caller.address,
                    calling_ae=visit.calling_ae,
                    called_ae=visit.called_ae,
                    peer=route.to[0],
                    reason=found.reason,
                    seconds=seconds,
                )
            )
            return _Nobody(found.rejection)
        self._notices.publish(
            RelayOpened(
                association=visit.caller.association,
                far=found.end.association.id,
                peer=route.to[0],
                warm=found.warm,
                seconds=seconds,
            )
        )
        return _Found(self, found, route, visit.calling_ae, alone)

    def session(self, found: Reached, route: Route, calling_ae: str, alone: bool) -> RelaySession:
        """Begin to relay."""
        return RelaySession(
            found.end,
            route=route,
            calling_ae=calling_ae,
            alone=alone,
            inspectors=self._inspectors,
            moves=self._moves,
            notices=self._notices,
            limits=self._limits,
        )


def _urgency(wanted: Wanted) -> int:
    """Order in the line for a busy peer: conversation first, then as objects go up (design section 4)."""
    classes = [context.abstract_syntax for context in wanted.contexts]
    if not all(is_storage(uid) for uid in classes):
        return 0
    return 1 + min((default_priority(uid) for uid in classes), default=Priority.BULK)


class _Nobody:
    """The far end was not reached."""

    def __init__(self, rejection: Rejection | None) -> None:
        self.mirror = Mirror()
        self.rejection = rejection

    def relay(self) -> Relay | None:
        """There is nothing to relay to."""
        return None

    def leave(self) -> None:
        """Nothing was taken."""


class _Found:
    """The far end was reached."""

    rejection: Rejection | None = None

    def __init__(
        self, service: RelayService, found: Reached, route: Route, calling_ae: str, alone: bool
    ) -> None:
        self.mirror = found.mirror
        self._service = service
        self._found = found
        self._route = route
        self._calling_ae = calling_ae
        self._alone = alone

    def relay(self) -> Relay | None:
        """Relay between the two from now on."""
        return self._service.session(self._found, self._route, self._calling_ae, self._alone)

    def leave(self) -> None:
        """The far end wants nothing of what the caller wants: it may be of use to another."""
        self._found.end.done(self._found.end.association, True)
