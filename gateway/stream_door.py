"""Where streams of the link become associations: a listener whose connections come from the other gateway.

Each site has services of its own, so that it reaches what is open to it and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.association.acceptor import InboundAssociation
from gateway.association.admission import Admission, Caller, Services
from gateway.dicom.negotiation import AssociateRequest, Rejection
from gateway.listener import ListenerLimits
from gateway.notices import Notices


class StreamDoor:
    """Serves the streams of all links. Implements link.ports.StreamAcceptor."""

    def __init__(
        self,
        name: str,
        services_of: Callable[[str], Services | None],
        *,
        notices: Notices,
        limits: ListenerLimits | None = None,
    ) -> None:
        """`name`: what logs call it, as a listener's. `services_of`: by site; None when it is not known.

        Of `limits`, connections count over all links, `max_per_address` for each link, `max_associations`
        over all links.
        """
        self.name = name
        self._services_of = services_of
        self._notices = notices
        self._limits = limits or ListenerLimits()
        self._open: dict[InboundAssociation, str] = {}
        self._ending: dict[asyncio.Task[None], InboundAssociation] = {}
        self._closing = False

    @property
    def associations(self) -> frozenset[InboundAssociation]:
        """The associations of the moment, established or not yet."""
        return frozenset(self._open)

    @property
    def established(self) -> int:
        """How many of them are established."""
        return sum(association.established for association in self._open)

    def accept(self, site: str) -> asyncio.BaseProtocol | str:
        """Return the protocol that serves a new stream of `site`, or why it is not served, in words."""
        services = self._services_of(site)
        if services is None:
            return "there is no such site here"
        refusal = self._refusal(site)
        if refusal:
            return refusal
        association = InboundAssociation(
            listener=self.name,
            services=_Admitting(self, services),
            notices=self._notices,
            stream_limits=self._limits.stream,
            limits=self._limits.acceptor,
            upper_layer_limits=self._limits.upper_layer,
        )
        self._open[association] = site
        task = asyncio.get_running_loop().create_task(self._serve(association))
        self._ending[task] = association
        task.add_done_callback(self._gone)
        return association.stream

    async def close(self, grace: float = 5.0) -> None:
        """Serve no more; give operations in progress `grace` seconds to end, then abort what is left."""
        self._closing = True
        for association in self.associations:
            association.leave("the gateway is stopping")
        if self._ending:
            await asyncio.wait(self._ending, timeout=grace)
        for association in self.associations:
            association.drop()
        if self._ending:
            await asyncio.wait(self._ending)

    def full(self) -> Rejection | None:
        """Return the answer to whoever associates now, when there are too many already."""
        limit = self._limits.max_associations
        if self.established >= limit:
            return Rejection(2, 3, 2, f"the limit of {limit} associations is reached")
        return None

    def _refusal(self, site: str) -> str:
        limits = self._limits
        if self._closing:
            return "the gateway is stopping"
        if len(self._open) >= limits.max_connections:
            return f"the limit of {limits.max_connections} connections is reached"
        if sum(one == site for one in self._open.values()) >= limits.max_per_address:
            return f"the limit of {limits.max_per_address} connections over one link is reached"
        return ""

    async def _serve(self, association: InboundAssociation) -> None:
        await association.wait_closed()

    def _gone(self, task: asyncio.Task[None]) -> None:
        del self._open[self._ending.pop(task)]
        if not task.cancelled():
            task.result()  # an unexpected exception belongs to the event loop's handler


class _Admitting:
    """The services of one site, behind the cap on associations."""

    def __init__(self, door: StreamDoor, services: Services) -> None:
        self._door = door
        self._services = services

    async def admit(self, request: AssociateRequest, caller: Caller) -> Admission | Rejection:
        """Ask the services, unless there are too many associations already (PS3.8 9.3.4, transient)."""
        full = self._door.full()
        return full if full is not None else await self._services.admit(request, caller)
