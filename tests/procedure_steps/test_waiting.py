"""A console's wait ends exactly once, and with what the journal says."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import SpoolFailure
from gateway.procedure_steps.waiting import Waits
from tests.support.loop_clock import run_fast, turns
from tests.support.steps import an_answer

ANSWER = an_answer(0x0106)


def test_the_answer_ends_the_wait() -> None:
    async def scenario() -> None:
        waits = Waits()
        wait = asyncio.create_task(waits.open(1, "1.2").outcome(5.0))
        await turns()
        assert waits.claim(1)
        waits.tell(1, ANSWER)
        assert await wait is ANSWER
        assert 1 not in waits

    run_fast(scenario())


def test_without_an_answer_it_ends_with_its_time() -> None:
    async def scenario() -> None:
        waits = Waits()
        assert await waits.open(1, "1.2").outcome(5.0) is None
        assert asyncio.get_running_loop().time() == 1005.0
        waits.close(1)
        assert not waits.claim(1)

    run_fast(scenario())


def test_a_claimed_answer_is_waited_for_whatever_the_time() -> None:
    async def scenario() -> None:
        waits = Waits()
        wait = asyncio.create_task(waits.open(1, "1.2").outcome(5.0))
        await turns()
        assert waits.claim(1)
        await asyncio.sleep(60)
        assert not wait.done()
        waits.give_up(1)
        waits.tell(1, ANSWER)
        assert await wait is ANSWER

    run_fast(scenario())


def test_giving_up_ends_the_wait_with_nothing() -> None:
    async def scenario() -> None:
        waits = Waits()
        first = asyncio.create_task(waits.open(1, "1.2").outcome(5.0))
        second = asyncio.create_task(waits.open(2, "1.3").outcome(5.0))
        await turns()
        assert waits.open_now() == {1: "1.2", 2: "1.3"}
        waits.give_up(1)
        assert waits.open_now() == {2: "1.3"}
        assert await first is None
        waits.give_up_all()
        assert await second is None
        assert asyncio.get_running_loop().time() == 1000.0
        assert not waits.claim(1)

    run_fast(scenario())


def test_a_broken_journal_leaves_what_is_claimed_without_a_word() -> None:
    async def scenario() -> None:
        waits = Waits()
        claimed = asyncio.create_task(waits.open(1, "1.2").outcome(5.0))
        other = asyncio.create_task(waits.open(2, "1.3").outcome(5.0))
        await turns()
        waits.claim(1)
        waits.fail(SpoolFailure("the disk"))
        assert await other is None
        with pytest.raises(SpoolFailure):
            await claimed

    run_fast(scenario())


async def test_nobody_waits_for_a_number_that_was_never_opened() -> None:
    waits = Waits()
    assert not waits.claim(7)
    waits.tell(7, ANSWER)
    waits.give_up(7)
    waits.close(7)
