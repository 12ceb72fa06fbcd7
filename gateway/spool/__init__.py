"""The spool: objects that were acknowledged, kept until they are delivered (see FORMAT.md).

object      one composite instance, kept exactly as received; its number is the order of arrival
delivery    one object on its way to one destination; states in states.py
journal     the SQLite database whose commit is the one commit point
inline      an object small enough to live in the journal itself
leftover    a file that no journal row names: nothing, removed at the next start
commitment  a console's transaction of storage commitment; its items are one instance at one destination each
ask         a question to a destination: does it have these instances for good?
step        an N-CREATE or N-SET of a procedure step that waits for its destination
mark        free room below which an object of some priority is refused
"""

from gateway.spool.adoption import Room, Whole
from gateway.spool.commitment_values import (
    AddedCommitment,
    AskAnswered,
    CommitmentCounts,
    CommitmentReport,
    CommitmentRequest,
    CommitmentRow,
    CommitmentState,
    OpenAsk,
    Reference,
    ToAsk,
)
from gateway.spool.link_values import Arrived, Stage, StageReport, Transfer
from gateway.spool.listing_values import (
    Acted,
    HeldGroup,
    Listing,
    OperatorAction,
    Page,
    Search,
    Total,
    Wanted,
)
from gateway.spool.record_queries import RecordDelivery, RecordRow, RecordStanding
from gateway.spool.spool import Spool
from gateway.spool.step_values import Step, StepCounts, StepRow, StepState
from gateway.spool.values import (
    Accepted,
    Answer,
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
    Unsettled,
)

__all__ = [
    "Accepted",
    "Acted",
    "AddedCommitment",
    "Answer",
    "Arrived",
    "AskAnswered",
    "CommitmentCounts",
    "CommitmentReport",
    "CommitmentRequest",
    "CommitmentRow",
    "CommitmentState",
    "Confirmed",
    "DataReader",
    "DeliveryRow",
    "DeliveryStory",
    "ExpireReport",
    "HeldGroup",
    "HistoryEvent",
    "Hold",
    "IncomingObject",
    "Job",
    "Listing",
    "OpenAsk",
    "OperatorAction",
    "Page",
    "PutBack",
    "RecordDelivery",
    "RecordRow",
    "RecordStanding",
    "RecoveryReport",
    "Reference",
    "Room",
    "Search",
    "Settlement",
    "Spool",
    "SpoolLimits",
    "SpoolSummary",
    "Stage",
    "StageReport",
    "Step",
    "StepCounts",
    "StepRow",
    "StepState",
    "Stored",
    "SummaryCell",
    "ToAsk",
    "Total",
    "Transfer",
    "Unsettled",
    "Wanted",
    "Whole",
]
