"""The subscriber that turns notices into log lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from gateway.logs.lines import Line, line
from gateway.logs.refusals import RefusalLimits, Refusals
from gateway.logs.text import harmless
from gateway.logs.values import Fields, Words
from gateway.notices import AssociationRefused, ConnectionRefused, Notice

_log = logging.getLogger("gateway")


class CallLater(Protocol):
    """What `asyncio.AbstractEventLoop.call_later` is: call back in some seconds."""

    def __call__(self, delay: float, callback: Callable[[], None], /) -> object:
        """Call `callback` once, `delay` seconds from now."""


class LogNotices:
    """Writes one line per notice; refusals of one address beyond a few per minute are summed up.

    With `call_later` (an event loop's) the sums are told when their minute is over, otherwise with the next
    notice. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        limits: RefusalLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        call_later: CallLater | None = None,
    ) -> None:
        self._refusals = Refusals(limits)
        self._clock = clock
        self._call_later = call_later
        self._timer_set = False

    def __call__(self, notice: Notice) -> None:
        """Log `notice`."""
        if notice.internal:
            return
        now = self._clock()
        self.tell_sums(now)
        address = _refused(notice)
        if address is not None and not self._refusals.admit(address, now):
            self._set_timer(now)
            return
        _write(line(notice))

    def tell_sums(self, now: float | None = None) -> None:
        """Tell the sums whose time is over."""
        for summary in self._refusals.due(self._clock() if now is None else now):
            sentence = f"and {summary.count} more from {harmless(summary.address)} in the last minute"
            fields: Fields = (("peer", Words(summary.address)), ("count", summary.count))
            _write(Line(logging.WARNING, f"refused: {sentence}", fields))

    def _set_timer(self, now: float) -> None:
        due = self._refusals.next_due()
        if self._call_later is not None and due is not None and not self._timer_set:
            self._timer_set = True
            self._call_later(max(due - now, 0.0), self._on_timer)

    def _on_timer(self) -> None:
        self._timer_set = False
        now = self._clock()
        self.tell_sums(now)
        self._set_timer(now)


def _refused(notice: Notice) -> str | None:
    """Return the address that was refused here, or None when `notice` is about something else."""
    if isinstance(notice, ConnectionRefused) or (isinstance(notice, AssociationRefused) and notice.inbound):
        return notice.address
    return None


def _write(told: Line) -> None:
    _log.log(told.level, told.event, extra={"fields": told.fields})
