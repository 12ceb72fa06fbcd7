"""What is held, by destination and reason."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.queue import words
from gateway.admin.queue.filters import Filter
from gateway.admin.visit import Visit
from gateway.operator.facts import DeliveryFilter
from gateway.operator.queue_facts import ActReport, ActRequest, HeldGroupFacts, HeldGroups

_BY_THEMSELVES = ("checking",)  # nobody has to do anything
# Trying again is not the answer:
_NOT_AGAIN = ("checking", "missing", "damaged", "operator", "conflict", "rebuilt")


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it is shown."""

    facts: HeldGroupFacts
    title: str
    next_step: str
    href: str  # its deliveries
    retry: bool  # whether trying again is offered
    release: bool


async def held(visit: Visit) -> web.StreamResponse:
    """The whole page."""
    groups = await _groups(visit)
    count = sum(group.facts.count for group in groups)
    return visit.render("queue/held.html", tab="held", groups=groups, held=count, may=_may(visit))


async def groups(visit: Visit) -> web.StreamResponse:
    """The part that changes."""
    return visit.render("queue/held_groups.html", groups=await _groups(visit), may=_may(visit))


async def again(visit: Visit) -> web.StreamResponse:
    """Try all of a group again, or release it, as it was seen: what was held since is not touched."""
    form = await visit.form()
    action = form.choice("action", ("retry", "release"))
    wanted = DeliveryFilter(
        state="held",
        destination=form.text("destination", max_length=64),
        cause=form.text("cause", max_length=64),
        up_to=form.number("up_to", low=1, high=2**62),
    )
    request = ActRequest("retry" if action == "retry" else "release", filter=wanted)
    report = await visit.gateway.post(ActReport, "/v1/deliveries/act", request)
    said = visit.ntext(
        "%(count)s object is back in the queue.",
        "%(count)s objects are back in the queue.",
        report.done,
    )
    if report.more:
        said += " " + visit.text("There are more in this group: press again for the rest.")
    visit.notice("ok" if not report.refused else "attention", said)
    if report.refused:
        visit.notice(
            "attention",
            visit.ntext(
                "%(count)s object was left as it is, because its state does not allow this any more.",
                "%(count)s objects were left as they are, because their state does not allow this any more.",
                report.refused,
            ),
        )
    return visit.redirect("/queue/held")


async def _groups(visit: Visit) -> list[Group]:
    found = await visit.gateway.get(HeldGroups, "/v1/held")
    return [_group(visit, one) for one in found.groups]


def _group(visit: Visit, one: HeldGroupFacts) -> Group:
    return Group(
        facts=one,
        title=words.cause(visit, one.cause) or (one.words[0] if one.words else one.cause),
        next_step=words.next_step(visit, one.next_step_code, one.next_step),
        href=Filter(state="held", destination=one.destination, cause=one.cause).address(),
        retry=one.cause not in _NOT_AGAIN,
        release=one.cause not in _BY_THEMSELVES and one.cause not in ("missing", "damaged"),
    )


def _may(visit: Visit) -> dict[str, bool]:
    return {name: visit.user.may(Permission(name)) for name in ("steer", "discard", "export")}
