"""Offers of objects, as a site makes them, for tests of the link."""

from __future__ import annotations

import hashlib
import itertools

from gateway.link.values import Offer
from gateway.model import AETitle, Instance, Priority

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.70"
BEAMS_RECORD = "1.2.840.10008.5.1.4.1.1.481.4"

_numbers = itertools.count(1)


def offer_of(
    data: bytes,
    priority: Priority = Priority.RECORD,
    *,
    sop_class: str = BEAMS_RECORD,
    syntax: str = EXPLICIT,
    delivery: int | None = None,
) -> Offer:
    """Return an offer of `data`, with a delivery number of its own unless one is given."""
    number = next(_numbers) if delivery is None else delivery
    return Offer(
        delivery=number,
        priority=priority,
        size=len(data),
        digest=hashlib.sha256(data).digest(),
        instance=Instance(sop_class, f"2.25.{number}", syntax),
        calling_ae=AETitle("LINAC1"),
        called_ae=AETitle("ARIA"),
        received_at=1_790_000_000.0,
    )
