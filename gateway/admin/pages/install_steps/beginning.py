"""The first steps: what this gateway is called, where consoles reach it, and whether its clock is right."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from aiohttp import web

from gateway.admin.diagnosis.sentences import said as told_now
from gateway.admin.forms import Form, FormError
from gateway.admin.installing import machine
from gateway.admin.installing.answers import MAX_NETWORKS, Answers
from gateway.admin.installing.machine import Choice, Reach
from gateway.admin.page import N_
from gateway.admin.pages.install_steps.fields import Fields
from gateway.admin.pages.install_steps.place import Place
from gateway.admin.words import zone_name
from gateway.config.checks import is_public
from gateway.health.report import MachineReport
from gateway.operator.sections.peers import Routes

MAX_SITE = 500

_MANAGERS = {
    "NetworkManager": N_("NetworkManager sets them: use the program nmtui on this device."),
    "systemd-networkd": N_(
        "systemd-networkd sets them: change the files in /etc/systemd/network on this device."
    ),
    "ifupdown": N_("ifupdown sets them: change the file /etc/network/interfaces on this device."),
    "dhcpcd": N_("dhcpcd sets them: change the file /etc/dhcpcd.conf on this device."),
    "": N_("Which program sets them cannot be told from here; ask who prepared this device."),
}
_PORTS = {
    "free": ("ok", N_("Port %(port)s is free on this address.")),
    "ours": ("ok", N_("The gateway listens on port %(port)s of this address already.")),
    "taken": ("attention", N_("Another program of this device uses port %(port)s. Choose another port.")),
    "not-here": ("attention", N_("This device does not have the address %(address)s at present.")),
    "unknown": (
        "waiting",
        N_(
            "Whether port %(port)s can be used cannot be told from here (the page has fewer rights than the "
            "gateway). Applying will show it."
        ),
    ),
}


# ---- 1: name ----------------------------------------------------------------------------------------------


async def name(place: Place) -> web.StreamResponse:
    """Ask what this gateway is called."""
    given = {
        "gateway": place.draft.answers.gateway,
        "ae_title": place.draft.answers.ae_title,
        "site": place.draft.site,
    }
    return place.render("name", given=given)


async def save_name(place: Place) -> web.StreamResponse:
    """Take the names."""
    form = await place.visit.form()
    fields = Fields(place.visit, form)
    gateway, title = fields.name("gateway"), fields.title("ae_title")
    site = fields.text("site", most=MAX_SITE, lines=True)
    if fields.errors:
        given = as_typed(form, ("gateway", "ae_title", "site"))
        return place.render("name", 422, given=given, errors=fields.errors)
    done = await place.answer(
        "name", lambda answers: replace(answers, gateway=gateway, ae_title=title), site=site
    )
    return done.next("name")


# ---- 2: network -------------------------------------------------------------------------------------------


async def network(place: Place) -> web.StreamResponse:
    """Show the network, and ask where consoles reach this device."""
    return await _network(place, 200, _listening(place.draft.answers), {})


async def save_network(place: Place) -> web.StreamResponse:
    """Take address, port and allowed networks."""
    form = await place.visit.form()
    fields = Fields(place.visit, form)
    found = await choices(place)
    old = place.draft.answers
    known = {one.address for one in found} | ({old.address} if old.address else set())
    address = fields.choice("address", tuple(known))
    port = fields.number("port")
    allow = fields.networks("allow", MAX_NETWORKS)
    if address and is_public(address) and not old.listener_tls and address != place.current.address:
        fields.wrong(
            "address", N_("Plain DICOM would be open to the world here. Choose an address that is private.")
        )
    if address and port and not fields.errors:
        state = machine.port_state(address, port, await _ours(place))
        if state == "taken":
            fields.wrong("port", _PORTS[state][1], port=port)
    if fields.errors:
        given = as_typed(form, ("address", "port", "allow"))
        return await _network(place, 422, given, fields.errors)
    done = await place.answer(
        "network", lambda answers: replace(answers, address=address, port=port, allow=allow)
    )
    return done.next("network")


async def look_from_network(place: Place) -> web.StreamResponse:
    """Look whether the hosts of the centres are found from here."""
    return await _network(
        place, 200, _listening(place.draft.answers), {}, await look_for_centres(place.draft.answers)
    )


async def look_for_centres(answers: Answers) -> list[Reach]:
    """Look for each centre's host by name and TCP. Nothing of DICOM is said."""
    return list(await asyncio.gather(*(machine.reach(one.host, one.port) for one in answers.centres)))


def _listening(answers: Answers) -> dict[str, str]:
    return {
        "address": answers.address,
        "port": str(answers.port or 11112),
        "allow": "\n".join(answers.allow),
    }


async def _network(
    place: Place, status: int, given: dict[str, str], errors: dict[str, str], looked: Iterable[Reach] = ()
) -> web.Response:
    report = await machine_report(place)
    found = await choices(place)
    if not given["address"]:
        given["address"] = next((one.address for one in found if one.kind == "private"), "")
    chosen = next((one for one in found if one.address == given["address"]), None)
    if not given["allow"] and not place.draft.answers.address and chosen is not None:
        given["allow"] = chosen.network
    kept = place.draft.answers.address
    return place.render(
        "network",
        status,
        given=given,
        errors=errors,
        network=report.network,
        finding=told_now(place.visit, report.network.finding.words),
        found=found,
        kept=kept if kept and all(one.address != kept for one in found) else "",
        port_note=await _port_note(place, given),
        manager=place.visit.text(_MANAGERS[machine.manager()]),
        looked=list(looked),
    )


async def _port_note(place: Place, given: dict[str, str]) -> tuple[str, str] | None:
    """Say how it stands with the address and the port: (kind, words)."""
    if not given["address"] or not given["port"].isdigit():
        return None
    ours = await _ours(place)
    kind, words = _PORTS[machine.port_state(given["address"], int(given["port"]) % 65536, ours)]
    return kind, place.visit.text(words, address=given["address"], port=given["port"])


async def _ours(place: Place) -> list[tuple[str, int]]:
    routes = await place.visit.gateway.get(Routes, "/v1/routes")
    return [(door.address, door.port) for door in routes.listeners]


async def choices(place: Place) -> list[Choice]:
    """Return the addresses of this machine."""
    report = await machine_report(place)
    return await asyncio.to_thread(machine.choices, report.network)


async def machine_report(place: Place) -> MachineReport:
    """Return the state of the machine, a few seconds old at most."""
    return await place.visit.services.diagnosis.machine.report((place.visit.settings.state_dir,))


# ---- 3: time ----------------------------------------------------------------------------------------------


async def clock(place: Place) -> web.StreamResponse:
    """Show the clock."""
    return await _clock(place, 200, "")


async def save_clock(place: Place) -> web.StreamResponse:
    """Go on when the clock is trusted, or when somebody answers for it."""
    form = await place.visit.form()
    report = await machine_report(place)
    if not report.clock.trusted and not form.flag("compared"):
        words = place.visit.text("Compare the time above with a clock you trust, and tick this.")
        return await _clock(place, 422, words)
    return (await place.done("time", "done" if report.clock.trusted else "attention")).next("time")


async def _clock(place: Place, status: int, error: str) -> web.Response:
    clock = (await machine_report(place)).clock
    step = clock.finding.next_step
    return place.render(
        "time",
        status,
        clock=clock,
        finding=told_now(place.visit, clock.finding.words),
        next_step=told_now(place.visit, step) if step else "",
        zone=zone(),
        now=time.time(),
        error=error,
    )


def zone() -> str:
    """Return the zone of this machine's clock."""
    return zone_name(datetime.datetime.now(datetime.UTC).astimezone())


def typed(form: Form, field: str) -> str:
    """Return what was typed, to be shown again; empty when it cannot be shown."""
    try:
        return form.text(field, max_length=4000, required=False, lines=True)
    except FormError:
        return ""


def as_typed(form: Form, fields: Iterable[str]) -> dict[str, Any]:
    """Return the fields as they were typed."""
    return {field: typed(form, field) for field in fields}
