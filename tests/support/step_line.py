"""A line of the procedure step queue with a spool in memory and a peer that does as told, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.dicom.command import Command
from gateway.model import AETitle
from gateway.notices import Alarm, StepSettled
from gateway.procedure_steps.line import Line
from gateway.procedure_steps.policy import StepPolicy
from gateway.procedure_steps.sender import NotSent, Reply, Scope, Unanswered
from gateway.spool.step_values import Step
from tests.support.loop_clock import turns
from tests.support.notice_log import NoticeLog
from tests.support.steps import FakeSender, FakeStepSpool

POLICY = StepPolicy(backoff_base=5.0, backoff_ceiling=300.0, alarm_attempts=3)
DOWN = NotSent(Scope.DESTINATION, "no route to host")
REFUSED = NotSent(Scope.TITLE, "the calling AE title is not known there", slow=True)
BUSY = NotSent(Scope.TITLE, "too many associations")
SYNTAX = NotSent(Scope.STEP, "not in this transfer syntax")
CUT = Unanswered("the connection broke")


class Longest(random.Random):
    """Every wait is as long as it may be."""

    def uniform(self, a: float, b: float) -> float:
        return b


@dataclass
class Scene:
    """A line with a spool in memory and a peer that does as told."""

    policy: StepPolicy = POLICY
    from_before: bool = False
    sender: FakeSender = field(default_factory=FakeSender)
    log: NoticeLog = field(default_factory=NoticeLog)
    trouble: str | None = None  # what `reachable` says
    reports: list[str | None] = field(default_factory=list)
    wait: float = 5.0

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.spool = FakeStepSpool(self.loop.time)
        self.line = Line(
            "oncology",
            self.spool,
            self.sender,
            self.log.notices,
            self.policy,
            title_of=lambda step: AETitle(step.calling_ae),
            from_before=lambda number: self.from_before,
            reachable=lambda name: self.trouble,
            report=lambda name, trouble: self.reports.append(trouble),
            clock=self.loop.time,
            wall_clock=self.loop.time,
            rng=Longest(),
        )
        self.spool.on_step(lambda destination: self.line.news())

    def now(self) -> float:
        """Seconds since the start."""
        return self.loop.time() - 1000.0

    def replies(self, *replies: Reply | asyncio.Future[Reply]) -> None:
        """What the peer does with the next steps."""
        self.sender.replies.extend(replies)

    def pending(self) -> asyncio.Future[Reply]:
        """An answer that comes when the test says."""
        reply: asyncio.Future[Reply] = self.loop.create_future()
        self.sender.replies.append(reply)
        return reply

    async def queue(self, *steps: Step) -> None:
        """Add steps whose consoles are not waiting."""
        for step in steps:
            await self.spool.add_step(step)
        await turns()

    def submit(self, step: Step) -> asyncio.Task[Command | None]:
        """Hand in a step as a console does, and wait for its answer."""

        async def work() -> Command | None:
            with self.line.arrival(step.sop_instance_uid):
                row = await self.spool.add_step(step)
                wait = self.line.wait_for(row.number, step.sop_instance_uid)
            try:
                return await wait.outcome(self.wait)
            finally:
                self.line.waits.close(row.number)

        return asyncio.create_task(work())

    def states(self) -> list[str]:
        """Where every step stands."""
        return [row.state.value for row in self.spool.rows.values()]

    def alarms(self) -> list[str]:
        """The codes of all alarms."""
        return [alarm.code for alarm in self.log.of(Alarm)]

    def outcomes(self) -> list[tuple[int, str]]:
        """What was told of every try."""
        return [(one.number, one.outcome) for one in self.log.of(StepSettled)]


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[Scene]:
    """Run the line, and stop it in the end."""
    run = asyncio.create_task(scene.line.run())
    await turns()
    try:
        yield scene
    finally:
        scene.line.stop()
        await asyncio.wait([run])
        if not isinstance(run.exception(), ExceptionGroup):
            run.result()
            assert scene.sender.closed
        assert not scene.line.waits.open_now()
