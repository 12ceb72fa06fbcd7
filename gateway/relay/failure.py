"""What a caller is told when its request cannot be brought to its end by the far side. Pure."""

from __future__ import annotations

from typing import Final

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField

PROCESSING_FAILURE: Final = 0x0110  # PS3.7 C.5.16
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122  # PS3.7 C.5.22
RESOURCE_LIMITATION: Final = 0x0213  # PS3.7 C.5.26
DUPLICATE_INVOCATION: Final = 0x0210  # PS3.7 C.5.7
OUT_OF_RESOURCES: Final = 0xA700  # PS3.4 B.2.3: for C-STORE the failure after which a sender tries again
UNABLE_TO_PROCESS: Final = 0xC000  # PS3.4 C.4.1.1.4, C.4.2.1.5, C.4.3.1.4

_STATUS: Final[dict[int, int]] = {
    CommandField.C_STORE_RQ: OUT_OF_RESOURCES,
    CommandField.C_FIND_RQ: UNABLE_TO_PROCESS,
    CommandField.C_MOVE_RQ: UNABLE_TO_PROCESS,
    CommandField.C_GET_RQ: UNABLE_TO_PROCESS,
}


def failure_status(command_field: int) -> int:
    """Return the failure that fits a request of this kind: one that says nothing about its content."""
    return _STATUS.get(command_field, PROCESSING_FAILURE)


def failed(request: Command, comment: str) -> Command:
    """Return the final response to a request that the far side did not answer."""
    return messages.response(request, failure_status(request.command_field), error_comment=comment)
