"""The page Queue: what waits, is held, or was delivered; the handlers are in gateway.admin.queue."""

from __future__ import annotations

from gateway.admin.access.permissions import Permission
from gateway.admin.page import N_, Page, Route
from gateway.admin.queue import acting, exporting, held, listing, overview, steps, story

_NUMBER = "{number:[1-9]\\d{0,17}}"
_EXPORT = "{id:[0-9a-f]{32}}"
_SELECTION = 256 * 1024  # bytes of a form with a thousand numbers

PAGE = Page(
    name="queue",
    title=N_("Queue"),
    icon="queue",
    path="/queue",
    routes=(
        Route("GET", "/queue", overview.overview),
        Route("GET", "/queue/now", overview.now),
        Route(
            "POST",
            "/queue/destinations/{name:[^/]{1,64}}/{action:pause|resume|retry}",
            overview.steer,
            Permission.STEER,
        ),
        Route("GET", "/queue/list", listing.listing),
        Route("GET", "/queue/list/rows", listing.rows),
        Route("POST", "/queue/find", listing.find),
        Route("GET", "/queue/held", held.held),
        Route("GET", "/queue/held/groups", held.groups),
        Route("POST", "/queue/held/again", held.again, Permission.STEER),
        Route("POST", "/queue/choose", acting.choose, Permission.STEER, _SELECTION),
        Route("POST", "/queue/act", acting.act, Permission.STEER, _SELECTION),
        Route("POST", "/queue/discard", acting.discard, Permission.DISCARD, _SELECTION),
        Route("GET", f"/queue/{_NUMBER}", story.story),
        Route("GET", f"/queue/{_NUMBER}/now", story.part),
        Route("POST", f"/queue/{_NUMBER}/export", exporting.one, Permission.EXPORT),
        Route("GET", "/queue/steps", steps.steps),
        Route("POST", f"/queue/steps/{_NUMBER}/retry", steps.retry, Permission.STEER),
        Route("GET", f"/queue/steps/{_NUMBER}/discard", steps.ask, Permission.DISCARD),
        Route("POST", f"/queue/steps/{_NUMBER}/discard", steps.discard, Permission.DISCARD),
        Route("GET", "/queue/commitments", steps.commitments),
        Route("GET", "/queue/export", exporting.overview, Permission.EXPORT),
        Route("GET", "/queue/export/jobs", exporting.jobs, Permission.EXPORT),
        Route("POST", "/queue/export/start", exporting.start, Permission.EXPORT, _SELECTION),
        Route("POST", f"/queue/export/{_EXPORT}/cancel", exporting.cancel, Permission.EXPORT),
        Route("GET", f"/queue/export/{_EXPORT}/file", exporting.file, Permission.EXPORT),
    ),
)
