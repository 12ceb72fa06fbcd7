"""Accounts: made, changed, removed. Whatever changes what somebody may do ends their sessions with it.

There is always somebody who can mend things: the last admin who could sign in cannot be removed, disabled or
given another role, and neither can their password be taken from them by a start password. An admin who has
never signed in does not count: nobody knows whether their start password arrived.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from time import time

from gateway.admin.access.permissions import Role, User
from gateway.admin.access.store import DAMAGE, FIRST_START, Store
from gateway.errors import LocalError

MAX_USERS = 100
MAX_NAME = 40
START_PASSWORD_DAYS = 7

USED_CODE = "used set-up code"  # in meta: the digest of the code that was used last

_NAME = re.compile(r"\w[\w .'@-]*")  # letters of any script, digits, and what names are written with


class Refusal(StrEnum):
    """Why a change is refused."""

    BAD_NAME = "bad-name"
    NAME_TAKEN = "name-taken"
    TOO_MANY = "too-many"
    LAST_ADMIN = "last-admin"
    GONE = "gone"


class Refused(LocalError):
    """A change that is not possible; `reason` says which rule forbids it."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(f"refused: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of one user. Times are epoch seconds."""

    number: int  # never used again for another one
    name: str
    role: Role
    password: str = field(repr=False)  # its hash
    start_until: float | None  # the password is a start password, good until then
    disabled: bool
    language: str  # code, or "" for the browser's
    created_at: float
    created_by: str
    last_sign_in: float | None

    @property
    def user(self) -> User:
        """What pages see."""
        return User(self.name, self.role)

    @property
    def must_change(self) -> bool:
        """True while nobody has chosen a password of their own."""
        return self.start_until is not None


_SELECT = (
    "SELECT number, name, role, password, start_until, disabled, language, created_at, created_by, "
    "last_sign_in FROM users"
)


class Users:
    """The accounts in the store."""

    def __init__(
        self,
        store: Store,
        *,
        changed: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time,
    ) -> None:
        """`changed` is told the number of a user whose sessions have ended."""
        self._store = store
        self._changed = changed
        self._clock = clock

    def all(self) -> list[Account]:
        """Return everybody by name."""
        return self._store.read(all_accounts)

    def find(self, name: str) -> Account | None:
        """Return who goes by this name, whatever the case."""
        return self._one("key = ?", key_of(name))

    def get(self, number: int) -> Account | None:
        """Return the user of this number."""
        return self._one("number = ?", number)

    def has_admin(self) -> bool:
        """Tell whether there is an admin who can sign in."""
        return self._store.read(lambda db: _admins_but(db, 0)) > 0

    async def add(
        self, name: str, role: Role, password: str, *, by: str, start_until: float | None
    ) -> Account:
        """Make an account with this password (a hash). Refused: BAD_NAME, NAME_TAKEN, TOO_MANY."""
        name, key = clean_name(name), key_of(name)
        now = self._clock()

        def work(db: sqlite3.Connection) -> Account:
            if db.execute("SELECT 1 FROM users WHERE key = ?", (key,)).fetchone():
                raise Refused(Refusal.NAME_TAKEN)
            return _insert(db, name, key, role, password, start_until, now, by)

        return await self._store.write(work)

    async def make_admin(self, name: str, password: str, *, used_code: bytes) -> Account:
        """Make this person admin with this password, whoever they were before; set-up is over with it.

        For the holder of a set-up code: `used_code` is kept (setup_code.USED), so that it is not good again.
        """
        name, key = clean_name(name), key_of(name)
        now = self._clock()

        def work(db: sqlite3.Connection) -> Account:
            row = db.execute("SELECT number FROM users WHERE key = ?", (key,)).fetchone()
            if row is None:
                account = _insert(db, name, key, Role.ADMIN, password, None, now, "set-up code")
            else:
                db.execute(
                    "UPDATE users SET role = ?, password = ?, start_until = NULL, disabled = 0 "
                    "WHERE number = ?",
                    (Role.ADMIN, password, row[0]),
                )
                account = _end_sessions(db, row[0])
            db.execute("DELETE FROM meta WHERE name IN (?, ?)", (FIRST_START, DAMAGE))
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (USED_CODE, used_code))
            return account

        account = await self._store.write(work)
        self._changed(account.number)
        return account

    async def change_role(self, number: int, role: Role) -> Account:
        """Give somebody another role. Refused: GONE, LAST_ADMIN."""

        def work(db: sqlite3.Connection) -> Account:
            if role is not Role.ADMIN:
                _keep_an_admin(db, number)
            db.execute("UPDATE users SET role = ? WHERE number = ?", (role, number))
            return _end_sessions(db, number)

        return await self._change(number, work)

    async def disable(self, number: int, disabled: bool) -> Account:
        """Keep somebody out, or let them in again. Refused: GONE, LAST_ADMIN."""

        def work(db: sqlite3.Connection) -> Account:
            if disabled:
                _keep_an_admin(db, number)
            db.execute("UPDATE users SET disabled = ? WHERE number = ?", (int(disabled), number))
            return _end_sessions(db, number)

        return await self._change(number, work)

    async def set_password(self, number: int, password: str) -> Account:
        """Give somebody the password they chose. Refused: GONE."""

        def work(db: sqlite3.Connection) -> Account:
            db.execute(
                "UPDATE users SET password = ?, start_until = NULL WHERE number = ?", (password, number)
            )
            return _end_sessions(db, number)

        return await self._change(number, work)

    async def reset(self, number: int, password: str, start_until: float) -> Account:
        """Give somebody a start password. Refused: GONE, LAST_ADMIN."""

        def work(db: sqlite3.Connection) -> Account:
            _keep_an_admin(db, number)
            db.execute(
                "UPDATE users SET password = ?, start_until = ? WHERE number = ?",
                (password, start_until, number),
            )
            return _end_sessions(db, number)

        return await self._change(number, work)

    async def remove(self, number: int) -> Account:
        """Remove an account; return what it was. Refused: GONE, LAST_ADMIN."""

        def work(db: sqlite3.Connection) -> Account:
            _keep_an_admin(db, number)
            account = _end_sessions(db, number)
            db.execute("DELETE FROM users WHERE number = ?", (number,))
            return account

        return await self._change(number, work)

    async def set_language(self, number: int, language: str) -> None:
        """Remember the language somebody chose; "" for the browser's."""
        await self._store.write(
            lambda db: db.execute("UPDATE users SET language = ? WHERE number = ?", (language, number))
        )

    async def rehash(self, account: Account, password: str) -> Account:
        """Keep another hash of the same password, unless the password was changed meanwhile."""

        def work(db: sqlite3.Connection) -> Account:
            db.execute(
                "UPDATE users SET password = ? WHERE number = ? AND password = ?",
                (password, account.number, account.password),
            )
            return _get(db, account.number)

        return await self._store.write(work)

    async def _change(self, number: int, work: Callable[[sqlite3.Connection], Account]) -> Account:
        account = await self._store.write(work)
        self._changed(number)
        return account

    def _one(self, condition: str, value: str | int) -> Account | None:
        row = self._store.read(lambda db: db.execute(f"{_SELECT} WHERE {condition}", (value,)).fetchone())
        return None if row is None else _account(row)


def all_accounts(db: sqlite3.Connection) -> list[Account]:
    """Return everybody in a database, by name."""
    return [_account(row) for row in db.execute(_SELECT + " ORDER BY key")]


def clean_name(name: str) -> str:
    """Return a name as it is kept. Refused (BAD_NAME) when it is too long or has strange characters."""
    name = unicodedata.normalize("NFKC", name).strip()
    if not 2 <= len(name) <= MAX_NAME or not _NAME.fullmatch(name) or "  " in name:
        raise Refused(Refusal.BAD_NAME)
    return name


def key_of(name: str) -> str:
    """Return a name as it is compared: whatever the case and the way to write an accent."""
    folded = unicodedata.normalize("NFKC", name[: 4 * MAX_NAME]).strip().casefold()
    return unicodedata.normalize("NFKC", folded)[: 4 * MAX_NAME]


def _account(row: tuple[int, str, str, str, float | None, int, str, float, str, float | None]) -> Account:
    number, name, role, password, start_until, disabled, language, created_at, created_by, last = row
    return Account(
        number,
        name,
        Role(role),
        password,
        start_until,
        bool(disabled),
        language,
        created_at,
        created_by,
        last,
    )


def _get(db: sqlite3.Connection, number: int) -> Account:
    row = db.execute(_SELECT + " WHERE number = ?", (number,)).fetchone()
    if row is None:
        raise Refused(Refusal.GONE)
    return _account(row)


def _insert(
    db: sqlite3.Connection,
    name: str,
    key: str,
    role: Role,
    password: str,
    start_until: float | None,
    now: float,
    by: str,
) -> Account:
    if int(db.execute("SELECT count(*) FROM users").fetchone()[0]) >= MAX_USERS:
        raise Refused(Refusal.TOO_MANY)
    cursor = db.execute(
        "INSERT INTO users (name, key, role, password, start_until, created_at, created_by) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (name, key, role, password, start_until, now, by),
    )
    return _get(db, int(cursor.lastrowid or 0))


def _end_sessions(db: sqlite3.Connection, number: int) -> Account:
    db.execute("DELETE FROM sessions WHERE user = ?", (number,))
    return _get(db, number)


def _admins_but(db: sqlite3.Connection, number: int) -> int:
    """Count the admins who can sign in with a password of their own, without this one."""
    return int(
        db.execute(
            "SELECT count(*) FROM users "
            "WHERE role = ? AND disabled = 0 AND start_until IS NULL AND number <> ?",
            (Role.ADMIN, number),
        ).fetchone()[0]
    )


def _keep_an_admin(db: sqlite3.Connection, number: int) -> None:
    """Refuse to take away the last admin. Anybody else may go."""
    account = _get(db, number)
    counts = account.role is Role.ADMIN and not account.disabled and not account.must_change
    if counts and _admins_but(db, number) == 0:
        raise Refused(Refusal.LAST_ADMIN)
