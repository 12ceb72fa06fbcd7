"""Results of destinations: what is taken in, what is turned down, and what is told of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from gateway.commitment.results import Results
from gateway.dicom import commitment, messages
from gateway.dicom.command import Command
from gateway.dicom.commitment import PUSH_MODEL, Result, Sop
from gateway.dicom.data_set import EXPLICIT_LITTLE
from gateway.dicom.negotiation import AcceptedContext
from gateway.errors import SpoolFailure
from gateway.notices import CommitmentAnswered
from gateway.spool.commitment_values import AskAnswered, Reference, ToAsk
from gateway.spool.values import DataReader
from tests.support.notice_log import NoticeLog

CONTEXT = AcceptedContext(1, PUSH_MODEL, EXPLICIT_LITTLE)
ONE, TWO = Sop("1.2.3", "1.2.3.1"), Sop("1.2.3", "1.2.3.2")
RESULT = Result("2.25.1", (ONE,), ((TWO, 0x0112),))


class FakeAsks:
    """Knows one ask; everything it is told is kept."""

    def __init__(self) -> None:
        self.told: list[
            tuple[str, tuple[Reference, ...], tuple[tuple[Reference, int], ...], frozenset[int]]
        ] = []
        self.outcome: AskAnswered | Exception = AskAnswered("known", resent=1)
        self.compared: Collection[str] = ()

    async def ask_answered(
        self,
        transaction_uid: str,
        committed: Sequence[Reference],
        failed: Sequence[tuple[Reference, int]],
        how: str,
        *,
        resend: frozenset[int],
        compare: Collection[str] = (),
    ) -> AskAnswered:
        self.compared = compare
        assert how == "N-EVENT-REPORT"
        self.told.append((transaction_uid, tuple(committed), tuple(failed), resend))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def references_to_ask(self, destination: str, *, everything: bool, limit: int) -> list[ToAsk]:
        raise NotImplementedError

    async def ask_begun(
        self, destination: str, transaction_uid: str, references: Sequence[Reference], deadline: float
    ) -> int:
        raise NotImplementedError

    async def ask_put_off(self, transaction_uid: str, not_before: float, reason: str) -> None:
        raise NotImplementedError

    def open_data(self, object_number: int) -> DataReader:
        raise NotImplementedError


class Desk:
    """Results, and what came of them."""

    def __init__(self) -> None:
        self.spool, self.log, self.known = FakeAsks(), NoticeLog(), list[str]()
        self.results = Results(self.spool, self.log.notices, most=2, on_known=self.known.append)

    async def take(self, command: Command | None = None, data: bytes | None = None) -> Command:
        command = command or commitment.event_rq(7, RESULT)
        data = commitment.event_information(RESULT, EXPLICIT_LITTLE) if data is None else data
        return await self.results.take("ARIA", CONTEXT, command, data)


async def test_a_result_is_durable_before_it_is_answered() -> None:
    desk = Desk()
    answer = await desk.take()
    assert (answer.status, answer.message_id_responded_to, answer.event_type_id) == (0x0000, 7, 2)
    assert desk.spool.told == [
        ("2.25.1", (Reference(*ONE),), ((Reference(*TWO), 0x0112),), frozenset({0x0112}))
    ]
    assert desk.known == ["2.25.1"]
    [told] = desk.log.of(CommitmentAnswered)
    assert (told.source, told.outcome, told.committed, told.failed, told.resent) == ("ARIA", "known", 1, 1, 1)
    assert "1.2.3" not in told.reason


@pytest.mark.parametrize(
    ("outcome", "status", "known"), [("again", 0x0000, ["2.25.1"]), ("unknown", 0x0115, [])]
)
async def test_results_that_change_nothing(outcome: str, status: int, known: list[str]) -> None:
    desk = Desk()
    desk.spool.outcome = AskAnswered(outcome)  # type: ignore[arg-type]
    assert (await desk.take()).status == status
    assert desk.known == known
    assert [told.outcome for told in desk.log.of(CommitmentAnswered)] == [outcome]


async def test_a_result_that_cannot_be_kept_is_not_answered_with_success() -> None:
    desk = Desk()
    desk.spool.outcome = SpoolFailure("the disk is gone")
    assert (await desk.take()).status == 0x0110
    assert desk.known == []


@pytest.mark.parametrize(
    ("command", "data", "status"),
    [
        (messages.c_echo_rq(7), b"", 0x0211),
        (replace(commitment.event_rq(7, RESULT), event_type_id=9), None, 0x0113),
        (replace(commitment.event_rq(7, RESULT), affected_sop_instance_uid="1.2"), None, 0x0112),
        (None, b"nonsense", 0x0115),
        (
            None,
            commitment.event_information(
                replace(RESULT, committed=(ONE, Sop("1.2", "1.4"))), EXPLICIT_LITTLE
            ),
            0x0213,
        ),
    ],
)
async def test_what_is_no_result_is_turned_down(
    command: Command | None, data: bytes | None, status: int
) -> None:
    desk = Desk()
    answer = await desk.take(command, data)
    assert answer.status == status
    assert answer.error_comment
    assert desk.spool.told == []
    [told] = desk.log.of(CommitmentAnswered)
    assert (told.outcome, told.reason[:6]) == ("refused", f"0x{status:04X}")


async def test_another_context_takes_no_results() -> None:
    desk = Desk()
    other = AcceptedContext(1, "1.2.840.10008.1.1", EXPLICIT_LITTLE)
    answer = await desk.results.take("ARIA", other, commitment.event_rq(7, RESULT), b"")
    assert answer.status == 0x0211
