"""Path tests as the operator API tells them: from the values of gateway/pathtest to facts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.operator.control import Busy, NotFound
from gateway.operator.sections.path_test import PathReport, PathStep, PathTestWanted, StepDetail
from gateway.pathtest.steps import Report, Step, Wanted
from gateway.pathtest.tester import AlreadyTesting, NoSuchPeer, PathTester


class OperatorPathTests:
    """Implements sections.path_test.PathTests."""

    def __init__(self, tester: PathTester) -> None:
        self._tester = tester

    def start(
        self, peer: str, wanted: PathTestWanted, who: str
    ) -> AsyncGenerator[PathStep | PathReport, None]:
        asked = Wanted(
            store=tuple(wanted.store),
            commitment=wanted.commitment,
            commitment_wait=wanted.commitment_wait,
        )
        try:
            steps = self._tester.start(peer, asked, who)
        except NoSuchPeer as error:
            raise NotFound(str(error)) from error
        except AlreadyTesting as error:
            raise Busy(str(error)) from error
        return _facts(steps)

    def reports(self, peer: str) -> tuple[PathReport, ...]:
        try:
            return tuple(_report(one) for one in self._tester.reports(peer))
        except NoSuchPeer as error:
            raise NotFound(str(error)) from error


async def _facts(steps: AsyncGenerator[Step | Report, None]) -> AsyncGenerator[PathStep | PathReport, None]:
    async with aclosing(steps):
        async for one in steps:
            yield _report(one) if isinstance(one, Report) else _step(one)


def _step(step: Step) -> PathStep:
    return PathStep(
        step=step.step,
        subject=step.subject,
        outcome=step.outcome,
        seconds=step.seconds,
        words=step.words,
        details=tuple(StepDetail(one.what, one.value) for one in step.details),
        next_step=step.next_step,
    )


def _report(report: Report) -> PathReport:
    return PathReport(
        id=report.id,
        peer=report.peer,
        ae_title=report.ae_title,
        host=report.host,
        port=report.port,
        tls=report.tls,
        calling_ae=report.calling_ae,
        who=report.who,
        started_at=report.started_at,
        seconds=report.seconds,
        ok=report.ok,
        patient_id=report.patient_id,
        steps=tuple(_step(one) for one in report.steps),
    )
