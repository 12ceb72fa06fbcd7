"""What a person sees when something is not possible: a page, or a box in the page, in plain words."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.admin.forms import FormError
from gateway.admin.page import N_
from gateway.admin.visit import Visit
from gateway.operator.client import ApiProblem, DaemonUnreachable

_log = logging.getLogger(__name__)

AUTOMATIC = "X-Automatic"  # on requests that the page makes by itself, to keep what it shows fresh


@dataclass(frozen=True, slots=True)
class Trouble:
    """What to show. Texts are messages of the catalogue, but for those of the gateway itself (`said`)."""

    status: int
    title: str
    detail: str = ""
    next_step: str = ""
    said: str = ""  # the gateway's own words


_OF_STATUS = {
    400: Trouble(400, N_("This request is not understood."), next_step=N_("Go back and try again.")),
    401: Trouble(401, N_("You are not signed in."), next_step=N_("Sign in and try again.")),
    403: Trouble(
        403,
        N_("You may not do this."),
        N_("Your role does not include it, or the page was open for too long."),
        N_("Reload the page and try again, or ask an administrator."),
    ),
    404: Trouble(
        404,
        N_("There is nothing here."),
        N_("The address may be mistyped, or what it named is gone."),
        N_("Choose a page from the menu."),
    ),
    405: Trouble(
        405, N_("This cannot be done this way."), next_step=N_("Go back and use the page's buttons.")
    ),
    408: Trouble(
        408, N_("The request took too long to arrive."), next_step=N_("Check the network and try again.")
    ),
    413: Trouble(
        413, N_("This is too much at once."), N_("The file or the text is larger than the gateway takes.")
    ),
    422: Trouble(
        422, N_("Something in the form is not acceptable."), next_step=N_("Go back and correct it.")
    ),
    429: Trouble(429, N_("Too many attempts."), next_step=N_("Wait a moment and try again.")),
    503: Trouble(503, N_("Too much is going on right now."), next_step=N_("Wait a moment and try again.")),
}
_OTHER = Trouble(500, N_("This did not work."), next_step=N_("Try again in a moment."))
_DEFECT = Trouble(
    500,
    N_("This page has failed."),
    N_("DICOM traffic is not affected: the gateway is another program."),
    N_("Try again. If it fails again, please report it; the log of the page has the details."),
)
_UNREACHABLE = Trouble(
    502,
    N_("The gateway program does not answer."),
    N_("What has been received is safe on the disk of this device, but nothing can be shown or changed now."),
    N_(
        "It starts again by itself within seconds. If it does not, switch the device off and on, "
        "or call your service engineer."
    ),
)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what goes wrong further in into something a person can read."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        known = _OF_STATUS.get(error.status, _OTHER)
        trouble = Trouble(error.status, known.title, known.detail, known.next_step)
        kept = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
        return _show(request, trouble, kept)
    except FormError as error:
        known = _OF_STATUS[422]
        said = Visit(request).form_error(error)
        return _show(request, Trouble(422, known.title, "", known.next_step, said))
    except DaemonUnreachable as error:
        _log.info("the gateway does not answer: %s", error)
        return _show(request, _UNREACHABLE)
    except ApiProblem as error:
        return _show(request, _of_gateway(error))
    except Exception as error:  # noqa: BLE001 - a defect of one page is told, and the others go on
        _log_defect(request, error)
        return _show(request, _DEFECT)


def _shape(request: web.Request) -> str:
    """Return the path as its route has it, without what somebody filled in."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "(no such page)"


def _of_gateway(error: ApiProblem) -> Trouble:
    status = error.details.status
    if not 400 <= status < 600:
        status = 502
    if status == 404:
        title = N_("There is nothing here.")
    elif status < 500:
        title = N_("The gateway has refused this.")
    else:
        title = N_("The gateway could not do this.")
    return Trouble(status, title, "", error.details.next_step, error.details.detail)


def _show(
    request: web.Request, trouble: Trouble, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    try:
        return _page(request, trouble, headers or {})
    except Exception as error:  # noqa: BLE001 - the page that tells of defects has one itself
        _log_defect(request, error)
        return web.Response(status=500, text=f"{_DEFECT.title}\n{_DEFECT.detail}\n")


def _log_defect(request: web.Request, error: Exception) -> None:
    """Log where a page failed, and no values: the address, and the error's own words, may name somebody."""
    where = "".join(traceback.format_tb(error.__traceback__))
    kind = type(error).__name__
    _log.error("a page has failed: %s %s: %s\n%s", request.method, _shape(request), kind, where)


def _page(request: web.Request, trouble: Trouble, headers: dict[str, str]) -> web.StreamResponse:
    visit = Visit(request)
    if request.headers.get(AUTOMATIC):
        # What is on the screen stays, and app.js says how old it is.
        response = web.Response(status=trouble.status, headers={"HX-Reswap": "none"})
    elif visit.is_fragment:
        response = visit.render("problem.html", trouble.status, trouble=trouble)
        response.headers["HX-Retarget"] = "#problems"
        response.headers["HX-Reswap"] = "innerHTML"
    else:
        response = visit.render("error.html", trouble.status, trouble=trouble)
    response.headers.update(headers)
    return response
