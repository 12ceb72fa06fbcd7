"""Everything a peer can make one association hold or do, as numbers. Bytes unless said otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MAX_CONTEXTS: Final = 128
"""Presentation context IDs are the odd numbers 1 to 255 (PS3.8 9.3.2.2)."""

DEFAULT_MAX_PDU_LENGTH: Final = 131072
"""What we announce: the longest P-DATA-TF variable field we take, in bytes."""


@dataclass(frozen=True, slots=True)
class NegotiationLimits:
    """What one A-ASSOCIATE PDU may carry; beyond any of these the PDU is invalid."""

    max_contexts: int = MAX_CONTEXTS
    max_transfer_syntaxes: int = 64  # in one presentation context; some 50 are defined
    max_uid_length: int = 64  # PS3.5 9.1, before padding
    max_user_items: int = 1024  # sub-items of the user information, of all kinds together
    max_related_general: int = 64  # in one common extended negotiation
    min_pdu_length: int = 128  # a peer that takes less (and not 0, "any") could make us send a PDU per byte


@dataclass(frozen=True, slots=True)
class UpperLayerLimits:
    """What the upper layer accepts and keeps."""

    max_pdu_length: int = DEFAULT_MAX_PDU_LENGTH  # P-DATA-TF variable field: announced, enforced
    max_associate_length: int = 262144  # A-ASSOCIATE-RQ and -AC: 128 contexts of 40 transfer syntaxes fit
    max_send_length: int = 131072  # P-DATA-TF that we send, however much more the peer would take
    max_pdvs: int = 1024  # number of PDVs in one PDU
    initial_buffer: int = 4096  # of every connection, and again after `trim()`
    read_ahead: int = 65536  # beyond the longest PDU, so that one read can take the start of the next
    negotiation: NegotiationLimits = field(default_factory=NegotiationLimits)


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """What one association's unfinished messages may hold."""

    max_command_length: int = 65536  # of one command set
    max_open_messages: int = 16  # messages begun and not complete, on different contexts
