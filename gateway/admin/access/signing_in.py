"""The pages of who is not signed in yet: sign in, sign out, and set-up with the one-time code."""

from __future__ import annotations

import math

from aiohttp import web

from gateway.admin.access.guard import (
    CHANGE_PASSWORD,
    FORM_COOKIE,
    KNOWN_COOKIE,
    SESSION_COOKIE,
    clear_cookie,
    set_cookie,
)
from gateway.admin.access.known_browser import VALID_DAYS
from gateway.admin.access.rooms import Rooms
from gateway.admin.access.safe_path import safe_path
from gateway.admin.access.sessions import Session
from gateway.admin.access.sign_in import NotSignedIn, Problem, SignedIn, SignIn, Visitor, who_of
from gateway.admin.access.store import StoreFailure
from gateway.admin.access.user_agent import browser_name
from gateway.admin.access.users import Refusal, Refused, clean_name
from gateway.admin.access.weak import new_password
from gateway.admin.forms import FormError
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import LANGUAGE_COOKIE, Visit

_DAY = 86400

PROBLEMS = {
    Problem.WRONG: N_("The name or the password is wrong."),
    Problem.BUSY: N_("Many people are signing in right now. Please try again in a few seconds."),
    Problem.DISABLED: N_("This account is switched off. Please ask an administrator."),
    Problem.START_OVER: N_("This start password is too old. Please ask an administrator for a new one."),
    Problem.NO_CODE: N_("There is no set-up code on this device that could be used."),
}
WRONG_CODE = N_("This is not the set-up code of this device.")


class SignInPages:
    """Handlers; `page` has their routes."""

    def __init__(self, rooms: Rooms, sign_in: SignIn) -> None:
        self._rooms = rooms
        self._sign_in = sign_in
        self.page = Page(
            name="access",
            title=N_("Sign in"),
            icon="lock",
            path="/login",
            needs=None,
            group="hidden",
            routes=(
                Route("GET", "/login", self.ask, needs=None),
                Route("POST", "/login", self.take, needs=None),
                Route("POST", "/logout", self.leave, needs=None),
                Route("GET", "/setup", self.ask_code, needs=None),
                Route("POST", "/setup", self.take_code, needs=None),
                Route("GET", "/healthz", self.alive, needs=None),
            ),
        )

    async def ask(self, visit: Visit) -> web.StreamResponse:
        """Show the sign-in form."""
        wanted = safe_path(visit.request.query.get("to", ""))
        if visit.session is not None:
            return visit.redirect(wanted)
        if self._rooms.store.first_start:
            return visit.redirect("/setup")
        return self._form(visit, to=wanted)

    async def take(self, visit: Visit) -> web.StreamResponse:
        """Check a name and a password."""
        form = await visit.form()
        to = safe_path(form.text("to", max_length=2000, required=False))
        try:
            name = form.text("name", max_length=80)
        except FormError as error:
            return self._form(visit, to=to, error=error)
        try:
            password = form.secret("password")
        except FormError as error:
            return self._form(visit, to=to, name=name, error=error)
        outcome = await self._sign_in.with_password(name, password, visitor_of(visit))
        if isinstance(outcome, NotSignedIn):
            return self._form(visit, to=to, name=name, outcome=outcome)
        await self._end_earlier(visit)
        return welcome(visit, outcome, CHANGE_PASSWORD if outcome.session.must_change else to)

    async def leave(self, visit: Visit) -> web.StreamResponse:
        """End the session."""
        session = visit.session
        response = visit.redirect("/login?bye=1")
        if isinstance(session, Session):
            try:
                await self._rooms.sessions.end(session)
            finally:
                await self._rooms.trail.add(
                    who_of(session), "sign-out", subject=session.user.name, address=visitor_of(visit).address
                )
        clear_cookie(response, SESSION_COOKIE)
        return response

    async def ask_code(self, visit: Visit) -> web.StreamResponse:
        """Show the form for the set-up code."""
        return self._setup_form(visit)

    async def take_code(self, visit: Visit) -> web.StreamResponse:
        """Check the code; make an admin of who has it."""
        form = await visit.form()
        code = name = ""
        try:
            code = form.text("code", max_length=80)
            name = form.text("name", max_length=80)
            clean_name(name)
            password = new_password(form, name, self._rooms.settings.gateway_name)
            outcome = await self._sign_in.with_code(code, name, password, visitor_of(visit))
        except FormError as error:
            return self._setup_form(visit, code=code, name=name, error=error)
        except Refused as error:
            return self._setup_form(visit, code=code, name=name, error=name_error(error))
        if isinstance(outcome, NotSignedIn):
            return self._setup_form(visit, code=code, name=name, outcome=outcome)
        await self._end_earlier(visit)
        outcome.session.notices.append(
            ("ok", visit.text("You are the administrator of this gateway now. The set-up code is used up."))
        )
        return welcome(visit, outcome, "/")

    async def alive(self, _visit: Visit) -> web.StreamResponse:
        """Say that the page runs, and nothing else."""
        return web.Response(text="ok\n")

    def _form(
        self,
        visit: Visit,
        *,
        to: str,
        name: str = "",
        error: FormError | None = None,
        outcome: NotSignedIn | None = None,
    ) -> web.StreamResponse:
        return visit.render(
            "access/login.html",
            status_of(error, outcome),
            to=to,
            name=name,
            errors=_errors(visit, error),
            problem=problem_text(visit, outcome),
            wait=math.ceil(outcome.wait) if outcome else 0,
            damaged=bool(self._rooms.store.damage),
            said_goodbye=visit.query("bye") == "1",
        )

    def _setup_form(
        self,
        visit: Visit,
        *,
        code: str = "",
        name: str = "",
        error: FormError | None = None,
        outcome: NotSignedIn | None = None,
    ) -> web.StreamResponse:
        problem = problem_text(visit, outcome)
        if outcome and outcome.problem is Problem.WRONG:
            problem = visit.text(WRONG_CODE)
        return visit.render(
            "access/setup.html",
            status_of(error, outcome),
            code=code,
            name=name,
            errors=_errors(visit, error),
            problem=problem,
            wait=math.ceil(outcome.wait) if outcome else 0,
            first=self._rooms.store.first_start,
            damaged=bool(self._rooms.store.damage),
            config=str(self._rooms.settings.config_file),
        )

    async def _end_earlier(self, visit: Visit) -> None:
        """End the session that this browser had before: nobody uses it any more."""
        if isinstance(visit.session, Session):
            try:
                await self._rooms.sessions.end(visit.session)
            except StoreFailure:
                return  # it has ended in memory


def welcome(visit: Visit, outcome: SignedIn, to: str) -> web.Response:
    """Return the way to `to`, with the cookies of who has just signed in."""
    response = visit.redirect(to)
    set_cookie(response, SESSION_COOKIE, outcome.token)
    set_cookie(response, KNOWN_COOKIE, outcome.known, VALID_DAYS * _DAY)
    clear_cookie(response, FORM_COOKIE)
    if outcome.account.language:
        response.set_cookie(
            LANGUAGE_COOKIE,
            outcome.account.language,
            max_age=365 * _DAY,
            path="/",
            secure=visit.request.secure,
            httponly=True,
            samesite="Lax",
        )
    return response


def visitor_of(visit: Visit) -> Visitor:
    """Return where a request comes from."""
    request = visit.request
    return Visitor(
        (request.remote or "")[:64],
        browser_name(request.headers.get("User-Agent", "")),
        request.cookies.get(KNOWN_COOKIE, ""),
    )


def problem_text(visit: Visit, outcome: NotSignedIn | None) -> str:
    """Return in words why it did not work."""
    if outcome is None:
        return ""
    if outcome.problem is Problem.WAIT:
        seconds = math.ceil(outcome.wait)
        return visit.ntext(
            "Too many attempts. Please wait %(count)s second and try again.",
            "Too many attempts. Please wait %(count)s seconds and try again.",
            seconds,
        )
    return visit.text(PROBLEMS[outcome.problem])


def status_of(error: FormError | None, outcome: NotSignedIn | None) -> int:
    """Return the HTTP status of a form that is shown again."""
    if outcome is None:
        return 422 if error else 200
    return {Problem.WAIT: 429, Problem.BUSY: 503}.get(outcome.problem, 403)


def name_error(error: Refused) -> FormError:
    """Return what is wrong with a name, as an error of its field."""
    words = {
        Refusal.BAD_NAME: N_(
            "Please use 2 to 40 letters and digits; spaces, dots, dashes and @ are fine within the name."
        ),
        Refusal.NAME_TAKEN: N_("There is somebody of this name already."),
        Refusal.TOO_MANY: N_("There are too many users. Remove one that is no longer needed."),
    }
    return FormError("name", words.get(error.reason, N_("This is not possible.")))


def _errors(visit: Visit, error: FormError | None) -> dict[str, str]:
    return {error.field: visit.form_error(error)} if error else {}
