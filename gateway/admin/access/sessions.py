"""Who is signed in where, and until when.

The browser holds a random token of 256 bits, the page its SHA-256: whoever reads the database cannot sign in
with what they find. Sessions live in memory and are written through to the store, so that a restart of the
page (which a change of the configuration causes) signs nobody out, and a full disk does not keep out those
who could make room.

Times here are of a steady clock, so that setting the clock neither ends nor prolongs a session. Only over a
restart the wall clock has to do; a session from the future ends then.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import secrets
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, time

from gateway.admin.access.permissions import Role, User
from gateway.admin.access.store import Store, StoreFailure
from gateway.admin.access.users import Account

MAX_PER_USER = 10
SEEN_EVERY = 60.0  # seconds between two notes on the disk of when a session was used
MAX_ADDRESS = 64
MAX_BROWSER = 60

log = logging.getLogger(__name__)


class Changed(Exception):
    """The account is no longer what it was when its password was checked."""


@dataclass(slots=True, eq=False)
class Session:
    """One browser in which somebody is signed in."""

    id: str  # public: names it in the list of one's own sessions
    digest: bytes
    number: int  # of the user
    user: User
    must_change: bool  # signed in with a start password: may do nothing but choose another
    started_at: float  # epoch seconds, to show
    seen_at: float
    address: str
    browser: str
    started: float  # steady
    seen: float
    noted: float  # when `seen` was written to the disk
    ended: bool = False
    notices: list[tuple[str, str]] = field(default_factory=list)


class Sessions:
    """All of them. `idle` and `longest` are seconds."""

    def __init__(
        self,
        store: Store,
        *,
        idle: float,
        longest: float,
        most: int,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        self._store = store
        self._idle = idle
        self._longest = longest
        self._most = most
        self._clock = clock
        self._wall = wall
        self._by_digest: dict[bytes, Session] = {}
        self._gone: set[bytes] = set()  # may still be on the disk
        self._load()

    async def begin(self, account: Account, *, address: str, browser: str) -> tuple[str, Session]:
        """Sign somebody in whose password was just checked; return the browser's token, and the session.

        Changed when the account was changed or removed since. Beyond the bounds, the sessions that were not
        used for longest end.
        """
        token = new_token()
        now, wall = self._clock(), self._wall()
        session = Session(
            id=secrets.token_hex(8),
            digest=digest_of(token),
            number=account.number,
            user=account.user,
            must_change=account.must_change,
            started_at=wall,
            seen_at=wall,
            address=address[:MAX_ADDRESS],
            browser=browser[:MAX_BROWSER],
            started=now,
            seen=now,
            noted=now,
        )
        over = self._over_the_bounds(account.number)

        def work(db: sqlite3.Connection) -> None:
            _check_unchanged(db, account)
            db.executemany("DELETE FROM sessions WHERE token = ?", [(other.digest,) for other in over])
            db.execute("UPDATE users SET last_sign_in = ? WHERE number = ?", (wall, account.number))
            db.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
                (session.digest, session.id, session.number, wall, wall, session.address, session.browser),
            )

        try:
            await self._store.write(work)
        except StoreFailure as error:
            # Reading still tells whether the account is the same; the session lives until the next restart.
            log.warning("a session is kept in memory only: %s", error)
            self._store.read(lambda db: _check_unchanged(db, account))
        for other in over:
            self._drop(other)
        self._by_digest[session.digest] = session
        return token, session

    def find(self, token: str, *, active: bool = True) -> Session | None:
        """Return the session of this token if it still holds. `active`: a person did something with it."""
        session = self._by_digest.get(digest_of(token))
        if session is None or not self.holds(session):
            return None
        if active:
            session.seen, session.seen_at = self._clock(), self._wall()
        return session

    def holds(self, session: Session) -> bool:
        """Tell whether a session has not ended. Asking does not prolong it."""
        now = self._clock()
        if session.ended or now - session.seen > self._idle or now - session.started > self._longest:
            self._drop(session)
            return False
        return True

    async def note(self, session: Session) -> None:
        """Write down that a session is in use, now and then."""
        if session.ended or session.seen - session.noted < SEEN_EVERY:
            return
        session.noted = session.seen
        with contextlib.suppress(StoreFailure):  # a restart forgets a minute more
            await self._store.write(
                lambda db: db.execute(
                    "UPDATE sessions SET seen_at = ? WHERE token = ?", (session.seen_at, session.digest)
                )
            )

    def of(self, number: int) -> list[Session]:
        """Return the sessions of a user, the one used last first."""
        mine = [session for session in list(self._by_digest.values()) if session.number == number]
        return sorted((s for s in mine if self.holds(s)), key=lambda s: -s.seen)

    async def end(self, *sessions: Session) -> None:
        """End sessions, at once. StoreFailure: it is so in memory, but a restart may forget it."""
        for session in sessions:
            self._drop(session)
        await self._store.write(
            lambda db: db.executemany(
                "DELETE FROM sessions WHERE token = ?", [(session.digest,) for session in sessions]
            )
        )

    def drop_user(self, number: int) -> None:
        """Forget the sessions of a user whose rows are gone already."""
        for session in [s for s in self._by_digest.values() if s.number == number]:
            self._drop(session)

    def __len__(self) -> int:
        return len(self._by_digest)

    def _drop(self, session: Session) -> None:
        if not session.ended:
            session.ended = True
            self._by_digest.pop(session.digest, None)
            self._gone.add(session.digest)

    def _over_the_bounds(self, number: int) -> list[Session]:
        """Return the sessions that have to end before another one of this user begins."""
        alive = [session for session in list(self._by_digest.values()) if self.holds(session)]
        alive.sort(key=lambda session: session.seen)
        mine = [session for session in alive if session.number == number]
        over = mine[: max(0, len(mine) + 1 - MAX_PER_USER)]
        rest = [session for session in alive if session not in over]
        return over + rest[: max(0, len(rest) + 1 - self._most)]

    def _load(self) -> None:
        """Take over what held before a restart; the rest goes with the next sweep."""
        now, wall = self._clock(), self._wall()
        found = self._store.read(lambda db: db.execute("SELECT token FROM sessions").fetchall())
        rows = self._store.read(
            lambda db: db.execute(
                "SELECT s.token, s.id, u.number, u.name, u.role, u.start_until, s.started_at, s.seen_at, "
                "s.address, s.browser FROM sessions s JOIN users u ON u.number = s.user "
                "WHERE u.disabled = 0 AND s.started_at <= :now AND s.seen_at <= :now "
                "AND s.seen_at >= :now - :idle AND s.started_at >= :now - :longest "
                "ORDER BY s.seen_at DESC LIMIT :most",
                {"now": wall, "idle": self._idle, "longest": self._longest, "most": self._most},
            ).fetchall()
        )
        for token, id_, number, name, role, start_until, started_at, seen_at, address, browser in rows:
            self._by_digest[bytes(token)] = Session(
                id=id_,
                digest=bytes(token),
                number=number,
                user=User(name, Role(role)),
                must_change=start_until is not None,
                started_at=started_at,
                seen_at=seen_at,
                address=address,
                browser=browser,
                started=now - (wall - started_at),
                seen=now - (wall - seen_at),
                noted=now - (wall - seen_at),
            )
        self._gone = {bytes(row[0]) for row in found} - set(self._by_digest)

    async def sweep(self) -> None:
        """Remove from the disk what has ended. StoreFailure: the next sweep tries again."""
        for session in list(self._by_digest.values()):
            self.holds(session)
        gone = [(digest,) for digest in self._gone]
        if gone:
            await self._store.write(lambda db: db.executemany("DELETE FROM sessions WHERE token = ?", gone))
            self._gone -= {digest for (digest,) in gone}


def new_token() -> str:
    """Return 256 random bits as text for a cookie."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def csrf_of(token: str) -> str:
    """Return the word that forms of this session bring along: only who has the token knows it."""
    mac = hmac.digest(token.encode("utf-8", "replace"), b"csrf", "sha256")
    return urlsafe_b64encode(mac).decode().rstrip("=")


def _check_unchanged(db: sqlite3.Connection, account: Account) -> None:
    row = db.execute(
        "SELECT password, disabled, role FROM users WHERE number = ?", (account.number,)
    ).fetchone()
    if row is None or row[0] != account.password or row[1] or row[2] != account.role:
        raise Changed
