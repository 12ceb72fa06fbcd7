"""What happens when somebody gives a name and a password, or a set-up code. No HTTP in here.

One answer for a wrong name and a wrong password, after the same work. What the audit trail says of a name
that does not exist is "unknown name": people type their password into the wrong field.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic, time

from gateway.admin.access import setup_code
from gateway.admin.access.lockout import Attempt, network_of
from gateway.admin.access.passwords import Busy
from gateway.admin.access.rooms import Rooms
from gateway.admin.access.sessions import Changed, Session
from gateway.admin.access.users import USED_CODE, Account, clean_name, key_of

_SAID_AGAIN = 60.0  # seconds between two entries about the same attempts that came too early
_MAX_SAID = 256


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where an attempt comes from."""

    address: str
    browser: str  # in words: "Firefox on Windows"
    known: str = ""  # its cookie of known_browser.py


@dataclass(frozen=True, slots=True)
class SignedIn:
    """It worked: what the browser gets."""

    token: str
    session: Session
    known: str
    account: Account


class Problem(StrEnum):
    """Why it did not work."""

    WRONG = "wrong"
    WAIT = "wait"
    BUSY = "busy"
    DISABLED = "disabled"  # said only to who knows the password
    START_OVER = "start-over"  # a start password that came too late; said only to who knows it
    NO_CODE = "no-code"


@dataclass(frozen=True, slots=True)
class NotSignedIn:
    """It did not work. `wait`: seconds until it makes sense to try again."""

    problem: Problem
    wait: float = 0.0


class SignIn:
    """The two doors: name and password, and the set-up code."""

    def __init__(
        self, rooms: Rooms, *, clock: Callable[[], float] = monotonic, wall: Callable[[], float] = time
    ) -> None:
        self._rooms = rooms
        self._clock = clock
        self._wall = wall
        self._said: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def with_password(self, name: str, password: str, visitor: Visitor) -> SignedIn | NotSignedIn:
        """Sign somebody in. StoreFailure when the page's database cannot be read."""
        rooms = self._rooms
        account = rooms.users.find(name)
        known = rooms.known.number_for(visitor.known, account.number) if account else ""
        attempt = Attempt(key_of(name), visitor.address, known)
        subject = account.name if account else "unknown name"
        wait = rooms.doors.begin(attempt, self._clock())
        if wait:
            await self._too_early("sign-in", subject, wait, visitor)
            return NotSignedIn(Problem.WAIT, wait)
        try:
            right = await rooms.passwords.check(
                account.password if account else None, password, known=bool(known)
            )
        except Busy:
            rooms.doors.withdrawn(attempt)
            return NotSignedIn(Problem.BUSY, 5.0)
        if account is None or not right:
            await self._refused(subject, "wrong password" if account else "unknown name", visitor)
            return NotSignedIn(Problem.WRONG)
        if account.disabled:
            await self._refused(subject, "the account is switched off", visitor)
            return NotSignedIn(Problem.DISABLED)
        if account.start_until is not None and self._wall() > account.start_until:
            await self._refused(subject, "the start password is too old", visitor)
            return NotSignedIn(Problem.START_OVER)
        rooms.doors.succeeded(attempt)
        return await self._begin(await self._freshened(account, password), visitor)

    async def with_code(
        self, code: str, name: str, password: str, visitor: Visitor
    ) -> SignedIn | NotSignedIn:
        """Make somebody admin with a set-up code, and sign them in.

        `name` and `password` are good ones already (users.clean_name, passwords.weakness). StoreFailure when
        it cannot be saved; Refused when there are too many users.
        """
        rooms = self._rooms
        folder = rooms.settings.state_dir
        attempt = Attempt("set-up code", visitor.address)
        async with rooms.setting_up:  # two at the same time with one code: one of them is too late
            wait = rooms.setup_door.begin(attempt, self._clock())
            if wait:
                await self._too_early("set-up", "", wait, visitor)
                return NotSignedIn(Problem.WAIT, wait)
            current = await asyncio.to_thread(setup_code.current, folder)
            used = rooms.store.meta(USED_CODE)
            if not setup_code.matches(current, code, used):
                exists = bool(current) and setup_code.digest_of(current) != used
                await self._say("set-up", "", "refused", "wrong code", visitor)
                return NotSignedIn(Problem.WRONG if exists else Problem.NO_CODE)
            try:
                kept = await rooms.passwords.hash(password)
            except Busy:
                rooms.setup_door.withdrawn(attempt)
                return NotSignedIn(Problem.BUSY, 5.0)
            account = await rooms.users.make_admin(
                clean_name(name), kept, used_code=setup_code.digest_of(current)
            )
            await asyncio.to_thread(setup_code.remove, folder)
        rooms.setup_door.succeeded(attempt)
        await self._say("set-up", account.name, "done", "became administrator with the set-up code", visitor)
        return await self._begin(account, visitor)

    async def again(self, session: Session, password: str, visitor: Visitor) -> NotSignedIn | Account:
        """Check the password of who is signed in, before something that matters. Return their account."""
        rooms = self._rooms
        account = rooms.users.get(session.number)
        attempt = Attempt(key_of(session.user.name), visitor.address, f"session {session.id}")
        wait = rooms.doors.begin(attempt, self._clock())
        if wait:
            return NotSignedIn(Problem.WAIT, wait)
        try:
            right = await rooms.passwords.check(account.password if account else None, password, known=True)
        except Busy:
            rooms.doors.withdrawn(attempt)
            return NotSignedIn(Problem.BUSY, 5.0)
        if account is None or not right:
            await self._say("password-check", session.user.name, "refused", "wrong password", visitor)
            return NotSignedIn(Problem.WRONG)
        rooms.doors.succeeded(attempt)
        return account

    async def anew(self, account: Account, visitor: Visitor) -> SignedIn | NotSignedIn:
        """Begin another session for who has just changed their password."""
        return await self._begin(account, visitor, said=False)

    async def _begin(
        self, account: Account, visitor: Visitor, *, said: bool = True
    ) -> SignedIn | NotSignedIn:
        try:
            token, session = await self._rooms.sessions.begin(
                account, address=visitor.address, browser=visitor.browser
            )
        except Changed:
            await self._refused(account.name, "the account was changed meanwhile", visitor)
            return NotSignedIn(Problem.WRONG)
        if said:
            await self._say("sign-in", account.name, "done", "", visitor, who=who_of(session))
        known = self._rooms.known.with_user(visitor.known, account.number)
        return SignedIn(token, session, known, account)

    async def _freshened(self, account: Account, password: str) -> Account:
        """Keep the password with today's parameters, now that it is at hand."""
        if not self._rooms.passwords.outdated(account.password):
            return account
        try:
            return await self._rooms.users.rehash(account, await self._rooms.passwords.hash(password))
        except Busy:
            return account  # the next sign-in will do

    async def _refused(self, subject: str, why: str, visitor: Visitor) -> None:
        await self._say("sign-in", subject, "refused", why, visitor)

    async def _too_early(self, what: str, subject: str, wait: float, visitor: Visitor) -> None:
        """Say it once a minute: whoever hammers at the door must not fill the trail."""
        key, now = (subject, network_of(visitor.address)), self._clock()
        if now - self._said.get(key, -_SAID_AGAIN) < _SAID_AGAIN:
            return
        self._said[key] = now
        self._said.move_to_end(key)
        while len(self._said) > _MAX_SAID:
            self._said.popitem(last=False)
        await self._say(what, subject, "refused", f"too many attempts: {wait:.0f} s to wait", visitor)

    async def _say(
        self, what: str, subject: str, outcome: str, detail: str, visitor: Visitor, who: str = "somebody"
    ) -> None:
        await self._rooms.trail.add(
            who, what, subject=subject, outcome=outcome, detail=detail, address=visitor.address
        )


def who_of(session: Session) -> str:
    """Return how the audit trail calls who is signed in."""
    return f"{session.user.name} ({session.user.role})"
