"""The facts about one site of a hub. See facts.py for what holds for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """One site of a hub, and its link."""

    name: str
    connected: bool
    since: Annotated[float | None, "connected, or away, since then; null: never seen since the hub started"]
    reason: Annotated[str, "why it is not connected, in words; may be empty"]
    last_contact_at: Annotated[float | None, "when something last came from it"]
    address: Annotated[str, "where its connection comes from; may be empty"]
    version: Annotated[str, "of its software, as it says; may be empty"]
    rtt_seconds: Annotated[float | None, "measured round trip time"]
    bytes_per_second: Annotated[float | None, "bytes of objects that came from it, over the last minute"]
    loss: Annotated[float | None, "part of the TCP segments of the last hour that were sent again, 0 to 1"]
    retransmitted_bytes: Annotated[int | None, "sent again to it since the hub started"]
    compression: Annotated[float | None, "bytes of objects for each byte that came for them"]
    receiving: Annotated[int, "objects that have begun to arrive"]
    partial_bytes: Annotated[int, "of them, kept here"]
    received_objects: Annotated[int, "that came from it since the hub started"]
    received_bytes: int
    waiting_objects: Annotated[int | None, "that wait at the site, as it says"]
    waiting_bytes: int | None
    oldest_waiting_at: Annotated[float | None, "when the oldest of those was received there"]
