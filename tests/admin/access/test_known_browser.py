"""Known browsers: a token is worth what it says, for that user, for a while."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.access.known_browser import MAX_TOKENS, VALID_DAYS, KnownBrowsers, browser_key
from gateway.admin.access.store import Store

DAY = 86400.0


class Clock:
    now = 1_700_000_000.0


KNOWN = KnownBrowsers(b"k" * 32, clock=lambda: Clock.now)
COOKIE = KNOWN.with_user("", 7)


def test_a_browser_is_known_for_the_user_who_signed_in_and_no_other() -> None:
    assert KNOWN.number_for(COOKIE, 7)
    assert KNOWN.number_for(COOKIE, 8) == ""
    assert KnownBrowsers(b"x" * 32).number_for(COOKIE, 7) == ""


def test_every_browser_has_another_number() -> None:
    assert KNOWN.number_for(COOKIE, 7) != KNOWN.number_for(KNOWN.with_user("", 7), 7)


def test_two_users_of_one_browser_are_both_known() -> None:
    both = KNOWN.with_user(COOKIE, 8)
    assert KNOWN.number_for(both, 7)
    assert KNOWN.number_for(both, 8)


def test_signing_in_again_replaces_the_token() -> None:
    again = KNOWN.with_user(COOKIE, 7)
    assert again.count("~") == 0
    assert KNOWN.number_for(again, 7) != KNOWN.number_for(COOKIE, 7)


def test_a_browser_remembers_a_few_users() -> None:
    cookie = ""
    for user in range(20):
        cookie = KNOWN.with_user(cookie, user)
    assert [user for user in range(20) if KNOWN.number_for(cookie, user)] == list(range(20 - MAX_TOKENS, 20))
    assert len(cookie) < 300


def test_it_is_forgotten_after_half_a_year_and_not_good_before_it_was_given() -> None:
    late = KnownBrowsers(b"k" * 32, clock=lambda: Clock.now + VALID_DAYS * DAY + 1)
    early = KnownBrowsers(b"k" * 32, clock=lambda: Clock.now - 60)
    assert late.number_for(COOKIE, 7) == ""
    assert early.number_for(COOKIE, 7) == ""


@given(st.text(max_size=900))
def test_garbage_is_an_unknown_browser(cookie: str) -> None:
    assert KNOWN.number_for(cookie, 7) == ""
    assert KNOWN.number_for(KNOWN.with_user(cookie, 7), 7)


@given(st.integers(0, len(COOKIE) - 1), st.characters(codec="ascii"))
def test_one_changed_letter_is_an_unknown_browser(place: int, letter: str) -> None:
    changed = COOKIE[:place] + letter + COOKIE[place + 1 :]
    assert changed == COOKIE or KNOWN.number_for(changed, 7) == ""


async def test_the_key_of_the_device_stays(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "state")
    key = await browser_key(store)
    store.close()
    store = Store.open(tmp_path / "state")
    assert await browser_key(store) == key
    assert len(key) == 32
    store.close()
