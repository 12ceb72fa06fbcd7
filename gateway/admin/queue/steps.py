"""Procedure steps that wait for their destination, and transactions of storage commitment."""

from __future__ import annotations

from typing import get_args

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.forms import FormError
from gateway.admin.queue import words
from gateway.admin.queue.acting import MAX_REASON, check_typed, word
from gateway.admin.queue.filters import PAGE_ROWS
from gateway.admin.visit import Visit
from gateway.operator import facts
from gateway.operator.client import ApiProblem

UNFINISHED = ("queued", "held")


async def steps(visit: Visit) -> web.StreamResponse:
    """Messages of procedure steps, in order of arrival."""
    state = visit.query("state")
    state = state if state in get_args(facts.StepStateName) else ""
    after = visit.query_number("after")
    page = await visit.gateway.get(
        facts.StepPage, "/v1/steps", state=state or None, after=after, limit=PAGE_ROWS
    )
    chosen = f"state={state}&" if state else ""
    return visit.render(
        "queue/steps.html" if not visit.is_fragment else "queue/steps_rows.html",
        tab="steps",
        state=state,
        steps=page.steps,
        words=words,
        unfinished=UNFINISHED,
        here=f"/queue/steps?{chosen}after={after or 0}",
        next_href="" if page.next is None else f"/queue/steps?{chosen}after={page.next}",
        first_href="" if not after else f"/queue/steps?{chosen}".rstrip("?&"),
        may={name: visit.user.may(Permission(name)) for name in ("steer", "discard")},
    )


async def retry(visit: Visit) -> web.StreamResponse:
    """Try one message again now."""
    number = int(visit.path_value("number"))
    try:
        await visit.gateway.post(facts.StepFacts, f"/v1/steps/{number}/retry")
    except ApiProblem as error:
        _refused(visit, error)
    else:
        visit.notice("ok", visit.text("Message %(number)s is tried again now.", number=number))
    return visit.redirect("/queue/steps")


async def ask(visit: Visit) -> web.StreamResponse:
    """Ask before a message is discarded."""
    return _ask(visit, None, "")


async def discard(visit: Visit) -> web.StreamResponse:
    """Give one message up for good."""
    form = await visit.form()
    number = int(visit.path_value("number"))
    reason = ""
    try:
        reason = form.text("reason", max_length=MAX_REASON)
        check_typed(form, word(visit, number))
    except FormError as error:
        return _ask(visit, error, reason)
    try:
        await visit.gateway.post(facts.StepFacts, f"/v1/steps/{number}/discard", facts.Reason(reason))
    except ApiProblem as error:
        _refused(visit, error)
    else:
        visit.notice("ok", visit.text("Message %(number)s is discarded.", number=number))
    return visit.redirect("/queue/steps")


def _ask(visit: Visit, error: FormError | None, reason: str) -> web.StreamResponse:
    number = int(visit.path_value("number"))
    return visit.render(
        "queue/step_discard.html",
        status=422 if error else 200,
        tab="steps",
        number=number,
        word=word(visit, number),
        field=error.field if error else "",
        error=visit.form_error(error) if error else "",
        reason=reason,
        max_reason=MAX_REASON,
    )


def _word(visit: Visit, number: int) -> str:
    return visit.text("discard %(count)s", count=number)


def _refused(visit: Visit, error: ApiProblem) -> None:
    if error.details.status not in (404, 409):
        raise error
    visit.notice("attention", visit.text("Nothing was done: the message is finished already, or gone."))


async def commitments(visit: Visit) -> web.StreamResponse:
    """Transactions of storage commitment, the newest first."""
    before = visit.query_number("before", low=1)
    page = await visit.gateway.get(facts.CommitmentPage, "/v1/commitments", before=before, limit=PAGE_ROWS)
    return visit.render(
        "queue/commitments.html" if not visit.is_fragment else "queue/commitments_rows.html",
        tab="commitments",
        commitments=page.commitments,
        words=words,
        here="/queue/commitments" + (f"?before={before}" if before else ""),
        next_href="" if page.next is None else f"/queue/commitments?before={page.next}",
        first_href="/queue/commitments" if before else "",
    )
