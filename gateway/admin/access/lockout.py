"""How long somebody waits after wrong passwords. PURE: time is an argument, in seconds of any steady clock.

Each attempt has up to three counters, and the longest wait of them holds:

    browser   a browser that has signed in as this user before (known_browser.py) has a counter of its own,
              and no other: nobody else can make its user wait
    pair      this account from this address
    address   any account from this address; IPv6 by /64, which is one customer
    account   this account from anywhere, for guessing that comes from many addresses. One address adds to it
              at most its own free tries, and that many do not reach the account's: **one address cannot make
              another wait**

A counter lets some tries through freely, then asks for 1, 2, 4 ... seconds, 60 at most, since the last try.
A try that comes too early is not looked at and changes nothing, so waiting always ends, and then the right
password works. A counter that was left alone for half an hour is forgotten, and the table has a bounded size.

A try counts when it begins, or many at the same moment would all be free; success takes it back.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

MAX_WAIT = 60.0
FORGET_AFTER = 1800.0
FREE = {"browser": 5, "pair": 5, "address": 15, "account": 20}
"""Tries without a wait. pair < account, so that one address alone does not reach the account's."""

MAX_COUNTERS = 4096  # 0.5 MiB; the one that was used least recently goes first

Key = tuple[str, str, str]  # kind, account, address or browser


@dataclass(slots=True)
class _Counter:
    tries: int
    last: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody's try at an account. `browser`: the number of a known browser, empty for any other."""

    account: str  # as compared (users.key_of); need not exist
    address: str
    browser: str = ""


class Lockout:
    """The counters of one door."""

    def __init__(self, max_counters: int = MAX_COUNTERS) -> None:
        self._counters: OrderedDict[Key, _Counter] = OrderedDict()
        self._max = max_counters

    def __len__(self) -> int:
        return len(self._counters)

    def begin(self, attempt: Attempt, now: float) -> float:
        """Return 0.0 and count the try, or return how many seconds to wait and count nothing."""
        wait = max(self._wait(key, now) for key in _keys(attempt))
        if wait > 0:
            return wait
        for key in _keys(attempt):  # the pair comes before the account
            if key[0] != "account" or self._adds_to_account(attempt):
                self._count(key, now)
        return 0.0

    def succeeded(self, attempt: Attempt) -> None:
        """Forget what stood against this user here; what others tried stays counted."""
        self.withdrawn(attempt)
        self._counters.pop(_keys(attempt)[0], None)

    def withdrawn(self, attempt: Attempt) -> None:
        """Take back the try that was just counted."""
        adds = self._adds_to_account(attempt)
        for key in _keys(attempt):
            counter = self._counters.get(key)
            if counter is not None and (key[0] != "account" or adds):
                counter.tries -= 1
                if counter.tries <= 0:
                    del self._counters[key]

    def _wait(self, key: Key, now: float) -> float:
        counter = self._counters.get(key)
        if counter is None:
            return 0.0
        since = max(0.0, now - counter.last)
        if since > FORGET_AFTER:
            del self._counters[key]
            return 0.0
        left = delay(counter.tries - FREE[key[0]]) - since
        return left if left > 0.001 else 0.0  # whoever waits for what was said must not miss by a rounding

    def _adds_to_account(self, attempt: Attempt) -> bool:
        counter = self._counters.get(_keys(attempt)[0])
        return counter is not None and counter.tries <= FREE["pair"]

    def _count(self, key: Key, now: float) -> None:
        counter = self._counters.setdefault(key, _Counter(0, now))
        counter.tries += 1
        counter.last = now
        self._counters.move_to_end(key)
        while len(self._counters) > self._max:
            self._counters.popitem(last=False)


def delay(beyond: int) -> float:
    """Return the wait after a try, `beyond` of which were not free."""
    if beyond < 0:
        return 0.0
    return min(MAX_WAIT, 2.0 ** min(beyond, 10))


def network_of(address: str) -> str:
    """Return what counts as one address: an IPv4 address, an IPv6 /64 network, or the text as it is."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def _keys(attempt: Attempt) -> tuple[Key, ...]:
    """Return the counters of an attempt; the first one is this user's own here."""
    if attempt.browser:
        return (("browser", attempt.account, attempt.browser),)
    address = network_of(attempt.address)
    return (("pair", attempt.account, address), ("address", "", address), ("account", attempt.account, ""))
