"""One action for one delivery, for a selection, or for all that match: asked, confirmed, done, told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.forms import Form, FormError
from gateway.admin.page import N_
from gateway.admin.queue import words
from gateway.admin.queue.filters import COUNTED, Filter, numbers_in, page_of
from gateway.admin.visit import Visit
from gateway.operator.client import ApiProblem
from gateway.operator.queue_facts import ActReport, ActRequest, QueueAction

NEEDS = {
    "retry": Permission.STEER,
    "hold": Permission.STEER,
    "release": Permission.STEER,
    "discard": Permission.DISCARD,
    "export": Permission.EXPORT,
}
MAX_REASON = 500
_SHOWN = 30  # numbers that are listed on the page that asks


@dataclass(frozen=True, slots=True)
class Selection:
    """What an action is for: deliveries by number, or all that match, up to the newest that was seen."""

    numbers: tuple[int, ...]
    wanted: Filter
    everything: bool
    up_to: int | None
    count: int

    @property
    def shown(self) -> tuple[int, ...]:
        """Some of the numbers, for people to recognise."""
        return self.numbers[:_SHOWN]


async def choose(visit: Visit) -> web.StreamResponse:
    """Take a selection: do at once what can be undone, ask before anything else."""
    form = await visit.form()
    action = form.choice("action", tuple(NEEDS))
    _check_may(visit, action)
    selection = await read_selection(visit, form)
    if not selection.count:
        visit.notice("info", visit.text("Nothing was chosen. Tick what it is for, then press the button."))
        return visit.redirect(back_of(form))
    if action == "export":
        return await _ask_export(visit, form, selection)
    if action in ("retry", "release") and not selection.everything:
        return await _do(visit, form, action, selection, "")
    return _ask(visit, form, action, selection)


async def act(visit: Visit) -> web.StreamResponse:
    """Do what was confirmed."""
    form = await visit.form()
    action = form.choice("action", ("retry", "hold", "release"))
    return await _confirmed(visit, form, action)


async def discard(visit: Visit) -> web.StreamResponse:
    """Give deliveries up for good."""
    return await _confirmed(visit, await visit.form(), "discard")


async def _confirmed(visit: Visit, form: Form, action: str) -> web.StreamResponse:
    selection = await read_selection(visit, form, seen=True)
    reason = ""
    try:
        if action in ("hold", "discard"):
            reason = form.text("reason", max_length=MAX_REASON)
        if action == "discard":
            check_typed(form, word(visit, selection.count))
    except FormError as error:
        return _ask(visit, form, action, selection, error=error)
    return await _do(visit, form, action, selection, reason)


def word(visit: Visit, count: int) -> str:
    """Return what has to be typed to discard so many."""
    return visit.text("discard %(count)s", count=count)


def check_typed(form: Form, wanted: str) -> None:
    """FormError unless exactly this was typed; spaces and capitals do not count."""
    if " ".join(form.text("typed").lower().split()) != wanted.lower():
        raise FormError("typed", N_("Please type exactly: %(word)s"), word=wanted)


async def read_selection(visit: Visit, form: Form, *, seen: bool = False) -> Selection:
    """Return what was ticked, or all that match. `seen`: as it was counted on the page that asked."""
    wanted = Filter.of_form(form)
    everything = form.flag("everything") and wanted.narrows
    if not everything:
        numbers = numbers_in(form)
        return Selection(numbers, wanted, False, None, len(numbers))
    if seen:
        return Selection(
            (),
            wanted,
            True,
            form.number("up_to", low=0, high=2**62),
            form.number("expected", low=0, high=COUNTED),
        )
    newest = await page_of(visit, wanted.facts(), order="newest", limit=1)
    up_to = newest.deliveries[0].number if newest.deliveries else 0
    counted = await page_of(visit, wanted.facts(up_to), order="newest", limit=_SHOWN, count=COUNTED)
    shown = tuple(one.number for one in counted.deliveries)
    return Selection(shown, wanted, True, up_to, counted.total or 0)


def back_of(form: Form) -> str:
    """Return where the form was: a path of this page only."""
    back = form.text("back", max_length=1000, required=False)
    return back if back == "/queue" or back.startswith(("/queue/", "/queue?")) else "/queue/list"


def _check_may(visit: Visit, action: str) -> None:
    if not visit.user.may(NEEDS[action]):
        raise web.HTTPForbidden


def _ask(
    visit: Visit, form: Form, action: str, selection: Selection, error: FormError | None = None
) -> web.StreamResponse:
    return visit.render(
        "queue/confirm.html",
        status=422 if error else 200,
        action=action,
        title=visit.text(words.ACTIONS[action]),
        selection=selection,
        word=word(visit, selection.count),
        back=back_of(form),
        field=error.field if error else "",
        error=visit.form_error(error) if error else "",
        reason=_typed_reason(form),
        most=COUNTED,
        max_reason=MAX_REASON,
        tab="list",
    )


def _typed_reason(form: Form) -> str:
    try:
        return form.text("reason", max_length=MAX_REASON, required=False)
    except FormError:
        return ""


async def _ask_export(visit: Visit, form: Form, selection: Selection) -> web.StreamResponse:
    # The other direction of imports: exporting needs the selection.
    from gateway.admin.queue.exporting import ask_export

    return await ask_export(visit, form, selection)


async def _do(visit: Visit, form: Form, action: str, selection: Selection, reason: str) -> web.StreamResponse:
    request = ActRequest(
        cast(QueueAction, action),
        numbers=() if selection.everything else selection.numbers,
        filter=selection.wanted.facts(selection.up_to) if selection.everything else None,
        reason=reason,
        expected=selection.count if selection.everything and action == "discard" else None,
    )
    try:
        report = await visit.gateway.post(ActReport, "/v1/deliveries/act", request)
    except ApiProblem as error:
        if error.details.status != 409:
            raise
        said = visit.text("Nothing was done: the number of matching objects has changed. Please look again.")
        visit.notice("attention", said)
        return visit.redirect(back_of(form))
    tell(visit, action, report)
    return visit.redirect(back_of(form))


def tell(visit: Visit, action: str, report: ActReport) -> None:
    """Say on the next page what was done, and what was not."""
    if report.done:
        visit.notice("ok", _done(visit, action, report.done))
    if report.refused:
        visit.notice(
            "attention",
            visit.ntext(
                "%(count)s object was left as it is, because its state does not allow this: %(numbers)s",
                "%(count)s objects were left as they are, because their state does not allow this: "
                "%(numbers)s",
                report.refused,
                numbers=_some(report),
            ),
        )
    if report.more:
        visit.notice("info", visit.text("There are more. Do the same again for the rest."))


def _done(visit: Visit, action: str, count: int) -> str:
    # Written out one by one: languages have plurals of their own, and find them by both forms together.
    if action == "retry":
        return visit.ntext(
            "%(count)s object is back in the queue and is sent as soon as possible.",
            "%(count)s objects are back in the queue and are sent as soon as possible.",
            count,
        )
    if action == "release":
        return visit.ntext("%(count)s object is released.", "%(count)s objects are released.", count)
    if action == "hold":
        return visit.ntext("%(count)s object is held back.", "%(count)s objects are held back.", count)
    return visit.ntext("%(count)s object is discarded.", "%(count)s objects are discarded.", count)


def _some(report: ActReport) -> str:
    refused: Sequence[int] = [one.number for one in report.outcomes if not one.done]
    return ", ".join(str(number) for number in refused[:10]) + (" …" if len(refused) > 10 else "")
