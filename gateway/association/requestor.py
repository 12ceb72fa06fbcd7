"""Opens an association with a peer, to send it objects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from gateway.association.dial import OnPhase, connect
from gateway.association.errors import AssociationLost, ConnectFailed, HungUp, ResponseTimeout
from gateway.association.sending import RequestorAssociation
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.way import Way, check
from gateway.dicom.negotiation import AssociateRequest, ProposedContext, UserIdentity
from gateway.errors import PeerError
from gateway.model import AETitle, Peer
from gateway.notices import DialFailed, Notices

__all__ = ["RequestorAssociation", "RequestorTimeouts", "establish", "open_association"]


async def open_association(
    peer: Peer,
    contexts: Sequence[ProposedContext],
    *,
    calling_ae: AETitle,
    notices: Notices,
    timeouts: RequestorTimeouts | None = None,
    way: Way = None,
    max_outstanding: int = 1,
    user_identity: UserIdentity | None = None,
    roles: Mapping[str, tuple[bool, bool]] | None = None,
    on_phase: OnPhase | None = None,
) -> RequestorAssociation:
    """Dial `peer`, propose `contexts` and return the open association, or raise why there is none.

    `contexts` is one batch of `negotiation.split_contexts`, 128 at most. `way` comes from
    `way.Ways`, or is a `tls.client_context`, and must be one to this peer. `max_outstanding` above 1 proposes
    an asynchronous operations window; the peer decides. A peer that accepts none of the contexts still
    gives an association, with empty `contexts`. `on_phase` is told when each phase begins.

    Raises ConnectFailed, AssociateRejectedError, AssociationAborted, ProtocolViolation (all PeerError), and
    LocalError when `way` does not fit.
    """
    timeouts = timeouts or RequestorTimeouts()
    request = AssociateRequest(
        called_ae=peer.ae_title,
        calling_ae=peer.calling_ae or calling_ae,
        contexts=tuple(contexts),
        user_identity=user_identity,
        roles=roles or {},
        async_window=(max_outstanding, 1) if max_outstanding > 1 else None,
    )
    association = RequestorAssociation(
        request, notices=notices, timeouts=timeouts, max_outstanding=max_outstanding
    )
    await establish(association, peer, way=way, timeouts=timeouts, on_phase=on_phase)
    return association


async def establish(
    association: RequestorAssociation,
    peer: Peer,
    *,
    way: Way,
    timeouts: RequestorTimeouts,
    on_phase: OnPhase | None,
) -> None:
    """Dial `peer` for an association that was just made, and wait until it is open; raises as said above."""
    check(peer, way)
    association.peer = peer.name
    try:
        await _establish(association, peer, way, timeouts, on_phase)
    except PeerError as error:
        phase = error.phase if isinstance(error, ConnectFailed) else "association"
        association.tell(DialFailed(peer.name, phase, str(error)))
        raise


async def _establish(
    association: RequestorAssociation,
    peer: Peer,
    way: Way,
    timeouts: RequestorTimeouts,
    on_phase: OnPhase | None,
) -> None:
    await connect(
        lambda: association.stream,
        peer,
        way=way,
        timeouts=timeouts,
        on_phase=on_phase,
    )
    if on_phase is not None:
        on_phase("association")
    try:
        async with asyncio.timeout(timeouts.associate):
            await association.opening
    except TimeoutError:
        words = f"no answer to our association request within {timeouts.associate:g} s"
        association.abort(words)
        association.stream.kill()
        raise ConnectFailed("association", words) from None
    except AssociationLost as error:
        raise HungUp(f"while opening the association: {error}") from None
    except ResponseTimeout as error:
        raise ConnectFailed("association", f"while opening the association: {error}") from None
    except BaseException:
        if association.stream.connected and not association.closed:
            association.abort("given up while opening")
            association.stream.kill()  # whoever gives up does not wait for the peer to hang up
        raise
