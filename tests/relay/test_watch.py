"""The clock of one relay: who is given up when, and who is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from gateway.association.association import Association
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.relay.ledger import Exchange, Ledger, Side
from gateway.relay.patience import RelayTimeouts
from gateway.relay.watch import Watch
from tests.support.loop_clock import FastLoop, run_fast
from tests.support.relay_memory import FIND, GET, RT_PLAN

TIMEOUTS = RelayTimeouts(response=60, between=20)


@dataclass
class Link:
    """An association as far as the watch sees it; a request may still be on its way out."""

    written: int = 0
    untaken: int = 0
    writable: bool = True
    expired: list[tuple[float, str]] = field(default_factory=list)
    unacknowledged: Callable[[float], float] = lambda _now: 0.0

    @property
    def stream(self) -> Any:
        return SimpleNamespace(
            bytes_out=self.written,
            backlog=lambda: self.untaken,
            writable=self.writable,
            unacknowledged=lambda: self.unacknowledged(asyncio.get_running_loop().time() - 1000),
        )

    def expire(self, reason: str) -> None:
        self.expired.append((asyncio.get_running_loop().time() - 1000, reason))


class Scene:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ledger = Ledger({1: 1, 3: 3, 5: 5}, most=10)
        self.links: dict[Side, Link | None] = {Side.NEAR: Link(), Side.FAR: Link()}
        self.passing: dict[tuple[Side, int], Exchange | None] = {}
        self.watch = Watch(
            self.ledger, TIMEOUTS, lambda side: cast("Association | None", self.links[side]), self.passing
        )

    def link(self, side: Side) -> Link:
        link = self.links[side]
        assert link is not None
        return link

    def begin(self, asker: Side, context_id: int, request: Command) -> Exchange:
        exchange = self.ledger.begin(asker, context_id, request, request.message_id or 0, self.loop.time())
        exchange.complete = True
        self.watch.begin(exchange)
        return exchange

    def find(self, number: int = 1) -> Exchange:
        return self.begin(Side.NEAR, 1, messages.c_find_rq(number, FIND))


def play(act: Callable[[Scene], Coroutine[Any, Any, None]]) -> int:
    """Act, and return how often the loop had to wake."""

    async def run() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FastLoop)
        scene = Scene()
        await act(scene)
        scene.watch.end()
        return loop.wakings

    return run_fast(run())


def test_a_request_without_any_response_is_given_up_after_the_response_time() -> None:
    async def act(it: Scene) -> None:
        it.find()
        await asyncio.sleep(100)
        assert it.link(Side.FAR).expired == [(60, "no answer to C-FIND-RQ within 60 s")]
        assert it.link(Side.NEAR).expired == []

    play(act)


def test_a_dead_connection_is_given_up_long_before_an_answer_is_due() -> None:
    async def act(it: Scene) -> None:
        it.link(Side.FAR).unacknowledged = lambda now: now  # nothing since the request
        it.find()
        await asyncio.sleep(100)
        ((when, why),) = it.link(Side.FAR).expired
        assert when <= 2 * TIMEOUTS.connect
        assert "the connection is dead" in why

    play(act)


def test_what_was_sent_just_now_may_still_be_on_its_way() -> None:
    async def act(it: Scene) -> None:
        it.link(Side.FAR).unacknowledged = lambda now: TIMEOUTS.connect - 0.1
        it.find()
        await asyncio.sleep(59)
        assert it.link(Side.FAR).expired == []

    play(act)


def test_what_the_far_end_asks_is_owed_by_the_caller() -> None:
    async def act(it: Scene) -> None:
        it.begin(Side.FAR, 5, messages.n_event_report_rq(1, "1.2", "1.2", 1, has_data_set=False))
        await asyncio.sleep(100)
        assert [when for when, _ in it.link(Side.NEAR).expired] == [60]
        assert it.link(Side.FAR).expired == []

    play(act)


def test_after_a_response_the_next_has_less_time_and_each_one_starts_it_again() -> None:
    async def act(it: Scene) -> None:
        exchange = it.find()
        for _ in range(10):
            await asyncio.sleep(15)
            exchange.answered = True
            exchange.touched = it.loop.time()
            it.watch.begin(exchange)
        await asyncio.sleep(100)
        assert it.link(Side.FAR).expired == [(170, "no answer to C-FIND-RQ within 20 s")]

    play(act)


def test_nobody_is_given_up_before_the_request_is_complete_or_after_its_end() -> None:
    async def act(it: Scene) -> None:
        exchange = it.find()
        exchange.complete = False
        it.ledger.close(it.find(2))
        await asyncio.sleep(1000)
        assert it.link(Side.FAR).expired == []

    play(act)


def test_a_side_that_is_over_is_not_waited_for() -> None:
    async def act(it: Scene) -> None:
        it.find()
        it.links[Side.FAR] = None
        await asyncio.sleep(1000)
        assert it.link(Side.NEAR).expired == []

    play(act)


def test_a_request_that_still_leaves_over_a_slow_link_is_not_given_up() -> None:
    async def act(it: Scene) -> None:
        far = it.link(Side.FAR)
        far.written, far.untaken = 1000, 1000
        it.find()
        for _ in range(8):
            await asyncio.sleep(60)
            far.untaken -= 125
        assert far.untaken == 0
        assert far.expired == []
        await asyncio.sleep(200)
        assert len(far.expired) == 1  # all of it has arrived: from then on the clock runs

    play(act)


def test_a_link_that_takes_nothing_is_given_up() -> None:
    async def act(it: Scene) -> None:
        far = it.link(Side.FAR)
        far.written, far.untaken = 1000, 1000
        it.find()
        await asyncio.sleep(200)
        assert [when for when, _ in far.expired] == [120]

    play(act)


def test_two_requests_on_one_slow_link_do_not_spoil_each_others_patience() -> None:
    async def act(it: Scene) -> None:
        far = it.link(Side.FAR)
        far.written, far.untaken = 1000, 1000
        it.find(1)
        await asyncio.sleep(0.001)
        it.find(2)
        for _ in range(8):
            await asyncio.sleep(60)
            far.untaken -= 125
        assert far.expired == []

    play(act)


def test_what_is_written_after_it_does_not_keep_a_request_alive_for_ever() -> None:
    async def act(it: Scene) -> None:
        far = it.link(Side.FAR)
        far.written, far.untaken = 1000, 500
        it.find()
        for _ in range(20):  # a busy link: always something on its way
            await asyncio.sleep(30)
            far.written += 1000
            it.loop.time()
        assert far.expired

    play(act)


def test_a_retrieve_waits_for_the_caller_that_owes_an_answer_itself() -> None:
    async def act(it: Scene) -> None:
        it.begin(Side.NEAR, 3, messages.c_get_rq(1, GET))
        await asyncio.sleep(59)
        store = it.begin(Side.FAR, 5, messages.c_store_rq(1, RT_PLAN, "1.2"))
        await asyncio.sleep(50)
        assert it.link(Side.FAR).expired == []
        it.ledger.close(store)
        await asyncio.sleep(100)
        assert [when for when, _ in it.link(Side.FAR).expired] == [120]
        assert it.link(Side.NEAR).expired == []

    play(act)


def test_a_far_end_that_stops_in_the_middle_of_an_object_is_given_up() -> None:
    async def act(it: Scene) -> None:
        it.begin(Side.NEAR, 3, messages.c_get_rq(1, GET))
        it.begin(Side.FAR, 5, messages.c_store_rq(1, RT_PLAN, "1.2")).complete = False
        await asyncio.sleep(100)
        assert [when for when, _ in it.link(Side.FAR).expired] == [60]

    play(act)


def passing(it: Scene, sender: Side = Side.FAR) -> Exchange:
    """A final response with a data set has begun: nobody owes an answer any more."""
    exchange = it.find()
    it.ledger.close(exchange)
    it.passing[sender, 1] = exchange
    it.watch.begin_passing(exchange)
    return exchange


def test_a_far_end_that_stops_in_the_middle_of_its_last_response_is_given_up() -> None:
    async def act(it: Scene) -> None:
        exchange = passing(it)
        for _ in range(10):
            await asyncio.sleep(15)
            exchange.touched = it.loop.time()
        await asyncio.sleep(100)
        words = "nothing came for 20 s in the middle of a message"
        assert it.link(Side.FAR).expired == [(170, words)]
        assert it.link(Side.NEAR).expired == []

    play(act)


def test_a_far_end_that_is_not_read_from_does_not_stop_by_itself() -> None:
    async def act(it: Scene) -> None:
        passing(it)
        it.link(Side.NEAR).writable = False
        await asyncio.sleep(100)
        it.link(Side.NEAR).writable = True
        await asyncio.sleep(19)
        assert it.link(Side.FAR).expired == []
        await asyncio.sleep(21)
        assert len(it.link(Side.FAR).expired) == 1

    play(act)


def test_a_data_set_of_the_caller_or_one_that_is_thrown_away_is_not_waited_for() -> None:
    async def act(it: Scene) -> None:
        passing(it, Side.NEAR)
        it.passing[Side.FAR, 3] = None
        await asyncio.sleep(100)
        it.passing[Side.FAR, 1] = it.passing.pop((Side.NEAR, 1))
        it.links[Side.NEAR] = None
        await asyncio.sleep(100)
        assert it.link(Side.FAR).expired == []

    play(act)


def test_one_timer_for_many_requests_and_none_at_the_end() -> None:
    async def act(it: Scene) -> None:
        for number in range(10):
            it.find(number + 1)
        for exchange in it.ledger.open(Side.NEAR):
            it.ledger.close(exchange)
        await asyncio.sleep(1000)

    assert play(act) == 2  # the timer, and the end of the sleep
