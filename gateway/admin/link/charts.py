"""Columns for the charts, and rows for the table that says the same without a picture. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.admin.page import N_
from gateway.operator.sections.trends import Trend

Column = list[float | None]
Text = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One hour, or one day, of the table."""

    at: float
    up: float | None  # part of what is known
    rtt: float | None  # median of the medians
    goodput: float | None
    sent: int
    received: int
    loss: float | None  # the mean


def columns(trend: Trend, text: Text, offset: float) -> dict[str, Any]:
    """Return what the charts draw. `offset`: seconds that this machine's clock time is ahead of UTC."""
    at, place = _axis(trend)

    def spread(values: Sequence[float | None], factor: float = 1.0) -> Column:
        return [None if index is None else _times(values[index], factor) for index in place]

    sent = [_per_second(amount, seconds) for amount, seconds in zip(trend.sent, trend.seconds, strict=True)]
    received = [
        _per_second(amount, seconds) for amount, seconds in zip(trend.received, trend.seconds, strict=True)
    ]
    return {
        "at": at,
        "start": trend.start,
        "end": trend.end,
        "offset": offset,
        "charts": [
            _chart(
                "rtt",
                "ms",
                [
                    (text(N_("median")), spread(trend.rtt_median, 1000)),
                    (text(N_("longest")), spread(trend.rtt_max, 1000)),
                    (text(N_("shortest")), spread(trend.rtt_min, 1000)),
                ],
            ),
            _chart(
                "rate",
                "kbit/s",
                [
                    (text(N_("sent")), spread(sent, 0.008)),
                    (text(N_("received")), spread(received, 0.008)),
                    (text(N_("speed of large objects")), spread(trend.goodput, 0.008)),
                ],
            ),
            _chart("loss", "%", [(text(N_("sent again")), spread(trend.loss, 100))]),
        ],
    }


def rows(trend: Trend) -> list[Row]:
    """Return a row for each hour of a day, or day of a month, the newest first; empty ones are left out."""
    length = 3600 if trend.span == "day" else 86400
    groups: dict[int, list[int]] = {}
    for index, at in enumerate(trend.at):
        groups.setdefault(int((trend.end - at) // length), []).append(index)
    return [_row(trend, trend.end - (group + 1) * length, inside) for group, inside in sorted(groups.items())]


def _row(trend: Trend, at: float, inside: list[int]) -> Row:
    def known(values: Sequence[float | None]) -> list[float]:
        return [value for index in inside if (value := values[index]) is not None]

    told = sum((trend.up[i] + trend.degraded[i] + trend.down[i]) * trend.seconds[i] for i in inside)
    up = sum(trend.up[i] * trend.seconds[i] for i in inside)
    trips, speeds, losses = known(trend.rtt_median), known(trend.goodput), known(trend.loss)
    return Row(
        at=at,
        up=up / told if told else None,
        rtt=statistics.median(trips) if trips else None,
        goodput=statistics.fmean(speeds) if speeds else None,
        sent=sum(trend.sent[i] for i in inside),
        received=sum(trend.received[i] for i in inside),
        loss=statistics.fmean(losses) if losses else None,
    )


def _axis(trend: Trend) -> tuple[list[float], list[int | None]]:
    """Return the times, with one of nothing in each gap, so that no line is drawn across it."""
    at: list[float] = []
    place: list[int | None] = []
    ended = None
    for index, (start, seconds) in enumerate(zip(trend.at, trend.seconds, strict=True)):
        if ended is not None and start - ended > max(90.0, seconds):
            at.append(round((ended + start) / 2, 1))
            place.append(None)
        at.append(start)
        place.append(index)
        ended = start + seconds
    return at, place


def _chart(name: str, unit: str, series: list[tuple[str, Column]]) -> dict[str, Any]:
    shown = [{"label": label, "values": values} for label, values in series]
    return {"id": name, "unit": unit, "series": shown, "empty": not _any(shown)}


def _any(series: list[dict[str, Any]]) -> bool:
    return any(value is not None for one in series for value in one["values"])


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else round(value * factor, 3)


def _per_second(amount: int, seconds: float) -> float | None:
    return amount / seconds if seconds > 0 else None
