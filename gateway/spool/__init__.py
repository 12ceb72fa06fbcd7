"""The spool: objects that were acknowledged, kept until they are delivered (see FORMAT.md).

object      one composite instance, kept exactly as received; its number is the order of arrival
delivery    one object on its way to one destination; states in states.py
journal     the SQLite database whose commit is the one commit point
inline      an object small enough to live in the journal itself
leftover    a file that no journal row names: nothing, removed at the next start
mark        free room below which an object of some priority is refused
"""

from gateway.spool.spool import Spool
from gateway.spool.values import (
    Accepted,
    Confirmed,
    DataReader,
    DeliveryRow,
    DeliveryStory,
    ExpireReport,
    HistoryEvent,
    Hold,
    IncomingObject,
    Job,
    PutBack,
    RecoveryReport,
    Settlement,
    SpoolLimits,
    SpoolSummary,
    Stored,
    SummaryCell,
)

__all__ = [
    "Accepted",
    "Confirmed",
    "DataReader",
    "DeliveryRow",
    "DeliveryStory",
    "ExpireReport",
    "HistoryEvent",
    "Hold",
    "IncomingObject",
    "Job",
    "PutBack",
    "RecoveryReport",
    "Settlement",
    "Spool",
    "SpoolLimits",
    "SpoolSummary",
    "Stored",
    "SummaryCell",
]
