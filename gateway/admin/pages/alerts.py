"""The page Alerts: what is wrong, who knows of it, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.alerts.book import Alert, NotActive
from gateway.admin.alerts.channels import Channel, NotTold
from gateway.admin.alerts.conditions import Kind, Severity
from gateway.admin.alerts.service import NoSuchChannel
from gateway.admin.alerts.speaker import CatalogueSpeaker
from gateway.admin.alerts.store import ChannelRecord
from gateway.admin.alerts.texts import words
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit

_HISTORY = 50  # alerts on one page of the history

_LEADS_TO = {
    Kind.GATEWAY_SILENT: "/system",
    Kind.RECORD_WAITS: "/link",
    Kind.OBJECT_WAITS: "/queue",
    Kind.LINK_DOWN: "/link",
    Kind.HELD: "/queue/held",
    Kind.STEPS_HELD: "/queue",
    Kind.NO_ROOM_RECORDS: "/system",
    Kind.NO_ROOM_IMAGES: "/system",
    Kind.LITTLE_ROOM: "/system",
    Kind.CERTIFICATE_ENDS: "/certificates",
    Kind.CERTIFICATE_ENDED: "/certificates",
    Kind.CLOCK: "/system",
}

CHANNEL_NAMES = {
    "email": N_("E-mail"),
    "webhook": N_("Web hook"),
    "syslog": N_("Syslog"),
    "snmp": N_("SNMP trap"),
}


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """One alert, ready to be read."""

    number: int
    critical: bool
    what: str
    advice: str
    href: str  # where to look; empty when the reader may not
    raised_at: float
    over_at: float | None
    acknowledged_at: float | None
    acknowledged_by: str


@dataclass(frozen=True, slots=True)
class ShownChannel:
    """One way to tell, and how it has fared."""

    channel: Channel
    title: str
    record: ChannelRecord


async def overview(visit: Visit) -> web.StreamResponse:
    """The whole page."""
    return visit.render("alerts/index.html", **await _values(visit))


async def now(visit: Visit) -> web.StreamResponse:
    """What is wrong now, and the channels: the parts that change."""
    return visit.render("alerts/now.html", **await _values(visit))


async def mark(visit: Visit) -> web.StreamResponse:
    """How many alerts nobody has acknowledged: for the menu of every page."""
    return visit.render("alerts/mark.html", mark=visit.services.alerts.unknown)


async def acknowledge(visit: Visit) -> web.StreamResponse:
    """Remember that this person knows."""
    number = int(visit.path_value("number"))
    try:
        await visit.services.alerts.acknowledge(number, visit.user.name)
    except NotActive:
        visit.notice("info", visit.text("This alert is over."))
    else:
        await visit.audit("acknowledge", f"alert={number}")
    return visit.redirect("/alerts")


async def history(visit: Visit) -> web.StreamResponse:
    """Alerts that are over, a page of them."""
    before = visit.query_number("before", low=1)
    found = await visit.services.alerts.history(before, _HISTORY + 1)
    shown = [_shown(visit, alert) for alert in found[:_HISTORY]]
    following = f"/alerts/history?before={shown[-1].number}" if len(found) > _HISTORY else ""
    return visit.render("alerts/history.html", alerts=shown, older=following, first=before is None)


async def try_channel(visit: Visit) -> web.StreamResponse:
    """Send a test message."""
    name = visit.path_value("name")
    try:
        await visit.services.alerts.try_channel(name)
    except NoSuchChannel:
        raise web.HTTPNotFound from None
    except NotTold as error:
        await visit.audit("alert test", f"channel={name}", outcome="not told")
        visit.notice("attention", visit.text("The test was not taken: %(reason)s", reason=str(error)))
    else:
        await visit.audit("alert test", f"channel={name}")
        visit.notice("ok", visit.text("The test message is on its way. Look whether it arrives."))
    return visit.redirect("/alerts")


async def _values(visit: Visit) -> dict[str, Any]:
    alerts = visit.services.alerts
    await alerts.look()
    return {
        "alerts": [_shown(visit, alert) for alert in alerts.report.active],
        "channels": [
            ShownChannel(channel, visit.text(CHANNEL_NAMES[channel.name]), await alerts.record(channel))
            for channel in alerts.channels
        ],
        "may_acknowledge": visit.user.may(Permission.ACKNOWLEDGE),
        "may_configure": visit.user.may(Permission.CONFIGURE),
    }


def _shown(visit: Visit, alert: Alert) -> ShownAlert:
    speaker = CatalogueSpeaker(visit.lang, visit.services.languages.catalogue(visit.lang))
    said = words(alert, speaker)
    href = "/queue" if alert.condition.values.get("paused") else _LEADS_TO[alert.condition.kind]
    name = href.split("/")[1]
    reachable = any(page.name == name for _, pages in visit.menu() for page in pages)
    return ShownAlert(
        number=alert.number,
        critical=alert.condition.severity is Severity.CRITICAL,
        what=said.what,
        advice=said.advice,
        href=href if reachable else "",
        raised_at=alert.raised_at,
        over_at=alert.over_at,
        acknowledged_at=alert.acknowledged_at,
        acknowledged_by=alert.acknowledged_by,
    )


PAGE = Page(
    name="alerts",
    title=N_("Alerts"),
    icon="alert",
    path="/alerts",
    routes=(
        Route("GET", "/alerts", overview),
        Route("GET", "/alerts/now", now),
        Route("GET", "/alerts/mark", mark),
        Route("GET", "/alerts/history", history),
        Route("POST", "/alerts/{number:\\d{1,18}}/acknowledge", acknowledge, Permission.ACKNOWLEDGE),
        Route("POST", "/alerts/channels/{name:[a-z]{1,20}}/test", try_channel, Permission.CONFIGURE),
    ),
)
