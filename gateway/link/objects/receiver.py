"""The hub's word on what sites offer: refusal, how much is here already, or a receipt once it is durable.

What is small comes with its offer and goes straight into the spool; what is large gathers in a partial
first. Nothing here knows connections: a transfer that is offered anew, over another connection or the same
one, takes over, and what still comes for the former one is dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.dicom.sop_classes import default_priority, is_storage
from gateway.errors import NoRoom, SpoolFailure
from gateway.link.objects.ports import Expected, Partial, Partials
from gateway.link.values import BLOCK, INLINE, HubReceipt, HubRefusal, Mismatch, Offer, Ref, RefusalKind
from gateway.model import Instance, Origin, Priority, Route, valid_uid
from gateway.notices import Notices, ObjectRefused, ObjectStored
from gateway.spool import Arrived, IncomingObject, Stored, Transfer

LISTENER: Final = "link"
"""What an object's origin says in place of a listener's name; its address is the name of the site."""

NOT_AUTHORIZED: Final = 0x0124  # PS3.7 C.5.21
INVALID_SOP_INSTANCE: Final = 0x0117
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
CANNOT_UNDERSTAND: Final = 0xC000
OUT_OF_RESOURCES: Final = 0xA700
PROCESSING_FAILURE: Final = 0x0110

Allow = Callable[[str, Offer], Route | str]
"""The route that an offer of a site takes, or why there is none for it, in words."""


@dataclass(frozen=True, slots=True)
class ReceiverLimits:
    """What one site may have under way here at a time."""

    max_transfers: int = 512
    """Objects that are offered and without our word (a number): the small ones are in memory."""
    max_object_bytes: int = 16 * 1024 * 1024 * 1024
    """Larger objects are refused, in bytes."""


class Storing(Protocol):
    """What is needed of the spool."""

    def receive(
        self,
        instance: Instance,
        origin: Origin,
        priority: Priority,
        destinations: Sequence[str],
        *,
        transfer: Transfer | None = None,
    ) -> IncomingObject: ...

    async def arrived_before(self, transfer: Transfer) -> Arrived | None: ...


@dataclass(slots=True, eq=False)
class _Arriving:
    """An object that is offered and not here yet."""

    ref: Ref
    offer: Offer
    route: Route
    expected: Expected
    since: float
    small: bytes | None = None
    partial: Partial | None = None

    @property
    def held(self) -> int:
        if self.small is not None:
            return len(self.small)
        return self.partial.held if self.partial is not None else 0

    def digest(self) -> bytes:
        """SHA-256 of what is held."""
        if self.partial is not None:
            return self.partial.digest()
        return hashlib.sha256(self.small or b"").digest()


class Receiver:
    """See gateway.link.ports.ObjectReceiver."""

    def __init__(
        self,
        spool: Storing,
        partials: Partials,
        *,
        allow: Allow,
        notices: Notices,
        limits: ReceiverLimits | None = None,
        priority_of: Callable[[str], Priority] = default_priority,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`allow` says which route an offer takes; `priority_of` the priority of a class by default."""
        self._spool = spool
        self._partials = partials
        self._allow = allow
        self._notices = notices
        self._limits = limits or ReceiverLimits()
        self._priority_of = priority_of
        self._wall_clock = wall_clock
        self._clock = clock
        self._arriving: dict[Ref, _Arriving] = {}
        self._newest: dict[Transfer, Ref] = {}  # who brings it now
        self._locks: dict[Transfer, asyncio.Lock] = {}
        self._of_site: Counter[str] = Counter()

    # --- the contract --------------------------------------------------------------------------------

    async def offered(self, ref: Ref, offer: Offer) -> int | HubReceipt | HubRefusal:
        """See ObjectReceiver."""
        route = self._allow(ref.site, offer)
        if isinstance(route, str):
            return self._refuse(ref, offer, _permanent(NOT_AUTHORIZED, route))
        objection = self._objection(ref, offer)
        if objection is not None:
            return self._refuse(ref, offer, objection)
        one = _Arriving(ref, offer, route, self._expected(ref, offer, route), self._clock())
        if offer.size <= INLINE:
            one.small = b""
            self._begin(one)
            return 0
        async with self._lock(one.expected.transfer):
            return await self._open(one)

    async def block(self, ref: Ref, offset: int, data: bytes) -> HubRefusal | None:
        """See ObjectReceiver. A refusal is the last word: nothing more is taken of this offer."""
        one = self._arriving.get(ref)
        if one is None:
            return None  # given up, or offered anew: `finished` says so
        end = offset + len(data)
        if end > one.offer.size or (len(data) != BLOCK and end < one.offer.size):
            return await self._give_up(one, _transient(PROCESSING_FAILURE, "a block has a length of its own"))
        if one.small is not None:
            one.small = one.small[:offset] + data
            return None
        async with self._lock(one.expected.transfer):
            if self._arriving.get(ref) is not one or one.partial is None:
                return None
            try:
                if offset == 0 and one.partial.held:
                    await one.partial.begin_anew()
                if offset == one.partial.held:
                    await one.partial.append(data)
                    return None
            except (NoRoom, SpoolFailure) as error:
                return await self._give_up(one, _trouble(error))
        return await self._give_up(one, _transient(PROCESSING_FAILURE, "a block is missing"))

    async def finished(self, ref: Ref) -> HubReceipt | HubRefusal | Mismatch:
        """See ObjectReceiver."""
        one = self._arriving.get(ref)
        if one is None:
            return _transient(PROCESSING_FAILURE, "it was given up, or offered anew")
        if one.held != one.offer.size:
            return await self._give_up(one, _transient(PROCESSING_FAILURE, "bytes are missing"))
        async with self._lock(one.expected.transfer):
            if one.digest() != one.offer.digest:
                return Mismatch()
            try:
                stored = await self._keep(one)
            except (NoRoom, SpoolFailure) as error:
                return await self._give_up(one, _trouble(error))
        self._forget(one)
        self._tell_stored(one, stored)
        return HubReceipt(self._wall_clock(), already=stored.outcome == "duplicate")

    async def lost(self, ref: Ref) -> None:
        """See ObjectReceiver."""
        one = self._arriving.get(ref)
        if one is not None:
            async with self._lock(one.expected.transfer):
                await self._end(one)

    # --- offers --------------------------------------------------------------------------------------

    def _objection(self, ref: Ref, offer: Offer) -> HubRefusal | None:
        instance, limits = offer.instance, self._limits
        if not (valid_uid(instance.sop_class_uid) and is_storage(instance.sop_class_uid)):
            return _permanent(SOP_CLASS_NOT_SUPPORTED, "not a storage SOP class")
        if not (valid_uid(instance.sop_instance_uid) and valid_uid(instance.transfer_syntax_uid)):
            return _permanent(INVALID_SOP_INSTANCE, "not a UID")
        if offer.size == 0:
            return _permanent(CANNOT_UNDERSTAND, "the data set is empty")
        if offer.size > limits.max_object_bytes:
            words = f"the object is larger than the limit of {limits.max_object_bytes} bytes"
            return _permanent(CANNOT_UNDERSTAND, words)
        if self._of_site[ref.site] >= limits.max_transfers:
            return _transient(OUT_OF_RESOURCES, "too many objects are under way")
        return None

    def _expected(self, ref: Ref, offer: Offer, route: Route) -> Expected:
        sop_class = offer.instance.sop_class_uid
        return Expected(
            Transfer(ref.site, ref.spool, ref.delivery, offer.digest),
            offer.instance,
            Origin(LISTENER, ref.site, offer.calling_ae, offer.called_ae, f"link-{ref.link}"),
            route.priorities.get(sop_class, self._priority_of(sop_class)),
            offer.size,
        )

    async def _open(self, one: _Arriving) -> int | HubReceipt | HubRefusal:
        """Find what is here of a large object: all of it, a part, or nothing."""
        transfer = one.expected.transfer
        former = self._arriving.get(self._newest.get(transfer, one.ref))
        if former is not None:
            await self._end(former)
        try:
            known = await self._spool.arrived_before(transfer)
            if known is not None:
                return HubReceipt(known.at, already=True)
            one.partial = await self._partials.open(one.expected)
        except (NoRoom, SpoolFailure) as error:
            return self._refuse(one.ref, one.offer, _trouble(error))
        self._begin(one)
        return one.partial.held

    def _begin(self, one: _Arriving) -> None:
        self._arriving[one.ref] = one
        self._newest[one.expected.transfer] = one.ref
        self._of_site[one.ref.site] += 1

    # --- ends ----------------------------------------------------------------------------------------

    async def _keep(self, one: _Arriving) -> Stored:
        expected, destinations = one.expected, one.route.to
        if one.partial is not None:
            return await one.partial.keep(destinations)
        incoming = self._spool.receive(
            expected.instance, expected.origin, expected.priority, destinations, transfer=expected.transfer
        )
        incoming.write(one.small or b"")
        return await incoming.commit()

    async def _give_up(self, one: _Arriving, refusal: HubRefusal) -> HubRefusal:
        await self._end(one)
        return self._refuse(one.ref, one.offer, refusal)

    def _refuse(self, ref: Ref, offer: Offer, refusal: HubRefusal) -> HubRefusal:
        self._tell_refused(ref, offer, refusal)
        return refusal

    async def _end(self, one: _Arriving) -> None:
        """Nothing more comes for it; what is here of a large object stays."""
        self._forget(one)
        if one.partial is not None:
            await one.partial.rest()

    def _forget(self, one: _Arriving) -> None:
        if self._arriving.pop(one.ref, None) is None:
            return
        self._of_site[one.ref.site] -= 1
        if self._newest.get(one.expected.transfer) == one.ref:
            del self._newest[one.expected.transfer]

    def _lock(self, transfer: Transfer) -> asyncio.Lock:
        """One at a time for one transfer, whoever brings it."""
        lock = self._locks.get(transfer)
        if lock is None:
            self._locks = {
                key: one for key, one in self._locks.items() if one.locked() or key in self._newest
            }
            lock = self._locks[transfer] = asyncio.Lock()
        return lock

    # --- what others see -----------------------------------------------------------------------------

    def _tell_stored(self, one: _Arriving, stored: Stored) -> None:
        origin = one.expected.origin
        self._notices.publish(
            ObjectStored(
                association=origin.association,
                address=origin.address,
                calling_ae=origin.calling_ae,
                called_ae=origin.called_ae,
                number=stored.number,
                sop_class_uid=one.offer.instance.sop_class_uid,
                transfer_syntax_uid=one.offer.instance.transfer_syntax_uid,
                priority=one.expected.priority.label,
                size=stored.size,
                seconds=self._clock() - one.since,
                outcome=stored.outcome,
            )
        )

    def _tell_refused(self, ref: Ref, offer: Offer, refusal: HubRefusal) -> None:
        sop_class = offer.instance.sop_class_uid
        self._notices.publish(
            ObjectRefused(
                association=f"link-{ref.link}",
                address=ref.site,
                calling_ae=offer.calling_ae,
                called_ae=offer.called_ae,
                sop_class_uid=sop_class if valid_uid(sop_class) else "",
                size=offer.size,
                status=refusal.status,
                reason=refusal.words,
            )
        )


def _permanent(status: int, words: str) -> HubRefusal:
    return HubRefusal(RefusalKind.PERMANENT, status, words)


def _transient(status: int, words: str) -> HubRefusal:
    return HubRefusal(RefusalKind.TRANSIENT, status, words)


def _trouble(error: NoRoom | SpoolFailure) -> HubRefusal:
    status = OUT_OF_RESOURCES if isinstance(error, NoRoom) else PROCESSING_FAILURE
    return _transient(status, f"the hub could not store it: {error}")
