"""What leaves on one live connection, when, and how fast: the session's frames meet the line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.association.tcp_info import TcpInfo
from gateway.association.tuning import WayThere
from gateway.link.pace import Pace
from gateway.link.session import Session
from gateway.link.steering import QUEUED, Steering
from gateway.link.values import Urgency
from gateway.link.websocket import LinkConnection
from gateway.model import Priority
from gateway.shaping.shaper import Shaper

_FLIGHT: Final = 16 * 1024
"""Bytes handed to the kernel at a time."""


class Writer:
    """Sends what a session has, as far as the line takes it and the plan for the line allows."""

    def __init__(
        self,
        connection: LinkConnection,
        session: Session,
        *,
        way: WayThere,
        shaper: Shaper | None,
        clock: Callable[[], float],
        on_rate: Callable[[float], None],
    ) -> None:
        """`way` learns of losses from this; `on_rate` is told the rate of the line when it was measured."""
        self.shaped_until = 0.0  # more may leave then than now; 0: no plan holds anything back
        self._connection = connection
        self._session = session
        self._way = way
        self._shaper = shaper
        self._clock = clock
        self._on_rate = on_rate
        self._pace = Pace()
        self._steering: Steering | None = None
        self._counted = (0, 0)  # bytes sent, and sent again, that the way knows of
        self._acknowledged = 0
        self._dry = True
        info = connection.tcp_info()
        if info is not None:
            self._steering = Steering(connection.use_congestion_control, connection.congestion_control)
            self._steering.opened(clock(), info.round_trip)

    @property
    def rate(self) -> float | None:
        """Bytes a second that the line takes; None while that is not known."""
        return self._pace.rate

    def send(self) -> None:
        """Send what the line takes now, the most urgent first."""
        while self._connection.room:
            more = self._gather()
            self._connection.flush()
            if not more:
                return

    def look(self) -> None:
        """There was something to send all the time: see how fast it went."""
        now = self._clock()
        if not self._pace.due(now):
            return
        info = self.count()
        if info is None:
            return
        round_trip = info.shortest_round_trip or info.round_trip
        if self._steering is not None and info.bytes_sent is not None:
            queued = info.round_trip > QUEUED * round_trip
            self._steering.busy(now, info.bytes_sent, info.bytes_retransmitted or 0, queued=queued)
        if self._pace.seen(now, info.delivery_rate or 0, round_trip) and self._pace.rate:
            self._connection.keep_unsent(self._pace.unsent)
            self._connection.send_no_faster(self._pace.ceiling)
            self._session.piece = self._pace.piece
            self._on_rate(self._pace.rate)

    def count(self) -> TcpInfo | None:
        """Tell the way what the kernel has sent, and return what it knows."""
        info = self._connection.tcp_info()
        if info is None or info.bytes_sent is None or info.bytes_retransmitted is None:
            return info
        sent, again = self._counted
        self._counted = info.bytes_sent, info.bytes_retransmitted
        self._way.seen(info.bytes_sent - sent, info.bytes_retransmitted - again, info.shortest_round_trip)
        return info

    def lives(self) -> bool:
        """Say whether the other end has acknowledged anything since the last time this was asked.

        On a narrow line a pong stands behind much else, and this is a sign of life, too.
        """
        before, self._acknowledged = self._acknowledged, self._connection.acknowledged
        return self._acknowledged > before

    def _gather(self) -> bool:
        """Take frames for one flight; False when there are no more."""
        now = self._clock()
        goal = min(_FLIGHT, self._pace.unsent)
        while self._connection.gathered < goal:
            frame = self._session.next_frame(now, self._most(now))
            if frame is None:
                if not self._dry:
                    self._dry = True
                    self._pace.ran_dry(now)
                return False
            if self._dry:
                self._dry = False
                self._pace.goes_on(now)
                if self._steering is not None:
                    self._steering.starts(now)
            message = b"".join(frame)
            self._connection.send(message)
            if self._shaper is not None:
                self._shaper.spend(now, len(message))
        return True

    def _most(self, now: float) -> Urgency:
        """What may leave now, by the plan for the line."""
        self.shaped_until = 0.0
        if self._shaper is None:
            return Urgency.BULK
        for urgency, priority in ((Urgency.BULK, Priority.BULK), (Urgency.IMAGE, Priority.IMAGE)):
            wait = self._shaper.wait(now, priority)
            if not wait:
                return urgency
            self.shaped_until = now + wait
        return Urgency.RECORD
