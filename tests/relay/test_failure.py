"""What a caller is told whose request the far side did not bring to its end."""

from __future__ import annotations

import pytest

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.status import Category, category
from gateway.relay.failure import failed, failure_status


@pytest.mark.parametrize("field", [each for each in CommandField if not each & 0x8000])
def test_every_operation_has_a_failure_that_says_nothing_about_its_content(field: CommandField) -> None:
    status = failure_status(field)
    assert category(status) is Category.FAILURE
    expected = {
        CommandField.C_STORE_RQ: 0xA700,
        CommandField.C_FIND_RQ: 0xC000,
        CommandField.C_MOVE_RQ: 0xC000,
        CommandField.C_GET_RQ: 0xC000,
    }
    assert status == expected.get(field, 0x0110)


def test_an_operation_that_we_do_not_know_fails_too() -> None:
    answer = failed(Command(command_field=0x0042, message_id=3), "gone")
    assert (answer.command_field, answer.status, answer.message_id_responded_to) == (0x8042, 0x0110, 3)


def test_the_response_belongs_to_its_request() -> None:
    answer = failed(messages.c_store_rq(7, "1.2", "1.2.3"), "the far end cannot be reached any more")
    assert answer.message_id_responded_to == 7
    assert (answer.affected_sop_class_uid, answer.affected_sop_instance_uid) == ("1.2", "1.2.3")
    assert answer.error_comment == "the far end cannot be reached any more"
    assert not answer.has_data_set
