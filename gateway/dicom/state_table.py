"""The upper layer state machine, PS3.8 Table 9-10, as data.

Rows are events (9.2.2 lists them), columns are the 13 states of 9.2.1, cells are actions (Tables 9-6 to
9-9); each action ends in the state or states that those tables name, given in `NEXT_STATES`. The code that
does an action is in `upper_layer`. A cell that is absent here is a thing that cannot happen: when the owner
causes it, it is a LocalProtocolError; when a peer's PDU causes it, the association is aborted (AA-8).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


class Role(enum.Enum):
    """Which side of the association this is; not to be confused with SCU and SCP."""

    ACCEPTOR = "acceptor"
    REQUESTOR = "requestor"


class State(enum.IntEnum):
    """PS3.8 9.2.1."""

    STA1 = 1  # idle
    STA2 = 2  # transport open, awaiting A-ASSOCIATE-RQ
    STA3 = 3  # awaiting the local answer to A-ASSOCIATE
    STA4 = 4  # awaiting the transport connection
    STA5 = 5  # awaiting A-ASSOCIATE-AC or -RJ
    STA6 = 6  # association established
    STA7 = 7  # awaiting A-RELEASE-RP
    STA8 = 8  # awaiting the local answer to A-RELEASE
    STA9 = 9  # release collision, requestor: awaiting the local answer
    STA10 = 10  # release collision, acceptor: awaiting A-RELEASE-RP
    STA11 = 11  # release collision, requestor: awaiting A-RELEASE-RP
    STA12 = 12  # release collision, acceptor: awaiting the local answer
    STA13 = 13  # awaiting that the transport connection closes


class Evt(enum.IntEnum):
    """The rows of Table 9-10, under the standard's numbers."""

    ASSOCIATE_REQUEST = 1
    TRANSPORT_CONFIRM = 2
    ASSOCIATE_AC_PDU = 3
    ASSOCIATE_RJ_PDU = 4
    TRANSPORT_INDICATION = 5
    ASSOCIATE_RQ_PDU = 6
    ASSOCIATE_ACCEPT = 7
    ASSOCIATE_REJECT = 8
    DATA_REQUEST = 9
    DATA_PDU = 10
    RELEASE_REQUEST = 11
    RELEASE_RQ_PDU = 12
    RELEASE_RP_PDU = 13
    RELEASE_RESPONSE = 14
    ABORT_REQUEST = 15
    ABORT_PDU = 16
    TRANSPORT_CLOSED = 17
    ARTIM_EXPIRED = 18
    INVALID_PDU = 19


class Action(enum.Enum):
    """Tables 9-6 (establishment), 9-7 (data), 9-8 (release), 9-9 (abort)."""

    AE_1 = "AE-1"
    AE_2 = "AE-2"
    AE_3 = "AE-3"
    AE_4 = "AE-4"
    AE_5 = "AE-5"
    AE_6 = "AE-6"
    AE_7 = "AE-7"
    AE_8 = "AE-8"
    DT_1 = "DT-1"
    DT_2 = "DT-2"
    AR_1 = "AR-1"
    AR_2 = "AR-2"
    AR_3 = "AR-3"
    AR_4 = "AR-4"
    AR_5 = "AR-5"
    AR_6 = "AR-6"
    AR_7 = "AR-7"
    AR_8 = "AR-8"
    AR_9 = "AR-9"
    AR_10 = "AR-10"
    AA_1 = "AA-1"
    AA_2 = "AA-2"
    AA_3 = "AA-3"
    AA_4 = "AA-4"
    AA_5 = "AA-5"
    AA_6 = "AA-6"
    AA_7 = "AA-7"
    AA_8 = "AA-8"


# One line per event; the states in a line are the columns that have a cell.
_ROWS: Final[dict[int, dict[str, tuple[int, ...]]]] = {
    1: {"AE-1": (1,)},
    2: {"AE-2": (4,)},
    3: {"AA-1": (2,), "AE-3": (5,), "AA-8": (3, 6, 7, 8, 9, 10, 11, 12), "AA-6": (13,)},
    4: {"AA-1": (2,), "AE-4": (5,), "AA-8": (3, 6, 7, 8, 9, 10, 11, 12), "AA-6": (13,)},
    5: {"AE-5": (1,)},
    6: {"AE-6": (2,), "AA-8": (3, 5, 6, 7, 8, 9, 10, 11, 12), "AA-7": (13,)},
    7: {"AE-7": (3,)},
    8: {"AE-8": (3,)},
    9: {"DT-1": (6,), "AR-7": (8,)},
    10: {"AA-1": (2,), "DT-2": (6,), "AR-6": (7,), "AA-8": (3, 5, 8, 9, 10, 11, 12), "AA-6": (13,)},
    11: {"AR-1": (6,)},
    12: {"AA-1": (2,), "AR-2": (6,), "AR-8": (7,), "AA-8": (3, 5, 8, 9, 10, 11, 12), "AA-6": (13,)},
    13: {"AA-1": (2,), "AR-3": (7, 11), "AR-10": (10,), "AA-8": (3, 5, 6, 8, 9, 12), "AA-6": (13,)},
    14: {"AR-4": (8, 12), "AR-9": (9,)},
    15: {"AA-1": (3, 5, 6, 7, 8, 9, 10, 11, 12), "AA-2": (4,)},
    16: {"AA-2": (2, 13), "AA-3": (3, 5, 6, 7, 8, 9, 10, 11, 12)},
    17: {"AA-5": (2,), "AA-4": (3, 4, 5, 6, 7, 8, 9, 10, 11, 12), "AR-5": (13,)},
    18: {"AA-2": (2, 13)},
    19: {"AA-1": (2,), "AA-8": (3, 5, 6, 7, 8, 9, 10, 11, 12), "AA-7": (13,)},
}

EVENT_OF_PDU: Final[Mapping[int, Evt]] = MappingProxyType(
    {
        0x01: Evt.ASSOCIATE_RQ_PDU,
        0x02: Evt.ASSOCIATE_AC_PDU,
        0x03: Evt.ASSOCIATE_RJ_PDU,
        0x04: Evt.DATA_PDU,
        0x05: Evt.RELEASE_RQ_PDU,
        0x06: Evt.RELEASE_RP_PDU,
        0x07: Evt.ABORT_PDU,
    }
)
"""What the arrival of a valid PDU of each type is."""

TRANSITIONS: Final[Mapping[tuple[Evt, State], Action]] = MappingProxyType(
    {
        (Evt(row), State(column)): Action(action)
        for row, cells in _ROWS.items()
        for action, columns in cells.items()
        for column in columns
    }
)

_NEXT: Final[dict[str, tuple[int, ...]]] = {
    "AE-1": (4,), "AE-2": (5,), "AE-3": (6,), "AE-4": (1,), "AE-5": (2,), "AE-6": (3, 13), "AE-7": (6,),
    "AE-8": (13,), "DT-1": (6,), "DT-2": (6,), "AR-1": (7,), "AR-2": (8,), "AR-3": (1,), "AR-4": (13,),
    "AR-5": (1,), "AR-6": (7,), "AR-7": (8,), "AR-8": (9, 10), "AR-9": (11,), "AR-10": (12,), "AA-1": (13,),
    "AA-2": (1,), "AA-3": (1,), "AA-4": (1,), "AA-5": (1,), "AA-6": (13,), "AA-7": (13,), "AA-8": (13,),
}  # fmt: skip

NEXT_STATES: Final[Mapping[Action, frozenset[State]]] = MappingProxyType(
    {Action(action): frozenset(State(number) for number in numbers) for action, numbers in _NEXT.items()}
)
"""Where an action may leave the machine; more than one only where the tables themselves branch."""
