"""The page Users: who has access, and what an admin may do about it. Every change ends their sessions."""

from __future__ import annotations

from time import time

from aiohttp import web

from gateway.admin.access.account import session_of
from gateway.admin.access.permissions import PERMISSIONS, Permission, Role
from gateway.admin.access.readable import readable_code
from gateway.admin.access.rooms import Rooms
from gateway.admin.access.sign_in import who_of
from gateway.admin.access.signing_in import name_error, visitor_of
from gateway.admin.access.users import MAX_USERS, START_PASSWORD_DAYS, Account, Refusal, Refused
from gateway.admin.forms import FormError
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit

_DAY = 86400.0

REFUSALS = {
    Refusal.LAST_ADMIN: N_(
        "This is the only administrator who can sign in. Make somebody else an administrator first, "
        "and let them sign in once."
    ),
    Refusal.GONE: N_("This user is gone already."),
}

WHAT_MAY = (
    (Role.VIEWER, N_("Sees how things are. No patient names, no changes.")),
    (
        Role.CLINIC,
        N_("Also sees patient names, acknowledges alerts, sends records again and exports them."),
    ),
    (
        Role.ENGINEER,
        N_("Installs, configures, tests and reads logs and the audit trail. No patient names."),
    ),
    (Role.ADMIN, N_("May do everything, and decides who has access.")),
)


class PeoplePage:
    """Handlers; `page` has their routes."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        needs = Permission.USERS
        one = "/users/{number:\\d{1,18}}"
        self.page = Page(
            name="users",
            title=N_("Users"),
            icon="users",
            path="/users",
            needs=needs,
            group="system",
            routes=(
                Route("GET", "/users", self.show, needs),
                Route("POST", "/users", self.add, needs),
                Route("GET", one, self.show_one, needs),
                Route("POST", one + "/role", self.change_role, needs),
                Route("POST", one + "/reset", self.reset, needs),
                Route("POST", one + "/disable", self.disable, needs),
                Route("POST", one + "/enable", self.enable, needs),
                Route("POST", one + "/sign-out", self.sign_out, needs),
                Route("POST", one + "/remove", self.remove, needs),
            ),
        )

    async def show(self, visit: Visit) -> web.StreamResponse:
        """The list of users, and the form for another one."""
        return self._list(visit)

    async def add(self, visit: Visit) -> web.StreamResponse:
        """Make an account with a start password, which is shown once."""
        form = await visit.form()
        name, role = "", Role.CLINIC.value
        try:
            name = form.text("name", max_length=80)
            role = form.choice("role", tuple(Role))
            password, until = readable_code(), time() + START_PASSWORD_DAYS * _DAY
            account = await self._rooms.users.add(
                name,
                Role(role),
                await self._rooms.passwords.hash(password),
                by=session_of(visit).user.name,
                start_until=until,
            )
        except FormError as error:
            return self._list(visit, name, role, error)
        except Refused as error:
            await self._say(visit, "user-added", name, "refused", f"as {role}: {error.reason}")
            return self._list(visit, name, role, name_error(error))
        await self._say(visit, "user-added", account.name, detail=f"as {account.role}")
        return self._start_password(visit, account, password, until)

    async def show_one(self, visit: Visit) -> web.StreamResponse:
        """One user, with what can be done."""
        return self._one(visit, self._account(visit))

    async def change_role(self, visit: Visit) -> web.StreamResponse:
        """Give somebody another role."""
        account = self._account(visit)
        role = Role((await visit.form()).choice("role", tuple(Role)))
        if role is account.role:
            return visit.redirect(_path(account))
        try:
            await self._rooms.users.change_role(account.number, role)
        except Refused as error:
            return await self._refused(visit, account, "user-role", error)
        await self._say(visit, "user-role", account.name, detail=f"from {account.role} to {role}")
        return self._back(visit, account, visit.text("%(name)s has another role now.", name=account.name))

    async def reset(self, visit: Visit) -> web.StreamResponse:
        """Give somebody a new start password."""
        account = self._account(visit)
        if account.number == session_of(visit).number:
            raise web.HTTPForbidden  # one's own is changed in My account, with the old one
        password, until = readable_code(), time() + START_PASSWORD_DAYS * _DAY
        kept = await self._rooms.passwords.hash(password)
        try:
            account = await self._rooms.users.reset(account.number, kept, until)
        except Refused as error:
            return await self._refused(visit, account, "user-reset", error)
        await self._say(visit, "user-reset", account.name)
        return self._start_password(visit, account, password, until)

    async def disable(self, visit: Visit) -> web.StreamResponse:
        """Keep somebody out without losing the account."""
        account = self._account(visit)
        try:
            await self._rooms.users.disable(account.number, True)
        except Refused as error:
            return await self._refused(visit, account, "user-disabled", error)
        await self._say(visit, "user-disabled", account.name)
        return self._back(visit, account, visit.text("%(name)s cannot sign in any more.", name=account.name))

    async def enable(self, visit: Visit) -> web.StreamResponse:
        """Let somebody in again."""
        account = self._account(visit)
        await self._rooms.users.disable(account.number, False)
        await self._say(visit, "user-enabled", account.name)
        return self._back(visit, account, visit.text("%(name)s can sign in again.", name=account.name))

    async def sign_out(self, visit: Visit) -> web.StreamResponse:
        """End every session of somebody."""
        account = self._account(visit)
        sessions = self._rooms.sessions.of(account.number)
        await self._rooms.sessions.end(*sessions)
        await self._say(visit, "sessions-ended", account.name, detail=f"{len(sessions)} ended")
        return self._back(
            visit, account, visit.text("%(name)s has been signed out everywhere.", name=account.name)
        )

    async def remove(self, visit: Visit) -> web.StreamResponse:
        """Remove an account. Its name has to be typed."""
        account = self._account(visit)
        typed = (await visit.form()).text("typed", max_length=80, required=False)
        if typed != account.name:
            error = FormError("typed", N_("Please type the name exactly as it is shown."))
            return self._one(visit, account, error)
        try:
            await self._rooms.users.remove(account.number)
        except Refused as error:
            return await self._refused(visit, account, "user-removed", error)
        await self._say(visit, "user-removed", account.name, detail=f"was {account.role}")
        visit.notice("ok", visit.text("%(name)s has been removed.", name=account.name))
        return visit.redirect("/users")

    def _account(self, visit: Visit) -> Account:
        account = self._rooms.users.get(int(visit.path_value("number")) % 2**63)
        if account is None:
            raise web.HTTPNotFound
        return account

    def _list(
        self, visit: Visit, name: str = "", role: str = Role.CLINIC, error: FormError | None = None
    ) -> web.StreamResponse:
        accounts = self._rooms.users.all()
        return visit.render(
            "access/users.html",
            422 if error else 200,
            accounts=accounts,
            signed_in={account.number: len(self._rooms.sessions.of(account.number)) for account in accounts},
            me=session_of(visit).number,
            name=name,
            role=role,
            roles=[(r.value, words) for r, words in WHAT_MAY],
            table=[(p, [p in PERMISSIONS[r] for r in Role]) for p in Permission],
            most=MAX_USERS,
            errors={error.field: visit.form_error(error)} if error else {},
        )

    def _one(
        self, visit: Visit, account: Account, error: FormError | None = None, problem: str = ""
    ) -> web.StreamResponse:
        return visit.render(
            "access/user.html",
            422 if error else 409 if problem else 200,
            account=account,
            me=session_of(visit).number,
            sessions=self._rooms.sessions.of(account.number),
            roles=[(r.value, words) for r, words in WHAT_MAY],
            errors={error.field: visit.form_error(error)} if error else {},
            problem=problem,
        )

    def _start_password(
        self, visit: Visit, account: Account, password: str, until: float
    ) -> web.StreamResponse:
        return visit.render(
            "access/start_password.html", account=account, start_password=password, until=until
        )

    def _back(self, visit: Visit, account: Account, words: str) -> web.StreamResponse:
        visit.notice("ok", words)
        return visit.redirect("/login" if account.number == session_of(visit).number else _path(account))

    async def _refused(self, visit: Visit, account: Account, what: str, error: Refused) -> web.StreamResponse:
        await self._say(visit, what, account.name, "refused", error.reason)
        return self._one(visit, account, problem=visit.text(REFUSALS[error.reason]))

    async def _say(
        self, visit: Visit, what: str, subject: str, outcome: str = "done", detail: str = ""
    ) -> None:
        await self._rooms.trail.add(
            who_of(session_of(visit)),
            what,
            subject=subject,
            outcome=outcome,
            detail=detail,
            address=visitor_of(visit).address,
        )


def _path(account: Account) -> str:
    return f"/users/{account.number}"
