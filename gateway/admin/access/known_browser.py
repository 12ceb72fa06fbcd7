"""Browsers that have signed in before: each has a counter of wrong passwords of its own (lockout.py).

A browser keeps, beside its session, one token for each of the last few users who signed in with it: a random
number, when it was given, and a MAC over both and the user. It proves nothing but "somebody once signed in
here as this user"; without the password it opens nothing. The device keeps one key and no list.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from time import time

from gateway.admin.access.store import Store

MAX_TOKENS = 4  # users of one browser; the one who signed in longest ago is forgotten
VALID_DAYS = 180
MAX_COOKIE = 600  # characters that are looked at

_KEY = "browser key"
_DAY = 86400.0


class KnownBrowsers:
    """Gives and checks the tokens."""

    def __init__(self, key: bytes, *, clock: Callable[[], float] = time) -> None:
        self._key = key
        self._clock = clock

    def number_for(self, cookie: str, user: int) -> str:
        """Return the number of this browser for a user; "" when the user never signed in here."""
        for token in _tokens(cookie):
            number, given_at = self._read(token, user)
            if number and 0 <= self._clock() - given_at <= VALID_DAYS * _DAY:
                return number
        return ""

    def with_user(self, cookie: str, user: int) -> str:
        """Return the cookie of a browser in which this user has just signed in."""
        others = [token for token in _tokens(cookie) if not self._read(token, user)[0]]
        number, at = secrets.token_hex(8), int(self._clock())
        return "~".join([f"{number}.{at}.{self._mac(number, at, user)}", *others][:MAX_TOKENS])

    def _read(self, token: str, user: int) -> tuple[str, int]:
        number, _, rest = token.partition(".")
        at, _, mac = rest.partition(".")
        if not (at.isascii() and at.isdigit() and len(at) <= 12):
            return "", 0
        if not hmac.compare_digest(mac.encode(), self._mac(number, int(at), user).encode()):
            return "", 0
        return number, int(at)

    def _mac(self, number: str, at: int, user: int) -> str:
        return hmac.digest(self._key, f"{number}.{at}.{user}".encode(), "sha256").hex()[:32]


async def browser_key(store: Store) -> bytes:
    """Return the key of this device, made on first use. StoreFailure when it cannot be kept."""
    found = store.meta(_KEY)
    if found is not None:
        return found
    made = secrets.token_bytes(32)
    await store.write(lambda db: db.execute("INSERT INTO meta VALUES (?, ?)", (_KEY, made)))
    return made


def _tokens(cookie: str) -> list[str]:
    return cookie[:MAX_COOKIE].split("~")[:MAX_TOKENS] if cookie else []
