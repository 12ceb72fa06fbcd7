"""Lists of deliveries, a page at a time, and the search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.queue import words
from gateway.admin.queue.filters import COUNTED, MAX_SEARCH, PAGE_ROWS, Filter, is_instance_uid, page_of
from gateway.admin.visit import Visit
from gateway.operator import facts
from gateway.operator.client import ApiProblem
from gateway.operator.queue_facts import QueueKinds

HELD_FOR = (
    "conflict", "refused", "not-accepted", "not-convertible", "not-committed", "kept-other", "busy",
    "unknown-status", "cuts-association", "operator", "checking", "missing", "damaged", "unreadable",
    "rebuilt",
)  # fmt: skip
"""Causes for which something can be held, the usual ones first."""


async def listing(visit: Visit) -> web.StreamResponse:
    """The whole page."""
    wanted = Filter.of_address(visit)
    kinds = await visit.gateway.get(QueueKinds, "/v1/kinds")
    status = await visit.gateway.get(facts.Status, "/v1/status")
    return visit.render(
        "queue/list.html",
        tab="list",
        kinds=kinds,
        destinations=[one.name for one in status.destinations],
        words=words,
        translated=lambda known: [(name, visit.text(text)) for name, text in known.items()],
        pairs=_pairs,
        classes=_with([(one.uid, one.name) for one in kinds.sop_classes], wanted.sop_class),
        causes=_with([(name, visit.text(words.CAUSES[name])) for name in HELD_FOR], wanted.cause),
        **await _values(visit, wanted),
    )


def _pairs(names: Sequence[str], chosen: str) -> list[tuple[str, str]]:
    return _with([(name, name) for name in names], chosen)


def _with(options: list[tuple[str, str]], chosen: str) -> list[tuple[str, str]]:
    """Add what an address asks for and nobody knows: the form must not say that nothing is chosen."""
    known = not chosen or any(value == chosen for value, _ in options)
    return options if known else [*options, (chosen, chosen)]


async def rows(visit: Visit) -> web.StreamResponse:
    """The rows alone."""
    return visit.render("queue/rows.html", words=words, **await _values(visit, Filter.of_address(visit)))


async def find(visit: Visit) -> web.StreamResponse:
    """Search. What identifies an object, and so a patient, does not get into an address."""
    form = await visit.form()
    text = form.text("q", max_length=MAX_SEARCH, required=False)
    wanted = Filter.of_form(form).but(q=text)
    if not is_instance_uid(text):
        return visit.redirect(wanted.address())
    found = await page_of(visit, facts.DeliveryFilter(q=text), order="newest", limit=PAGE_ROWS)
    if not found.deliveries:
        visit.notice("info", visit.text("Nothing here has this SOP Instance UID."))
        return visit.redirect("/queue/list")
    if found.deliveries[0].sop_class == text:  # a private SOP class is named by its UID
        return visit.redirect(Filter(sop_class=text).address())
    numbers = sorted({one.object_number for one in found.deliveries})
    if len(numbers) > 1:
        listed = ", ".join(str(number) for number in numbers)
        said = visit.text("Several objects have this SOP Instance UID: %(numbers)s.", numbers=listed)
        visit.notice("attention", said)
    if len(found.deliveries) == 1:
        return visit.redirect(f"/queue/{found.deliveries[0].number}")
    return visit.redirect(Filter(q=str(numbers[0])).address())


async def _values(visit: Visit, wanted: Filter) -> dict[str, Any]:
    after, before = visit.query_number("after"), visit.query_number("before", low=1)
    if after is not None and before is not None:
        after = None
    problem = ""
    page = facts.DeliveryPage((), None)
    try:
        page = await page_of(
            visit,
            wanted.facts(),
            order="newest" if wanted.newest_first else "oldest",
            after=after,
            before=before,
            limit=PAGE_ROWS,
            count=COUNTED,
        )
    except ApiProblem as error:
        if error.details.status not in (400, 404):
            raise
        problem = str(error)
    forwards, backwards = ("before", "after") if wanted.newest_first else ("after", "before")
    pinned = visit.query("pinned") == "1"
    cut: dict[str, int | None] = {"after": after, "before": before, "pinned": 1 if pinned else None}
    if wanted.newest_first and after is None and before is None and page.deliveries:
        # From the same number on as it is shown now: what is new must not push the rows away.
        cut = {"before": page.deliveries[0].number + 1, "pinned": 1}
    may = {name: visit.user.may(Permission(name)) for name in ("steer", "discard", "export")}
    return {
        "wanted": wanted,
        "listed": page,
        "problem": problem,
        "why": {one.number: words.why(visit, one) for one in page.deliveries},
        "here": wanted.address({"after": after, "before": before}),
        "refresh": wanted.address(cut, "/queue/list/rows"),
        "next_href": "" if page.next is None else wanted.address({forwards: page.next}),
        "previous_href": "" if page.previous is None else wanted.address({backwards: page.previous}),
        "newer": pinned and page.previous is not None,
        "may": may,
        "selectable": any(may.values()),
    }
