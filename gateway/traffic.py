"""What can be asked of an association while it is open: how much it has carried, and how well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Traffic:
    """What an association has carried since it opened. None: the kernel does not tell."""

    bytes_in: int  # of PDUs, inside TLS
    bytes_out: int
    tcp_in: int | None = None  # payload of TCP, with TLS, and with what was sent again
    tcp_out: int | None = None
    segments_in: int | None = None
    segments_out: int | None = None
    retransmitted: int = 0  # segments
    round_trip: float = 0.0  # seconds, as smoothed by TCP; 0: none measured
    unacknowledged: float = 0.0  # seconds since the last acknowledgement, while one is waited for
    retransmitted_bytes: int | None = None  # payload of TCP that was sent again


class OpenAssociation(Protocol):
    """What may be asked of an association between its AssociationOpened and its AssociationClosed."""

    @property
    def inbound(self) -> bool: ...

    @property
    def peer(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def calling_ae(self) -> str: ...

    def measure(self) -> Traffic:
        """Return what it has carried so far."""
