"""Who is told when something of commitment may be due, and that questions leave no trace."""

from __future__ import annotations

import pytest

from gateway.errors import SpoolFailure
from gateway.spool import Confirmed, PutBack, Spool
from tests.support.committing import a_request, a_step, accept, answer, ask, put, to_ask
from tests.support.spooling import OpenSpool


class Told:
    def __init__(self, spool: Spool) -> None:
        self.times = 0
        self.stop = spool.on_commitment(self._hear)

    def _hear(self) -> None:
        self.times += 1

    def since(self) -> int:
        times, self.times = self.times, 0
        return times


async def test_the_engine_is_told_of_what_it_may_have_to_do(spool: Spool) -> None:
    told = Told(spool)
    await put(spool, 1, 2, 3)
    await spool.add_commitment(a_request(1, 2))
    assert told.since() == 1
    await spool.add_commitment(a_request(1, 2))  # it is here and open: nothing to do
    assert told.since() == 0
    jobs = await spool.claim("oncology", 1)
    await spool.settle([PutBack(jobs[0].delivery.number, 0.0, "busy")])
    assert told.since() == 0
    await accept(spool)
    assert told.since() == 1
    uid = await ask(spool, 1)
    assert told.since() == 0
    await answer(spool, uid, 1)
    assert told.since() == 1
    await spool.ask_put_off(await ask(spool, 2), 0.0, "refused")
    assert told.since() == 1
    await spool.settle([Confirmed(2, "verified")])
    assert told.since() == 1
    await spool.commitment_reported(1)
    assert told.since() == 0
    await spool.add_commitment(a_request(1, 2))  # to be reported once more
    assert told.since() == 1
    await spool.add_commitment(a_request(9, uid="1.2.3.2"))
    await spool.expire_commitments(1e12)
    assert told.since() == 2
    told.stop()
    await spool.add_commitment(a_request(9, uid="1.2.3.3"))
    assert told.since() == 0


async def test_who_sends_steps_is_told_for_which_destination(spool: Spool) -> None:
    told: list[str] = []
    stop = spool.on_step(told.append)
    await spool.add_step(a_step())
    await spool.add_step(a_step(to="archive"))
    await spool.step_put_back(1, 0.0, "busy", uncertain=False)
    await spool.step_held(1, "no")
    await spool.retry_step(1)
    await spool.step_done(2, 0, "")
    assert told == ["oncology", "archive", "oncology", "oncology", "oncology", "archive"]
    stop()
    await spool.discard_step(1, "no")
    assert len(told) == 6


async def test_looking_for_what_to_ask_changes_nothing(spool: Spool) -> None:
    await put(spool, 1, 2)
    await accept(spool)
    await spool.add_commitment(a_request(1, 7))
    before = await spool.list_commitments(10), await spool.list_deliveries()
    first = await to_ask(spool, everything=True)
    assert await to_ask(spool, everything=True) == first
    assert (await spool.list_commitments(10), await spool.list_deliveries()) == before


async def test_a_closed_spool_says_so(open_spool: OpenSpool) -> None:
    spool = open_spool()
    await spool.close()
    for call in (
        spool.add_commitment(a_request(1)),
        spool.list_commitments(1),
        spool.add_step(a_step()),
        spool.next_steps("oncology", 1),
    ):
        with pytest.raises(SpoolFailure, match="closed"):
            await call
