"""One object from the association that brought it to the receipt, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.queue import words
from gateway.admin.visit import Visit
from gateway.operator import facts


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, as it is told."""

    at: float
    kind: str  # ok, waiting, attention, off or info
    title: str
    detail: str = ""  # in the reader's language
    quote: str = ""  # the peer's own words
    status: str = ""  # DIMSE status, as 0xA700
    standard: str = ""  # what the standard calls it, in English
    log: str = ""  # the gateway's own English words, where there are no better
    reason: str = ""  # what a person gave as the reason
    who: str = ""


async def story(visit: Visit) -> web.StreamResponse:
    """The whole page."""
    values = await _values(visit)
    return visit.render("queue/story.html", tab="list", **values)


async def part(visit: Visit) -> web.StreamResponse:
    """The part that changes."""
    return visit.render("queue/story_now.html", **await _values(visit))


async def _values(visit: Visit) -> dict[str, Any]:
    number = int(visit.path_value("number"))
    told = await visit.gateway.get(facts.Story, f"/v1/deliveries/{number}")
    possible = words.POSSIBLE.get(told.delivery.state, ())
    if not told.bytes_kept:
        possible = tuple(action for action in possible if action not in ("retry", "release"))
    needs = {"discard": Permission.DISCARD}
    actions = [action for action in possible if visit.user.may(needs.get(action, Permission.STEER))]
    return {
        "story": told,
        "moments": moments(visit, told),
        "next_step": words.next_step(visit, told.next_step_code, told.next_step),
        "kind": _kind_of(told),
        "actions": actions,
        "words": words,
        "why": words.why(visit, told.delivery),
        "may_export": visit.user.may(Permission.EXPORT) and told.bytes_kept,
    }


def _kind_of(told: facts.Story) -> str:
    """How the box that says what to do next looks."""
    if told.delivery.state == "held" and told.next_step_code != "held-checking":
        return "attention"
    if told.next_step_code in ("not-configured", "paused"):
        return "attention"
    return "waiting" if told.delivery.state in ("queued", "sending", "held") else "ok"


def moments(visit: Visit, told: facts.Story) -> list[Moment]:
    """Return what happened, in order of time; what has the same time stays in its order."""
    happened = [_event(visit, event) for event in told.history]
    happened += [_receipt(visit, receipt) for receipt in told.receipts]
    return sorted(happened, key=lambda one: one.at)


_OPERATORS = ("held-by-operator", "discarded")  # their words are a person's reason


def _event(visit: Visit, event: facts.EventFacts) -> Moment:
    title = words.EVENTS.get(event.what)
    why = words.cause(visit, event.cause)
    by_person = event.what in _OPERATORS and bool(event.who)
    return Moment(
        at=event.at,
        kind=words.EVENT_KINDS.get(event.what, "info"),
        title=visit.text(title) if title else event.what,
        detail=why,
        quote=event.said,
        status=event.status,
        log="" if by_person or event.what in ("retried", "released-by-operator") else event.words,
        reason=event.words if by_person else "",
        who=event.who,
    )


def _receipt(visit: Visit, receipt: facts.ReceiptFacts) -> Moment:
    warned = receipt.status != "0x0000"
    title = (
        visit.text("%(name)s accepted it, with a warning", name=receipt.destination)
        if warned
        else visit.text("%(name)s accepted it", name=receipt.destination)
    )
    if receipt.same_bytes:
        how = visit.text("It was sent exactly as it was received.")
    else:
        how = visit.text(
            "It was converted without loss to %(syntax)s for this destination.",
            syntax=receipt.transfer_syntax,
        )
    return Moment(
        at=receipt.at,
        kind="waiting" if warned else "ok",
        title=title,
        detail=how,
        quote=receipt.comment,
        status=receipt.status,
        standard=receipt.words if warned else "",
    )
