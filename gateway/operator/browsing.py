"""Looking through deliveries: from what people type and choose to questions to the spool, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gateway.dicom import sop_classes
from gateway.model import DeliveryState, Priority
from gateway.operator import presenting
from gateway.operator.control import Cut, NotFound
from gateway.operator.facts import DeliveryFilter, DeliveryPage
from gateway.operator.queue_facts import ActOutcome, HeldGroups, QueueAction, QueueKinds, SopClassFacts
from gateway.spool import Page, Search, Spool, Wanted

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_PRIORITY = {priority.label: priority for priority in Priority}
_UID_OF = {sop_classes.name(uid).lower(): uid for uid in sop_classes.STORAGE_CLASSES}


class Browsing:
    """Implements sections.queue.QueuePort, and pages of deliveries."""

    def __init__(self, spool: Spool, destinations: Callable[[], set[str]]) -> None:
        """`destinations`: the names in the configuration; others are known while the spool has some."""
        self._spool = spool
        self._destinations = destinations

    async def page(self, wanted: DeliveryFilter, cut: Cut) -> DeliveryPage:
        """See Control.deliveries."""
        asked = await self._wanted(wanted)
        found = await self._spool.browse(asked, Page(cut.newest, cut.after, cut.before, cut.limit))
        total = await self._spool.count_deliveries(asked, cut.count) if cut.count else None
        return DeliveryPage(
            tuple(presenting.delivery(row.delivery, row.object, row.cause) for row in found.rows),
            found.next,
            found.previous,
            found.searched_all,
            None if total is None else total.count,
            total is None or total.exact,
        )

    async def held(self) -> HeldGroups:
        """See QueuePort."""
        return HeldGroups(tuple(presenting.held_group(group) for group in await self._spool.held_groups()))

    async def kinds(self) -> QueueKinds:
        """See QueuePort."""
        pairs = await self._spool.kinds()
        classes = sorted({(sop_classes.name(uid), uid) for uid, _ in pairs})
        return QueueKinds(
            tuple(SopClassFacts(uid, name) for name, uid in classes),
            tuple(sorted({title for _, title in pairs})),
        )

    async def matching(self, wanted: DeliveryFilter, most: int) -> list[int]:
        """See QueuePort."""
        return await self._spool.delivery_numbers(await self._wanted(wanted), most)

    async def act_on_many(
        self, numbers: Sequence[int], action: QueueAction, *, reason: str, who: str
    ) -> list[ActOutcome]:
        """See QueuePort."""
        acted = await self._spool.act_on_deliveries(numbers, action, reason, who=who)
        return [ActOutcome(one.number, not one.refusal, one.refusal) for one in acted]

    async def _wanted(self, asked: DeliveryFilter) -> Wanted:
        if asked.destination is not None and asked.destination not in self._destinations():
            known = {cell.destination for cell in (await self._spool.summary()).cells}
            if asked.destination not in known:
                raise NotFound(f"there is no destination {asked.destination!r}")
        return Wanted(
            state=DeliveryState(asked.state) if asked.state else None,
            destination=asked.destination,
            priority=_PRIORITY[asked.priority] if asked.priority else None,
            cause=asked.cause,
            sop_class=None if asked.sop_class is None else sop_class_of(asked.sop_class),
            calling_ae=asked.calling_ae,
            received_from=asked.received_from,
            received_before=asked.received_before,
            up_to=asked.up_to,
            search=None if asked.q is None else meaning(asked.q),
        )


def sop_class_of(text: str) -> str:
    """Return the UID that a SOP class's name or UID means; ValueError when there is no such class."""
    if _UID.fullmatch(text):
        return text
    found = _UID_OF.get(text.strip().lower())
    if found is None:
        raise ValueError(f"sop_class: no storage SOP class has the name {text[:64]!r}")
    return found


def meaning(text: str) -> Search:
    """Return what a search may mean; what means nothing finds nothing."""
    text = text.strip()
    if not text:
        return Search()
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
    named = (uid for name, uid in _UID_OF.items() if name.startswith(text.lower()))
    return Search(
        number=number,
        instance_uid=text if _UID.fullmatch(text) else "",
        beginning=text,
        sop_classes=frozenset(named),
    )
