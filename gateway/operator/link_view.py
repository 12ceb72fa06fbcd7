"""The links as the operator API shows them: from the histories of gateway/trends to facts."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

from gateway.model import Peer, Priority
from gateway.operator.control import NotFound
from gateway.operator.sections.trends import (
    BothWays,
    Budget,
    BudgetLevel,
    BudgetPeer,
    BudgetPeriod,
    Leaves,
    LinkChange,
    LinkFacts,
    Links,
    Trend,
    TrendSpan,
    WatchLease,
)
from gateway.reachability import Reachabilities
from gateway.shaping.allowance import BudgetPlan, by_budget
from gateway.trends.budget import MONTHS, Period, earlier, forecast, period_of
from gateway.trends.history import SECONDS, History, day_of
from gateway.trends.recorder import Recorder
from gateway.trends.sample import Sample
from gateway.trends.state import DeliveryView
from gateway.trends.watch import Watch

LOSS_MINUTES = 60
"""What loss is told of: long enough for it to mean something on a quiet line."""


class LinkView:
    """Implements sections.trends.LinkTrends. Everything is read when asked."""

    def __init__(
        self,
        peers: Mapping[str, Peer],
        destinations: Collection[str],
        recorder: Recorder,
        watch: Watch,
        reachabilities: Reachabilities,
        delivery: Callable[[], Sequence[DeliveryView]],
        plan: BudgetPlan,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`peers` by name; `clock` is the one that `reachabilities` is asked by."""
        self._peers = peers
        self._destinations = frozenset(destinations)
        self._recorder = recorder
        self._watch = watch
        self._reachabilities = reachabilities
        self._delivery = delivery
        self._plan = plan
        self._clock = clock
        self._wall_clock = wall_clock

    def links(self) -> Links:
        now = self._wall_clock()
        deliveries = {one.name: one for one in self._delivery()}
        period = self._period(now)
        found = [
            self._link(history, deliveries.get(history.peer), now, period)
            for history in self._all()
            if history.peer in self._peers
        ]
        found.sort(key=lambda link: not link.destination)  # stable: else as in the configuration
        return Links(now=now, watched=self._watch.watching, links=tuple(found))

    def watch(self) -> WatchLease:
        return WatchLease(self._watch.renew())

    def trend(self, peer: str, span: TrendSpan) -> Trend:
        history = self._recorder.history(peer)
        if history is None:
            raise NotFound(f"there is no peer {peer!r} in the configuration")
        now = self._wall_clock()
        samples = history.samples(span, now)
        changes = tuple(LinkChange(one.at, one.state, one.reason) for one in history.changes(span, now))
        return Trend(
            name=peer,
            span=span,
            start=now - SECONDS[span],
            end=now,
            at=tuple(round(one.start, 1) for one in samples),
            seconds=tuple(round(one.seconds, 1) for one in samples),
            up=tuple(_part(one.up, one) for one in samples),
            degraded=tuple(_part(one.degraded, one) for one in samples),
            down=tuple(_part(one.down, one) for one in samples),
            rtt_min=tuple(_short(one.rtt_min) for one in samples),
            rtt_median=tuple(_short(one.rtt_median) for one in samples),
            rtt_max=tuple(_short(one.rtt_max) for one in samples),
            goodput=tuple(_whole(one.goodput) for one in samples),
            sent=tuple(one.sent for one in samples),
            received=tuple(one.received for one in samples),
            objects=tuple(one.objects for one in samples),
            loss=tuple(_short(one.loss) for one in samples),
            changes=changes,
        )

    def budget(self) -> Budget:
        plan, at = self._plan, self._wall_clock()
        now = datetime.datetime.fromtimestamp(at)
        period = period_of(now.date(), plan.day)
        counted = [history for history in self._all() if history.peer in plan.counted]
        days = together(counted)
        used = sum(period.sum(days))
        ahead = forecast(days, period, now)
        begun = datetime.datetime.combine(period.start, datetime.time())
        return Budget(
            monthly=plan.monthly,
            start=period.start.isoformat(),
            end=period.end.isoformat(),
            days=period.days,
            elapsed=(now - begun).total_seconds() / 86400,
            used=used,
            level=_level(plan.monthly, used, ahead.by_elapsed, ahead.by_recent),
            by_elapsed=ahead.by_elapsed,
            by_recent=ahead.by_recent,
            low=ahead.low,
            high=ahead.high,
            peers=tuple(BudgetPeer(one.peer, *period.sum(one.entry.days)) for one in counted),
            periods=tuple(
                BudgetPeriod(one.start.isoformat(), *one.sum(days)) for one in _known(period, days)
            ),
            daily=tuple(
                BudgetPeriod(day, *amounts)
                for day, amounts in sorted(days.items())
                if period.start.isoformat() <= day <= now.date().isoformat()
            ),
            bulk_until=plan.until(Priority.BULK),
            image_until=plan.until(Priority.IMAGE),
            leaves=cast(Leaves, by_budget(plan, used, period.end).most.label),
        )

    def _all(self) -> list[History]:
        return self._recorder.all()

    def _period(self, at: float) -> Period:
        return period_of(datetime.date.fromisoformat(day_of(at)), self._plan.day)

    def _link(self, history: History, delivery: DeliveryView | None, now: float, period: Period) -> LinkFacts:
        peer = self._peers[history.peer]
        reach = self._reachabilities.of(history.peer)
        due = reach.next_try(self._clock())
        tries = [now + max(0.0, due - self._clock())] if due is not None else []
        if delivery is not None and delivery.next_try is not None:
            tries.append(delivery.next_try)
        rtt = reach.rtt
        if rtt is None and delivery is not None:
            rtt = delivery.rtt
        contacts = [history.contact_at, delivery.last_success if delivery is not None else None]
        return LinkFacts(
            name=peer.name,
            ae_title=peer.ae_title,
            host=peer.host,
            port=peer.port,
            tls=peer.tls is not None or bool(peer.via),
            destination=peer.name in self._destinations,
            state=history.standing.state,
            reason=history.standing.reason,
            since=history.since,
            rtt_seconds=rtt,
            bytes_per_second=delivery.goodput if delivery is not None else None,
            loss=history.loss(LOSS_MINUTES),
            last_contact_at=max((one for one in contacts if one is not None), default=None),
            next_try_at=min(tries, default=None) if history.standing.state != "up" else None,
            today=BothWays(*history.entry.days.get(day_of(now), (0, 0))),
            this_month=BothWays(*period.sum(history.entry.days)),
        )


def together(histories: Sequence[History]) -> dict[str, tuple[int, int]]:
    """Return bytes sent and received by day, of all of them."""
    days: dict[str, tuple[int, int]] = {}
    for history in histories:
        for day, (sent, received) in history.entry.days.items():
            before = days.get(day, (0, 0))
            days[day] = before[0] + sent, before[1] + received
    return days


def _known(period: Period, days: Mapping[str, tuple[int, int]]) -> list[Period]:
    first = min(days, default=period.start.isoformat())
    return [one for one in earlier(period, MONTHS) if one.end.isoformat() > first]


def _level(monthly: int | None, used: int, *forecasts: int | None) -> BudgetLevel:
    if monthly is None:
        return "none"
    if used >= monthly:
        return "over"
    return "watch" if any(one is not None and one > monthly for one in forecasts) else "ok"


def _part(seconds: float, sample: Sample) -> float:
    return round(min(1.0, seconds / sample.seconds), 4) if sample.seconds > 0 else 0.0


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _whole(value: float | None) -> float | None:
    return None if value is None else round(value)
