"""The queue on a real spool against a real SCP: the link cut and the gateway killed at every step."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom.command import Command
from gateway.errors import NoRoom
from gateway.model import AETitle, Peer
from gateway.notices import Alarm, AssociationClosed, StepSettled
from gateway.procedure_steps.engine import StepEngine
from gateway.procedure_steps.policy import StepPolicy
from gateway.spool import Spool, SpoolLimits
from gateway.spool.step_values import Step, StepState
from tests.support.mpps_centre import (
    CUT_AFTER,
    CUT_BEFORE,
    SILENT,
    SILENT_BEFORE,
    Answer,
    MppsCentre,
    Received,
)
from tests.support.notice_log import NoticeLog
from tests.support.steps import UID, a_step

QUICK = StepPolicy(wait=0.2, backoff_base=0.02, backoff_ceiling=0.1, drain=0.1, doubtful_attempts=3)
PATIENT = StepPolicy(wait=10.0, backoff_base=0.02, backoff_ceiling=0.1, drain=0.1)
TIMEOUTS = RequestorTimeouts(connect=2, associate=5, response=5, release=1)


@dataclass
class House:
    """A gateway's queue, that can be stopped, killed and started again on the same directory."""

    directory: Path
    port: int
    policy: StepPolicy = QUICK
    limits: SpoolLimits | None = None
    log: NoticeLog = field(default_factory=NoticeLog)

    def start(self) -> None:
        """Open the spool and run the engine."""
        self.spool = Spool.open(self.directory, self.limits, notices=self.log.notices)
        peers = {"oncology": Peer("oncology", AETitle("CENTRE"), "127.0.0.1", self.port)}
        self.engine = StepEngine(
            self.spool, peers, AETitle("GATEWAY"), self.log.notices, self.policy, timeouts=TIMEOUTS
        )
        self.run = asyncio.create_task(self.engine.run())
        self.news = asyncio.Event()
        self.spool.on_step(lambda destination: self.news.set())

    async def stop(self) -> None:
        """End in good order."""
        async with asyncio.timeout(10):
            await self.engine.close()
            await self.spool.close()

    async def kill(self) -> None:
        """End as a crash does: nothing more is recorded, every connection is gone."""
        self.run.cancel()
        await asyncio.wait([self.run])
        for line in self.engine._lines.values():
            for association in line._sender._open:  # type: ignore[attr-defined]
                association.stream.kill()
                await association.wait_closed()
        await self.spool.close()

    async def until(self, condition: Callable[[dict[int, StepState]], bool]) -> dict[int, StepState]:
        """Wait until the journal says so."""
        async with asyncio.timeout(20):
            while True:
                self.news.clear()
                states = {row.number: row.state for row in await self.spool.list_steps()}
                if condition(states):
                    return states
                await self.news.wait()

    async def all_done(self) -> None:
        """Wait until every step is done."""
        await self.until(lambda states: set(states.values()) <= {StepState.DONE})

    async def submit(self, *steps: Step) -> list[int | None]:
        """Hand steps in one after the other, as a console does; return what it was told."""
        told: list[int | None] = []
        for step in steps:
            answer: Command | None = await self.engine.submit(step)
            told.append(None if answer is None else answer.status)
        return told


@asynccontextmanager
async def living(house: House) -> AsyncIterator[House]:
    house.start()
    try:
        yield house
    finally:
        if house.run.done():
            await house.spool.close()
        else:
            await house.stop()


class Script:
    """Answers of the centre, one for each request, then as the standard says."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.used_up = threading.Event()

    def __call__(self, received: Received) -> Answer:
        answer = self._answers.pop(0) if self._answers else None
        if not self._answers:
            self.used_up.set()
        return answer


async def reached(script: Script) -> None:
    """Wait until every answer of the script was given."""
    assert await asyncio.to_thread(script.used_up.wait, 10)


CREATE, CHANGE, END = a_step(1), a_step(1, "set", "IN PROGRESS"), a_step(1, "set", "COMPLETED")


async def test_the_consoles_conversation_with_the_link_up(tmp_path: Path) -> None:
    with MppsCentre() as centre:
        async with living(House(tmp_path / "spool", centre.port, PATIENT)) as house:
            assert await house.submit(CREATE, CHANGE, END, END, a_step(2, "set")) == [0, 0, 0, 0x0110, 0x0112]
            assert centre.instances[f"{UID}1"].data == [CREATE.data, CHANGE.data, END.data]
            assert {one.calling for one in centre.received} == {"LINAC1"}
            states = [row.state.value for row in await house.spool.list_steps()]
            assert states == ["done", "done", "done", "refused", "refused"]
            assert not house.log.of(Alarm)


async def test_an_outage_is_bridged_in_order(tmp_path: Path) -> None:
    centre = MppsCentre()
    async with living(House(tmp_path / "spool", centre.port)) as house:
        told = await house.submit(CREATE, a_step(2, calling_ae="LINAC2"), CHANGE, a_step(3), END)
        assert told == [None] * 5
        with centre:
            await house.all_done()
            assert centre.order(f"{UID}1") == ["create", "set", "set"]
            assert centre.instances[f"{UID}1"].data == [CREATE.data, CHANGE.data, END.data]
            assert centre.instances[f"{UID}1"].status == "COMPLETED"
            assert sorted(set(centre.associations)) == ["LINAC1", "LINAC2"]


@pytest.mark.parametrize("how", [CUT_BEFORE, CUT_AFTER])
@pytest.mark.parametrize("which", [1, 2, 3])
async def test_the_link_is_cut_under_each_step(tmp_path: Path, which: int, how: str) -> None:
    answers: list[Answer] = [None] * (which - 1) + [how]
    with MppsCentre(Script(*answers)) as centre:
        async with living(House(tmp_path / "spool", centre.port)) as house:
            told = await house.submit(CREATE, CHANGE, END)
            assert set(told) <= {0, None}
            await house.all_done()
            kept = centre.instances[f"{UID}1"]
            assert kept.status == "COMPLETED"
            # An N-SET that ends nothing may be applied twice: that changes nothing.
            applied = list(dict.fromkeys(kept.data))
            assert applied == [CREATE.data, CHANGE.data, END.data]
            assert kept.data.count(CREATE.data) == kept.data.count(END.data) == 1
            kinds = centre.order(f"{UID}1")
            assert kinds == sorted(kinds)  # "create" before "set"
            assert not house.log.of(Alarm)


@pytest.mark.parametrize("how", [SILENT, SILENT_BEFORE])
@pytest.mark.parametrize("which", [1, 2, 3])
async def test_the_gateway_is_killed_while_a_step_is_on_the_wire(
    tmp_path: Path, which: int, how: str
) -> None:
    script = Script(*[None] * (which - 1), how)
    with MppsCentre(script) as centre:
        house = House(tmp_path / "spool", centre.port)
        house.start()
        await house.submit(CREATE, CHANGE, END)
        await reached(script)
        await house.kill()
        centre._end.set()  # the one that was silent gives up
        async with living(house):
            await house.all_done()
            kept = centre.instances[f"{UID}1"]
            assert list(dict.fromkeys(kept.data)) == [CREATE.data, CHANGE.data, END.data]
            assert kept.data.count(CREATE.data) == kept.data.count(END.data) == 1
            assert not house.log.of(Alarm)


@pytest.mark.parametrize("which", [1, 2, 3])
async def test_the_gateway_is_killed_between_the_answer_and_the_journal(
    tmp_path: Path, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached_it = asyncio.Event()
    real = Spool.step_done

    async def never(self: Spool, number: int, status: int, comment: str) -> None:
        if number < which:
            await real(self, number, status, comment)
            return
        reached_it.set()
        await asyncio.Event().wait()

    with MppsCentre() as centre:
        house = House(tmp_path / "spool", centre.port)
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "step_done", never)
            house.start()
            told = asyncio.create_task(house.submit(CREATE, CHANGE, END))
            async with asyncio.timeout(10):
                await reached_it.wait()
            await house.kill()
            await asyncio.wait([told])
            told.exception()  # the console was told nothing, or that it is durable
        async with living(house):
            await house.all_done()
            assert centre.received[which - 1 : which + 1][0].data == centre.received[which].data
            assert centre.instances[f"{UID}1"].data.count(CREATE.data) == 1


async def test_a_restart_while_the_link_is_down_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    centre = MppsCentre()
    house = House(tmp_path / "spool", centre.port)
    for step in (CREATE, CHANGE, END):
        house.start()
        assert await house.submit(step) == [None]
        await (house.kill() if step is CHANGE else house.stop())
    with centre:
        async with living(house):
            await house.all_done()
            assert centre.instances[f"{UID}1"].data == [CREATE.data, CHANGE.data, END.data]
            assert centre.order() == ["create", "set", "set"]


async def test_a_stop_while_a_step_is_on_the_wire_is_remembered(tmp_path: Path) -> None:
    script = Script(SILENT)
    with MppsCentre(script) as centre:
        house = House(tmp_path / "spool", centre.port)
        house.start()
        assert await house.submit(CREATE) == [None]
        await reached(script)
        await house.stop()
        centre._end.set()
        async with living(house):
            await house.all_done()
            [row] = await house.spool.list_steps()
            assert row.status == 0x0111
            assert row.uncertain


async def test_a_held_step_stays_held_over_a_restart_and_a_person_lets_it_go(tmp_path: Path) -> None:
    with MppsCentre(Script(SILENT_BEFORE)) as centre:
        house = House(tmp_path / "spool", centre.port)
        async with living(house):
            assert await house.submit(CREATE) == [None]
            centre.answer = Script(0x0106)
            centre._end.set()  # the silent one answers 0xC000 now
            await house.until(lambda states: states[1] is StepState.HELD)
            assert [alarm.code for alarm in house.log.of(Alarm)] == ["step-held"]
            assert await house.submit(END, a_step(2)) == [None, 0x0106]
        async with living(house):
            assert await house.submit(a_step(3)) == [0]
            states = await house.until(lambda states: len(states) == 4)
            assert [state.value for state in states.values()] == ["held", "queued", "refused", "done"]
            await house.spool.retry_step(1, who="anna")
            states = await house.until(lambda states: states[2] is StepState.DONE)
            assert centre.instances[f"{UID}1"].data == [CREATE.data, END.data]


async def test_a_bare_0110_is_told_while_the_console_waits(tmp_path: Path) -> None:
    with MppsCentre(Script(None, CUT_AFTER), standard_words=False) as centre:
        async with living(House(tmp_path / "spool", centre.port, PATIENT)) as house:
            assert await house.submit(CREATE, END) == [0, 0x0110]
            assert centre.order() == ["create", "set", "set"]


async def test_a_bare_0110_is_not_taken_for_done_afterwards(tmp_path: Path) -> None:
    with MppsCentre(Script(None, CUT_AFTER), standard_words=False) as centre:
        async with living(House(tmp_path / "spool", centre.port, replace(QUICK, wait=0.0))) as house:
            assert await house.submit(CREATE) == [None]
            await house.all_done()
            centre.cut()  # so that the next association is a new one
            await house.log.wait(AssociationClosed)
            assert await house.submit(END) == [None]
            await house.until(lambda states: states[2] is StepState.HELD)
            assert centre.order() == ["create"] + ["set"] * QUICK.doubtful_attempts
            assert [alarm.code for alarm in house.log.of(Alarm)] == ["step-held"]


async def test_a_full_queue_refuses_and_takes_again(tmp_path: Path) -> None:
    centre = MppsCentre()
    async with living(House(tmp_path / "spool", centre.port, limits=SpoolLimits(max_steps=2))) as house:
        assert await house.submit(a_step(1), a_step(2)) == [None, None]
        with pytest.raises(NoRoom):
            await house.submit(a_step(3))
        with centre:
            await house.all_done()
            assert await house.submit(a_step(3)) == [0]


@pytest.mark.parametrize("seed", range(4))
async def test_in_all_weather_every_step_arrives_in_order(tmp_path: Path, seed: int) -> None:
    """Cuts, silence, refusals for now, a centre and a gateway that go away: ten procedure steps survive."""
    rng = random.Random(seed)
    lock = threading.Lock()
    fair = False

    def weather(received: Received) -> Answer:
        with lock:
            if fair or rng.random() < 0.4:
                return None
            return rng.choice([CUT_BEFORE, CUT_AFTER, 0x0213, None])

    expected = {
        f"{UID}{number}": [
            a_step(number, calling_ae=f"LINAC{number % 2}"),
            a_step(number, "set", "IN PROGRESS", calling_ae=f"LINAC{number % 2}"),
            a_step(number, "set", "COMPLETED", calling_ae=f"LINAC{number % 2}"),
        ]
        for number in range(1, 11)
    }
    centre = MppsCentre(weather)
    house = House(tmp_path / "spool", centre.port)
    refused: set[str] = set()

    sent: set[str] = set()

    async def console(uid: str) -> None:
        if uid in sent:
            return
        sent.add(uid)
        for step in expected[uid]:
            answer = await house.engine.submit(step)
            if answer is not None and answer.status:
                refused.add(uid)  # it was told, and that was the end of it
                return

    with centre:
        house.start()
        for chunk in range(0, 10, 2):
            uids = list(expected)[chunk : chunk + 2]
            await asyncio.gather(*(console(uid) for uid in uids))
            if rng.random() < 0.3:
                await asyncio.to_thread(centre.stop)
                await asyncio.gather(*(console(uid) for uid in list(expected)[chunk + 2 : chunk + 3]))
                centre.start()
            if rng.random() < 0.5:
                await (house.kill() if rng.random() < 0.5 else house.stop())
                house.start()
        fair = True
        await house.until(
            lambda states: set(states.values()) <= {StepState.DONE, StepState.REFUSED, StepState.HELD}
        )
        rows = await house.spool.list_steps(limit=1000)
        assert not [row for row in rows if row.state is StepState.HELD], house.log.of(StepSettled)
        for uid, steps in expected.items():
            if uid in refused:
                continue
            kept: Any = centre.instances[uid]
            assert kept.status == "COMPLETED"
            assert list(dict.fromkeys(kept.data)) == [step.data for step in steps]
            assert {one.calling for one in centre.received if one.uid == uid} == {steps[0].calling_ae}
        for uid in expected:
            kinds = centre.order(uid)
            assert kinds == sorted(kinds)
        await house.stop()
