"""What answers mean."""

from __future__ import annotations

import pytest

from gateway.commitment.decisions import RESEND, Reply, ask_again_after, is_late, reasons, verdict
from gateway.spool.commitment_values import CommitmentReport


@pytest.mark.parametrize("status", [0x0000, 0x0001, 0x0107, 0x0116, 0xB000, 0xBFFF])
def test_success_and_warnings_are_a_yes(status: int) -> None:
    assert verdict(status).reply is Reply.TAKEN


@pytest.mark.parametrize(
    "status", [None, 0x0110, 0x0112, 0x0122, 0x0211, 0x0213, 0xA700, 0xC000, 0xFF00, 0xFE00]
)
def test_everything_else_is_a_no_with_a_reason(status: int | None) -> None:
    judged = verdict(status)
    assert judged.reply is Reply.REFUSED
    assert (f"0x{status:04X}" if status is not None else "no status") in judged.reason


def test_only_what_is_not_there_is_sent_again() -> None:
    assert frozenset({0x0112}) == RESEND


def test_reasons_are_counted() -> None:
    words = reasons([0x0110, 0x0112, 0x0112])
    assert words.startswith("2: 0x0112")
    assert "1: 0x0110" in words
    assert reasons([]) == ""


def test_a_destination_that_never_answers_is_asked_less_and_less() -> None:
    assert [ask_again_after(number, 3600) for number in (1, 2, 3, 4, 9, 99999)] == [
        0,
        3600,
        3 * 3600,
        7 * 3600,
        86400,
        86400,
    ]


def test_a_report_is_late_by_when_its_result_was_there() -> None:
    report = CommitmentReport(1, "1.2", "A", "B", (), (), 3, received_at=0.0, resolved_at=1000.0)
    assert not is_late(report, 1500.0, 500.0)
    assert is_late(report, 1501.0, 500.0)
