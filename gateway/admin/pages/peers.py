"""Consoles and centres: who calls this gateway, whom it calls, what they agreed to, whether they answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from gateway.admin import contacts, drawing
from gateway.admin.access.permissions import Permission
from gateway.admin.contacts import Told
from gateway.admin.drawing import Drawing, Node
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit
from gateway.admin.words import ago
from gateway.operator.facts import Associations, EchoReport
from gateway.operator.sections.peers import (
    CallerDetails,
    CallerFacts,
    Callers,
    ContextFacts,
    PeerDetails,
    PeerFacts,
    Peers,
    Routes,
)

PAGE_SIZE = 50
"""Consoles, and live associations, of one page."""

JUST = 5.0
"""Seconds: what happened since is told as having happened just now."""

_KINDS = {"open": "ok", "turned-away": "attention", "seen": "info", "quiet": "off"}
_REACH = {"up": "ok", "down": "attention", "unknown": "info"}


@dataclass(frozen=True, slots=True)
class Console:
    """One caller, as it is shown."""

    facts: CallerFacts
    name: str
    standing: str
    kind: str
    words: str
    refusal: Told | None


@dataclass(frozen=True, slots=True)
class Centre:
    """One peer, as it is shown."""

    facts: PeerFacts
    reach: str
    kind: str
    words: str
    path: str
    trouble: str  # what went wrong last, when that is what counts now


@dataclass(frozen=True, slots=True)
class Context:
    """One kind of object or service, as it is shown."""

    facts: ContextFacts
    why: str


def _console(visit: Visit, facts: CallerFacts, now: float) -> Console:
    standing = contacts.standing(facts, now)
    seen = _since(visit, facts.last_at, now)
    words = {
        "open": visit.ntext("%(count)s association is open", "%(count)s associations are open", facts.open),
        "turned-away": visit.text("turned away %(when)s", when=seen),
        "seen": visit.text("seen %(when)s", when=seen),
        "quiet": visit.text("seen %(when)s", when=seen),
    }[standing]
    told = contacts.refusal(visit, facts, facts.last_refusal) if facts.last_refusal else None
    name = facts.calling_ae or facts.address
    return Console(facts, name, standing, _KINDS[standing], words, told)


def _centre(visit: Visit, facts: PeerFacts, now: float) -> Centre:
    reach = contacts.reach(facts)
    contact = _since(visit, facts.last_contact_at, now)
    if reach == "down":
        words = visit.text("does not answer")
    elif reach == "up" and facts.last_contact_at is not None:
        words = visit.text("answered %(when)s", when=contact)
    elif reach == "up":
        words = visit.text("answers")
    else:
        words = visit.text("not called yet")
    trouble = ""
    if reach == "down":
        trouble = facts.reason or facts.last_failure
    path = f"/peers/centre/{quote(facts.name, safe='')}"
    return Centre(facts, reach, _REACH[reach], words, path, trouble)


def _since(visit: Visit, at: float | None, now: float) -> str:
    """Say how long ago something was."""
    return visit.text("just now") if at is not None and now - at < JUST else ago(visit.lang, at, now)


async def _gather(visit: Visit) -> dict[str, Any]:
    """Everything the page is made of."""
    gateway = visit.gateway
    callers, peers, routing, live = await asyncio.gather(
        gateway.get(Callers, "/v1/callers"),
        gateway.get(Peers, "/v1/peers"),
        gateway.get(Routes, "/v1/routes"),
        gateway.get(Associations, "/v1/associations"),
    )
    now = time.time()
    consoles = [_console(visit, caller, now) for caller in callers.callers]
    known = [one for one in consoles if one.facts.known]
    strangers = [one for one in consoles if not one.facts.known]
    centres = [_centre(visit, peer, now) for peer in peers.peers]
    return {
        "since": callers.since,
        "known": known,
        "strangers": strangers,
        "centres": centres,
        "routing": routing,
        "open_to_all": contacts.open_to_all,
        "live": live.associations[:PAGE_SIZE],
        "live_count": len(live.associations),
        "pictures": _pictures(visit, known, strangers, centres),
        "may_test": visit.user.may(Permission.TEST),
        "may_configure": visit.user.may(Permission.CONFIGURE),
    }


def _pictures(
    visit: Visit, known: Sequence[Console], strangers: Sequence[Console], centres: Sequence[Centre]
) -> dict[str, Drawing]:
    """Draw those that matter: who was let in, who was turned away lately, and every centre."""
    lately = [one for one in strangers if one.standing == "turned-away"]
    left = [Node(one.kind, one.name, one.words) for one in [*known, *lately]]
    right = [Node(one.kind, one.facts.name, one.words) for one in centres]
    title = N_("no console has called yet"), N_("no centre is configured")
    if not left:
        left = [Node("info", visit.text("Consoles"), visit.text(title[0]))]
    if not right:
        right = [Node("info", visit.text("Centres"), visit.text(title[1]))]
    middle = Node("ok", visit.settings.gateway_name, visit.settings.ae_title)
    shown = _some(visit, left), middle, _some(visit, right)
    return {"wide": drawing.wide(*shown), "tall": drawing.tall(*shown)}


def _some(visit: Visit, nodes: list[Node]) -> list[Node]:
    if len(nodes) <= drawing.MOST:
        return nodes
    left = len(nodes) - drawing.MOST + 1
    words = visit.ntext("and %(count)s more", "and %(count)s more", left)
    return [*nodes[: drawing.MOST - 1], Node("info", words, visit.text("see the list below"))]


# ---- pages ---------------------------------------------------------------------------------------------


async def index(visit: Visit) -> web.StreamResponse:
    """Show everything at once."""
    return visit.render("peers/index.html", **await _gather(visit))


async def now(visit: Visit) -> web.StreamResponse:
    """Show again what changes while somebody looks: the picture, consoles, centres, live associations."""
    return visit.render("peers/now.html", **await _gather(visit))


async def caller(visit: Visit) -> web.StreamResponse:
    """Show one console with everything it proposed."""
    details = await visit.gateway.get(CallerDetails, f"/v1/callers/{visit.path_value('number')}")
    console = _console(visit, details.caller, time.time())
    return visit.render(
        "peers/caller.html", console=console, terms=details.terms, **_contexts(visit, details.contexts)
    )


async def centre(visit: Visit) -> web.StreamResponse:
    """Show one centre with everything that was negotiated."""
    return await _show_centre(visit, None)


async def test(visit: Visit) -> web.StreamResponse:
    """Ask a centre whether it answers, step by step."""
    name = visit.path_value("name")
    report = await visit.gateway.post(EchoReport, f"/v1/peers/{quote(name, safe='')}/echo")
    if not visit.is_fragment:
        return await _show_centre(visit, report)
    details = await visit.gateway.get(PeerDetails, f"/v1/peers/{quote(name, safe='')}")
    return visit.render("peers/tested.html", **_tested(visit, details.peer, report))


async def _show_centre(visit: Visit, report: EchoReport | None) -> web.StreamResponse:
    name = visit.path_value("name")
    details = await visit.gateway.get(PeerDetails, f"/v1/peers/{quote(name, safe='')}")
    return visit.render(
        "peers/centre.html",
        centre=_centre(visit, details.peer, time.time()),
        terms=details.terms,
        phases=contacts.PHASES,
        may_test=visit.user.may(Permission.TEST),
        may_configure=visit.user.may(Permission.CONFIGURE),
        **_tested(visit, details.peer, report),
        **_contexts(visit, details.contexts),
    )


def _tested(visit: Visit, peer: PeerFacts, report: EchoReport | None) -> dict[str, Any]:
    """What is shown of a test: its steps, and what to do when one failed."""
    steps, advice = [], ""
    for step in report.steps if report else ():
        title = visit.text(contacts.STEPS.get(step.step, step.step))
        steps.append(("ok" if step.ok else "failed", title, step.seconds, step.words))
        if not step.ok and step.step in contacts.ADVICE:
            values = {"port": peer.port, "ours": peer.calling_ae, "theirs": peer.ae_title}
            advice = visit.text(contacts.ADVICE[step.step], **values)
    return {"report": report, "steps": steps, "advice": advice, "tested": peer, "at": time.time()}


def _contexts(visit: Visit, contexts: Sequence[ContextFacts]) -> dict[str, Any]:
    refused = [Context(one, contacts.result(visit, one)) for one in contexts if one.result is not None]
    accepted = [Context(one, "") for one in contexts if one.result is None]
    return {"refused": refused, "accepted": accepted}


_CENTRE = "/peers/centre/{name:[^/]{1,64}}"

PAGE = Page(
    name="peers",
    title=N_("Consoles and centres"),
    icon="console",
    path="/peers",
    group="daily",
    routes=(
        Route("GET", "/peers", index),
        Route("GET", "/peers/now", now),
        Route("GET", "/peers/console/{number:\\d{1,18}}", caller),
        Route("GET", _CENTRE, centre),
        Route("POST", _CENTRE + "/test", test, needs=Permission.TEST),
    ),
)
