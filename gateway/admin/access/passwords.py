"""Passwords: how they are kept, how much work checking them may cost, and which are good enough.

Kept as argon2id hashes. The parameters are OWASP's smallest (19 MiB, two passes, one lane): a fraction of a
second on a Raspberry Pi, and a box that also carries treatment records has no more memory to lend. One thread
hashes, so a flood of sign-ins takes one core and 19 MiB and no more; a bounded number waits for it, with
seats kept for known browsers. An unknown user costs the same work as a wrong password.

Good enough follows NIST SP 800-63B: long rather than complicated, no rules about characters, no forced
change, but not one of those that everybody tries first.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.admin.access.common_passwords import COMMON
from gateway.errors import LocalError

T = TypeVar("T")

MIN_LENGTH = 10
MAX_LENGTH = 128  # characters, before and after normalisation
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

MAX_WAITING = 8  # checks at a time, the running one included: two seconds of work on a small board
KEPT_FOR_KNOWN = 4  # more, for browsers that have signed in before

ENOUGH = 6  # letters and digits that must be left of a password without what everybody tries
_ROWS = (
    "12345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
)
_LEET = str.maketrans("@4831!0$57", "aabeiiosst")
_REPEATED = re.compile(r"(.{1,6}?)\1+.{0,5}")


class Busy(LocalError):
    """Too many passwords are being checked; it goes on in a few seconds."""


class Weakness(StrEnum):
    """Why a password is not good enough."""

    SHORT = "short"
    LONG = "long"
    COMMON = "common"  # a word that everybody tries, with little else
    NAME = "name"  # the user's or the device's name, with little else
    PATTERN = "pattern"  # something over and over, or a row of keys


class Passwords:
    """Hashes and checks, one at a time on a thread of its own."""

    def __init__(
        self, hasher: PasswordHasher | None = None, *, waiting: int = MAX_WAITING, kept: int = KEPT_FOR_KNOWN
    ) -> None:
        self._hasher = hasher or PasswordHasher(
            time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16
        )
        self._waiting = waiting
        self._kept = kept
        self._taken = 0
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        # What an unknown user's password is compared with; made like any other, so that it costs the same.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """Return what is kept of a password. Busy when too many wait."""
        return await self._work(True, lambda: self._hasher.hash(normal(password)))

    async def check(self, kept: str | None, password: str, *, known: bool = False) -> bool:
        """Tell whether `password` is the one that is `kept`; for None (no such user) the work is the same.

        Browsers that are `known` have seats of their own. Busy when too many wait.
        """
        return await self._work(known, lambda: self._matches(kept, password))

    def outdated(self, kept: str) -> bool:
        """Tell whether a hash was made with other parameters than today's, so that it is made anew."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """Finish what runs; what waits is given up. Blocks."""
        self._thread.shutdown(cancel_futures=True)

    def _matches(self, kept: str | None, password: str) -> bool:
        fits = len(password) <= MAX_LENGTH  # no password that was ever accepted is longer
        try:
            self._hasher.verify(kept or self._nobody, normal(password) if fits else "")
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None and fits

    async def _work(self, known: bool, work: Callable[[], T]) -> T:
        with self._lock:
            if self._taken >= self._waiting + (self._kept if known else 0):
                raise Busy("many people are signing in at the same time")
            self._taken += 1
        # The seat is free when the thread is done, not when the caller has gone: who hangs up at once would
        # otherwise fill the queue.
        future = self._thread.submit(work)
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, _: Future[T]) -> None:
        with self._lock:
            self._taken -= 1


def normal(password: str) -> str:
    """Return the password as it is hashed: the same keys on another keyboard must give the same bytes."""
    return unicodedata.normalize("NFKC", password)


def weakness(password: str, names: Iterable[str] = ()) -> Weakness | None:
    """Return why a new password is not good enough, or None. `names`: of the user and of the device."""
    if len(password) > MAX_LENGTH or len(normal(password)) > MAX_LENGTH:
        return Weakness.LONG
    text = normal(password).casefold()
    if len(normal(password)) < MIN_LENGTH:
        return Weakness.SHORT
    if len(set(text)) < 4 or _REPEATED.fullmatch(text) or _is_row(text):
        return Weakness.PATTERN
    if _rest(text, _parts(names)) < ENOUGH:
        return Weakness.NAME
    if min(_rest(text, COMMON), _rest(text.translate(_LEET), COMMON)) < ENOUGH:
        return Weakness.COMMON
    return None


def _is_row(text: str) -> bool:
    return any(text in row or text[::-1] in row for row in _ROWS)


def _parts(names: Iterable[str]) -> set[str]:
    whole = {normal(name).casefold() for name in names}
    return {part for name in whole for part in (name, *re.split(r"[\W_]+", name)) if len(part) >= 3}


def _rest(text: str, words: Iterable[str]) -> int:
    """Return how many letters and digits are left of `text` without the words."""
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, " ")
    return sum(character.isalnum() for character in text)
