"""A scrub that says what a test wants, and does what it is asked within a moment."""

from __future__ import annotations

from dataclasses import replace

from gateway.spool.scrub_values import PassReport, ScrubStatus

IDLE = ScrubStatus(running=False, current=None, total_bytes=0, rate=None, last=None, next_at=None, found=())


class FakeScrub:
    """The Scrubbing that StoreView needs. A check that was asked for ends after `steps` looks at it."""

    def __init__(
        self, status: ScrubStatus = IDLE, *, result: PassReport | None = None, now: float = 5000.0
    ) -> None:
        self._status = status
        self._result = result or PassReport("requested", now, now + 1.0, objects=3, bytes=9_000)
        self._now = now
        self.requests = 0
        self.steps = 0

    def request(self) -> None:
        self.requests += 1
        self.steps = 3
        current = PassReport("requested", self._now, objects=1, bytes=3_000)
        self._status = replace(self._status, running=True, current=current, total_bytes=9_000, rate=1_000.0)

    def status(self) -> ScrubStatus:
        if self.steps:
            self.steps -= 1
            if not self.steps:
                self._status = replace(self._status, running=False, current=None, last=self._result)
        return self._status
