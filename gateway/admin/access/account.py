"""My account: password, language, and where one is signed in."""

from __future__ import annotations

import asyncio
import contextlib
import math

from aiohttp import web

from gateway.admin.access.guard import CHANGE_PASSWORD
from gateway.admin.access.https import CertificateUnusable, of_page
from gateway.admin.access.permissions import Permission
from gateway.admin.access.rooms import Rooms
from gateway.admin.access.sessions import Session
from gateway.admin.access.sign_in import NotSignedIn, Problem, SignIn, who_of
from gateway.admin.access.signing_in import problem_text, status_of, visitor_of, welcome
from gateway.admin.access.weak import new_password
from gateway.admin.forms import FormError
from gateway.admin.language import LANGUAGES
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import LANGUAGE_COOKIE, Visit

_WRONG = N_("This is not your password.")


class AccountPage:
    """Handlers; `page` has their routes. Everybody who is signed in may come here."""

    def __init__(self, rooms: Rooms, sign_in: SignIn) -> None:
        self._rooms = rooms
        self._sign_in = sign_in
        self.page = Page(
            name="account",
            title=N_("My account"),
            icon="user",
            path="/account",
            group="hidden",
            routes=(
                Route("GET", "/account", self.show),
                Route("GET", CHANGE_PASSWORD, self.ask_password),
                Route("POST", CHANGE_PASSWORD, self.change_password),
                Route("POST", "/account/language", self.change_language),
                Route("POST", "/account/sessions/{id:[0-9a-f]{16}}/end", self.end_one),
                Route("POST", "/account/sessions/end-others", self.end_others),
            ),
        )

    async def show(self, visit: Visit) -> web.StreamResponse:
        """The whole page."""
        session = session_of(visit)
        account = self._rooms.users.get(session.number)
        certificate = None
        if session.user.may(Permission.CONFIGURE):
            with contextlib.suppress(CertificateUnusable):
                certificate = await asyncio.to_thread(of_page, self._rooms.settings)
        return visit.render(
            "access/account.html",
            certificate=certificate,
            session=session,
            account=account,
            sessions=self._rooms.sessions.of(session.number),
            idle=self._rooms.settings.session_idle,
            longest=self._rooms.settings.session_max,
        )

    async def ask_password(self, visit: Visit) -> web.StreamResponse:
        """Show the form for another password."""
        return self._password_form(visit)

    async def change_password(self, visit: Visit) -> web.StreamResponse:
        """Give a new password, end every session, and begin this one anew."""
        session, visitor = session_of(visit), visitor_of(visit)
        form = await visit.form()
        try:
            current = form.secret("current")
            password = new_password(form, session.user.name, self._rooms.settings.gateway_name)
        except FormError as error:
            return self._password_form(visit, error=error)
        account = await self._sign_in.again(session, current, visitor)
        if isinstance(account, NotSignedIn):
            return self._password_form(visit, outcome=account)
        if current == password:
            return self._password_form(
                visit, error=FormError("password", N_("This is the password you have already."))
            )
        changed = await self._rooms.users.set_password(
            account.number, await self._rooms.passwords.hash(password)
        )
        await self._rooms.trail.add(
            who_of(session), "password-changed", subject=account.name, address=visitor.address
        )
        outcome = await self._sign_in.anew(changed, visitor)
        if isinstance(outcome, NotSignedIn):
            return visit.redirect("/login")
        outcome.session.notices.append(
            ("ok", visit.text("Your password has been changed. Other browsers have been signed out."))
        )
        return welcome(visit, outcome, "/" if session.must_change else "/account")

    async def change_language(self, visit: Visit) -> web.StreamResponse:
        """Remember a language for this person, in every browser."""
        form = await visit.form()
        language = form.choice("language", ("", *LANGUAGES))
        await self._rooms.users.set_language(session_of(visit).number, language)
        response = visit.redirect("/account")
        if language:
            response.set_cookie(
                LANGUAGE_COOKIE, language, max_age=365 * 86400, path="/", secure=visit.request.secure,
                httponly=True, samesite="Lax",
            )  # fmt: skip
        else:
            response.del_cookie(LANGUAGE_COOKIE, path="/")
        return response

    async def end_one(self, visit: Visit) -> web.StreamResponse:
        """End one of one's own sessions."""
        mine = session_of(visit)
        chosen = [s for s in self._rooms.sessions.of(mine.number) if s.id == visit.path_value("id")]
        await self._end(visit, mine, chosen)
        return visit.redirect("/account")

    async def end_others(self, visit: Visit) -> web.StreamResponse:
        """End every session of one's own but this."""
        mine = session_of(visit)
        await self._end(visit, mine, [s for s in self._rooms.sessions.of(mine.number) if s is not mine])
        return visit.redirect("/account")

    async def _end(self, visit: Visit, mine: Session, chosen: list[Session]) -> None:
        if not chosen:
            return
        await self._rooms.sessions.end(*chosen)
        visit.notice("ok", visit.text("Signed out there."))
        await self._rooms.trail.add(
            who_of(mine),
            "sessions-ended",
            subject=mine.user.name,
            detail=f"{len(chosen)} of their own",
            address=visitor_of(visit).address,
        )

    def _password_form(
        self, visit: Visit, *, error: FormError | None = None, outcome: NotSignedIn | None = None
    ) -> web.StreamResponse:
        errors = {error.field: visit.form_error(error)} if error else {}
        problem = ""
        if outcome is not None and outcome.problem is Problem.WRONG:
            errors = {"current": visit.text(_WRONG)}
        elif outcome is not None:
            problem = problem_text(visit, outcome)
        return visit.render(
            "access/password.html",
            422 if errors else status_of(error, outcome),
            first=session_of(visit).must_change,
            errors=errors,
            problem=problem,
            wait=math.ceil(outcome.wait) if outcome else 0,
        )


def session_of(visit: Visit) -> Session:
    """Return the session of a visit to a page that needs one."""
    assert isinstance(visit.session, Session)  # noqa: S101 - the guard has seen to it
    return visit.session
