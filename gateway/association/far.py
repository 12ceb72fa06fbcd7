"""The far association of a relay: we open it, and every message on it belongs to whoever holds it.

Between two holders it is kept warm, and then it is an ordinary association of ours: C-ECHO works on it, and
what the peer asks is turned down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from gateway.association.association import Closed
from gateway.association.dial import OnPhase
from gateway.association.errors import ConnectFailed
from gateway.association.requestor import establish
from gateway.association.sending import RequestorAssociation
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.way import Way
from gateway.dicom.command import Command
from gateway.dicom.events import AssociateAccepted, CommandReceived, DataSetFragment, Event
from gateway.dicom.negotiation import AcceptedContext, AssociateAccept, AssociateRequest
from gateway.dicom.sop_classes import VERIFICATION
from gateway.errors import LocalError
from gateway.model import Peer
from gateway.notices import Notices

_PROBE_IN_USE = 10.0
"""Seconds: somebody waits for this peer, which may need long to answer while its TCP answers at once."""

_PROBE_AT_REST = 300.0
"""Seconds: nobody waits, and a metered link is not to be kept busy."""

P = TypeVar("P")
"""What the owner of a far association knows it by; this room only carries it."""


class Holder(Protocol):
    """Who holds a far association at present: gets what the peer sends, in order."""

    def far_command(self, context: AcceptedContext, command: Command) -> None:
        """A complete command set came."""

    def far_fragment(self, context_id: int, data: memoryview, is_last: bool) -> None:
        """A piece of the data set of the last message on this context; the memory is only lent."""

    def far_flush(self) -> None:
        """Everything that came in one read was handed over."""

    def far_ended(self, closed: Closed) -> None:
        """The association just began to end, whoever ended it."""


class FarAssociation(RequestorAssociation, Generic[P]):
    """One association with a far peer. Made by `open_far`."""

    def __init__(
        self,
        request: AssociateRequest,
        *,
        peer: str,
        profile: P,
        notices: Notices,
        timeouts: RequestorTimeouts,
    ) -> None:
        """`peer` is the configured name of whom `request` goes to, `profile` what the owner knows it by."""
        super().__init__(request, notices=notices, timeouts=timeouts, max_outstanding=1)
        self.peer = peer
        self.profile = profile
        self.personal = request.user_identity is not None  # opened for one user, and for no other
        self.on_gone: Callable[[], None] | None = None  # called once when it ends while nobody holds it
        self._answer: AssociateAccept | None = None
        self._holder: Holder | None = None

    @property
    def answer(self) -> AssociateAccept:
        """What the peer accepted. LocalError before the association is open."""
        if self._answer is None:
            raise LocalError("the association is not open")
        return self._answer

    @property
    def usable(self) -> bool:
        """False once it is over or coming to its end."""
        return self.established

    def hold(self, holder: Holder) -> None:
        """From now on everything the peer sends goes to `holder`."""
        if self._holder is not None:
            raise RuntimeError("somebody holds this association already")
        self._holder = holder
        self.stream.probe_after(_PROBE_IN_USE)

    def let_go(self) -> None:
        """Nobody holds it any more."""
        self._holder = None
        self.stream.probe_after(_PROBE_AT_REST)

    @property
    def heard_at(self) -> float:
        """When its last byte came, on the event loop's clock."""
        return self.stream.heard_at

    async def echo(self) -> float:
        """Send C-ECHO and return the seconds it took. LocalError when Verification was not accepted.

        Raises PeerError when no answer comes; any status is an answer.
        """
        found = [key for key, context in self.contexts.items() if context.abstract_syntax == VERIFICATION]
        if not found:
            raise LocalError("the peer accepted no presentation context for Verification")
        since = time.monotonic()
        await self.c_echo(found[0])
        return time.monotonic() - since

    # --- what the peer says --------------------------------------------------------------------------

    def on_events(self, events: Sequence[Event]) -> None:
        """Take events in order, then let the holder send what came of them."""
        super().on_events(events)
        if self._holder is not None:
            self._holder.far_flush()

    def _on_control(self, event: Event) -> None:
        if isinstance(event, AssociateAccepted):
            self._answer = event.answer
        super()._on_control(event)

    def _on_command(self, message: CommandReceived) -> None:
        if self._holder is None:
            super()._on_command(message)
        else:
            self._holder.far_command(self.contexts[message.context_id], message.command)

    def _on_fragment(self, message: DataSetFragment) -> None:
        if self._holder is None:
            super()._on_fragment(message)
        else:
            self._holder.far_fragment(message.context_id, message.data, message.is_last)

    def _on_ending(self) -> None:
        super()._on_ending()
        holder, self._holder = self._holder, None
        if holder is not None and self._ended is not None:
            holder.far_ended(self._ended)
        elif self.on_gone is not None:
            self.on_gone()


async def open_far(
    peer: Peer,
    request: AssociateRequest,
    *,
    profile: P,
    notices: Notices,
    timeouts: RequestorTimeouts,
    way: Way,
    on_phase: OnPhase | None = None,
) -> FarAssociation[P]:
    """Dial `peer` and associate as `request` says.

    Raises ConnectFailed, AssociateRejectedError, AssociationAborted, ProtocolViolation (all PeerError).
    """
    association = FarAssociation(request, peer=peer.name, profile=profile, notices=notices, timeouts=timeouts)
    await establish(association, peer, way=way, timeouts=timeouts, on_phase=on_phase)
    if not association.usable:  # it came to its end in the same read in which it was accepted
        raise ConnectFailed("association", f"accepted, and ended at once: {association._fault()}")
    return association
