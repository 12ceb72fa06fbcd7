"""Passwords: what is kept, what it costs, and which are refused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.access.passwords import MAX_LENGTH, Busy, Passwords, Weakness, normal, weakness

QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
GOOD = "seven tall green boats"


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(QUICK)
    yield made
    made.close()


async def test_the_right_one_and_no_other(passwords: Passwords) -> None:
    kept = await passwords.hash(GOOD)
    assert GOOD not in kept
    assert await passwords.check(kept, GOOD)
    assert not await passwords.check(kept, GOOD + " ")
    assert not await passwords.check(kept, "")
    assert not await passwords.check(None, GOOD)
    assert not await passwords.check("damaged", GOOD)
    assert not await passwords.check(kept, GOOD * 1000)


async def test_it_is_argon2id_with_parameters_for_a_small_board() -> None:
    passwords = Passwords()
    kept = await passwords.hash(GOOD)
    passwords.close()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_other_parameters_are_noticed(passwords: Passwords) -> None:
    kept = await passwords.hash(GOOD)
    assert not passwords.outdated(kept)
    assert passwords.outdated(PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash(GOOD))


async def test_the_same_keys_give_the_same_password_on_every_keyboard(passwords: Passwords) -> None:
    kept = await passwords.hash("cl\u00e9 secr\u00e8te \u2160 neuf")
    assert await passwords.check(kept, "cle\u0301 secre\u0300te I neuf")


class Slow(PasswordHasher):
    """Hashes only when it is let."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.go = threading.Event()
        self.go.set()
        self.checked = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
        self.go.wait(20)
        self.checked += 1
        return bool(super().verify(hash, password))


async def test_a_flood_waits_in_a_short_queue_and_known_browsers_have_seats_of_their_own() -> None:
    slow = Slow()
    passwords = Passwords(slow, waiting=3, kept=2)
    slow.go.clear()
    flood = [asyncio.ensure_future(passwords.check(None, GOOD)) for _ in range(50)]
    done, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_EXCEPTION)
    while len(done) < 47:
        done, _ = await asyncio.wait(flood, timeout=0.01)
    assert all(isinstance(task.exception(), Busy) for task in done)
    known = [asyncio.ensure_future(passwords.check(None, GOOD, known=True)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await passwords.check(None, GOOD, known=True)
    slow.go.set()
    assert await asyncio.gather(*known) == [False, False]
    assert slow.checked == 5
    assert not await passwords.check(None, GOOD)  # the seats are free again
    passwords.close()


async def test_callers_that_hang_up_do_not_pile_up_work() -> None:
    slow = Slow()
    passwords = Passwords(slow, waiting=2, kept=0)
    slow.go.clear()
    running = asyncio.ensure_future(passwords.check(None, GOOD))
    waiting = asyncio.ensure_future(passwords.check(None, GOOD))
    await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    await asyncio.wait([running, waiting])
    again = asyncio.ensure_future(passwords.check(None, GOOD))  # the one that had not begun is gone
    await asyncio.sleep(0)
    with pytest.raises(Busy):  # the one that runs still has its seat
        await passwords.check(None, GOOD)
    slow.go.set()
    assert await again is False
    passwords.close()


async def test_an_unknown_user_costs_the_same_work() -> None:
    """The same hash function with the same parameters runs once either way."""
    passwords = Passwords()
    kept = await passwords.hash(GOOD)

    async def seconds(of: str | None, password: str) -> float:
        times = []
        for _ in range(5):
            before = time.perf_counter()
            assert not await passwords.check(of, password)
            times.append(time.perf_counter() - before)
        return min(times)

    wrong = await seconds(kept, "not the password")
    unknown = await seconds(None, "not the password")
    long = await seconds(None, "x" * 100_000)
    passwords.close()
    assert 0.4 < unknown / wrong < 2.5
    assert 0.4 < long / wrong < 2.5


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("short one", Weakness.SHORT),
        ("x" * 129, Weakness.LONG),
        ("\ufdfa" * 20, Weakness.LONG),  # one character that becomes eighteen
        ("aaaaaaaaaaaa", Weakness.PATTERN),
        ("abcabcabcabc", Weakness.PATTERN),
        ("1234567890", Weakness.PATTERN),
        ("0987654321", Weakness.PATTERN),
        ("qwertyuiop", Weakness.PATTERN),
        ("Password123!", Weakness.COMMON),
        ("P@ssw0rd2026", Weakness.COMMON),
        ("MotDePasse12", Weakness.COMMON),
        ("Contraseña12", Weakness.COMMON),
        ("Oncology2026", Weakness.COMMON),
        ("hospital-linac", Weakness.COMMON),
        ("anna.silva1", Weakness.NAME),
        ("AnnaSilva2026", Weakness.NAME),
        ("clinic-07-box", Weakness.NAME),
        (GOOD, None),
        ("correct horse battery staple", None),
        ("日本語のとても長い秘密の言葉", None),
        ("k7Pq-w2Xn-9vRt", None),
        ("a" + "bcdefghijk" * 3 + "zq9", None),
    ],
)
def test_which_are_good_enough(password: str, expected: Weakness | None) -> None:
    assert weakness(password, ["Anna Silva", "clinic-07", "box"]) is expected


@given(st.text(max_size=300))
def test_any_text_has_an_answer(password: str) -> None:
    answer = weakness(password, ["Anna Silva", "", "a"])
    if answer is None:
        assert 10 <= len(normal(password)) <= MAX_LENGTH


def test_no_text_takes_long() -> None:
    before = time.process_time()
    for password in ("ab" * 64, "a" * 63 + "b" + "a" * 64, "abcdefg" * 18, "x1" * 63 + "yz"):
        weakness(password, ["ab"] * 10)
    assert time.process_time() - before < 0.5
