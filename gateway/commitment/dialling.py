"""Opening associations for commitment: what is common to asking and reporting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.association.asking import AskingAssociation, AskingLimits, RequestHandler, open_asking
from gateway.association.errors import ConnectFailed
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.way import Way
from gateway.dicom.commitment import max_bytes
from gateway.dicom.negotiation import ProposedContext
from gateway.errors import PeerError
from gateway.model import AETitle, Peer
from gateway.notices import Notices


class NotNow(PeerError):
    """Somebody knows already that the peer cannot be reached: it was not dialled."""


def _nobody_cares(_peer: str, _failure: str | None) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Dialler:
    """Opens associations with peers."""

    own_ae: AETitle
    notices: Notices
    way_to: Callable[[Peer], Way]
    timeouts: RequestorTimeouts = field(default_factory=RequestorTimeouts)
    reachable: Callable[[str], str | None] = lambda _peer: None
    dialled: Callable[[str, str | None], None] = _nobody_cares
    """Told the peer's name after each dial, and why it failed (None: there is an association)."""
    instances: int = 500
    """How many instances the peer may name in one message."""

    async def open(
        self,
        peer: Peer,
        contexts: Sequence[ProposedContext],
        *,
        roles: Mapping[str, tuple[bool, bool]] | None = None,
        on_request: RequestHandler | None = None,
        calling_ae: AETitle | None = None,
        kind: type[AskingAssociation] = AskingAssociation,
    ) -> AskingAssociation:
        """Return an open association, or raise PeerError; NotNow when it was not even tried.

        `calling_ae`: our title on it, where it is not the gateway's own. `kind`: what it can do.
        """
        reason = self.reachable(peer.name)
        if reason is not None:
            raise NotNow(reason)
        try:
            association = await open_asking(
                peer,
                contexts,
                calling_ae=calling_ae or self.own_ae,
                notices=self.notices,
                timeouts=self.timeouts,
                way=self.way_to(peer),
                roles=roles,
                on_request=on_request,
                limits=AskingLimits(max_data_set=max(AskingLimits().max_data_set, max_bytes(self.instances))),
                kind=kind,
            )
        except PeerError as error:
            # One that answers, if only to turn us away, was reached.
            self.dialled(peer.name, str(error) if isinstance(error, ConnectFailed) else None)
            raise
        self.dialled(peer.name, None)
        return association
