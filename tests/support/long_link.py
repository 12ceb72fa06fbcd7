"""A long link by its numbers: the laboratory of gateway.demo.lab, as most tests want it.

    with LongLink(delay=0.3, rate=1_250_000) as link:
        with link.far.entered():
            centre.start()      # its sockets live at the far end, and so do those of its children
        with link.near.entered():
            gateway.start()     # calls link.far.address; the console calls it on 127.0.0.1
        link.cut()              # nothing passes, what is under way is gone; nobody is told
        link.restore()

Both directions are alike and nothing drifts. Named links (geo, leo, dsl ...) are Laboratory(PROFILES[...]).
"""

from __future__ import annotations

from gateway.demo.lab import Laboratory, Loss, OneWay, Profile, missing
from gateway.demo.lab.laboratory import Side

__all__ = ["GEOSTATIONARY", "LongLink", "Side", "missing"]

GEOSTATIONARY = 0.3
"""One way over a geostationary satellite with what is around it, in seconds: 600 ms there and back."""


class LongLink(Laboratory):
    """A link between `near` (the clinic) and `far` (the centre)."""

    def __init__(
        self,
        *,
        delay: float = GEOSTATIONARY,
        rate: float | None = 1_250_000.0,
        loss: float = 0.0,
        seed: int = 1,
        queue: int = 1 << 20,
        congestion: str | None = None,
        lifetime: int = 300,
    ) -> None:
        """`delay` seconds one way; `rate` bytes a second each way; `loss` from 0 to 1, the same per `seed`.

        `queue` bytes wait for the rate, more are dropped.
        """
        way = OneWay(rate, delay, loss=Loss(loss), queue=queue)
        super().__init__(
            Profile("of a test", "by its numbers", way, way),
            seed=seed,
            congestion=congestion,
            lifetime=lifetime,
        )
