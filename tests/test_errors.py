"""What ends the gateway: a failure with words for a person, or a defect to be reported."""

from __future__ import annotations

import pytest

from gateway.errors import GatewayError, NoRoom, SpoolFailure, known

DISK = SpoolFailure("the disk failed")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (DISK, DISK),
        (ExceptionGroup("tasks", [DISK]), DISK),
        (ExceptionGroup("tasks", [ExceptionGroup("of tasks", [DISK]), NoRoom("full")]), DISK),
        (ValueError("a defect"), None),
        (ExceptionGroup("tasks", [DISK, ValueError("a defect")]), None),
        (ExceptionGroup("tasks", [ExceptionGroup("of tasks", [KeyError("a defect")]), DISK]), None),
    ],
)
def test_a_failure_is_found_among_tasks_and_a_defect_is_not_hidden(
    error: Exception, failure: GatewayError | None
) -> None:
    assert known(error) is failure
