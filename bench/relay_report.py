"""Queries and retrieves through the relay: from samples to tables and targets."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from bench.relay import DIRECT, RELAYED, Latency, Transfer
from bench.relay_long import ROUND_TRIP, WARM, Conversation
from bench.report import Verdict

LEAST_THROUGHPUT = 0.8  # of direct
MOST_ROUND_TRIPS = 1.2


@dataclass(slots=True)
class Relayed:
    """Everything measured about the relay in one run."""

    latencies: list[Latency] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)


def verdicts(measured: Relayed) -> list[Verdict]:
    """The targets: throughput against direct, round trips over the long link."""
    return [*_throughput_verdicts(measured.transfers), *_long_verdicts(measured.conversations)]


def _throughput_verdicts(transfers: Sequence[Transfer]) -> list[Verdict]:
    found = []
    for what, settings in dict.fromkeys((each.what, each.settings) for each in transfers):
        seconds = {way: _seconds(transfers, what, settings, way) for way in (DIRECT, RELAYED)}
        ratio = statistics.median(seconds[DIRECT]) / statistics.median(seconds[RELAYED])
        words = f"{what}, {settings}: relayed / direct"
        found.append(Verdict(words, ratio, "×", f"≥ {LEAST_THROUGHPUT}", ratio >= LEAST_THROUGHPUT))
    return found


def _long_verdicts(conversations: Sequence[Conversation]) -> list[Verdict]:
    if not conversations:
        return []
    # The first settings are those of the target; the others show what the far end's TCP adds on its own.
    settings = conversations[0].settings
    warm = [each.round_trips for each in conversations if (each.way, each.settings) == (WARM, settings)]
    median = statistics.median(warm)
    what = f"C-FIND over a 600 ms link through the warm gateway ({settings})"
    reached = median <= MOST_ROUND_TRIPS
    return [Verdict(what, median, "round trips", f"≤ {MOST_ROUND_TRIPS}", reached)]


def _seconds(transfers: Sequence[Transfer], what: str, settings: str, way: str) -> list[float]:
    return [
        each.seconds for each in transfers if (each.what, each.settings, each.way) == (what, settings, way)
    ]


def latency_table(latencies: Sequence[Latency]) -> Table:
    """Medians and 99th percentiles on both ways, and what the relay adds to each."""
    table = Table(title="Latency over loopback (dcmqrscp at the far end)")
    table.add_column("what")
    table.add_column("TCP settings")
    for heading in ("runs", "direct ms", "p99", "relayed ms", "p99", "added ms", "p99"):
        table.add_column(heading, justify="right")
    by_way = {(each.what, each.settings, each.way): each for each in latencies}
    for what, settings in dict.fromkeys((each.what, each.settings) for each in latencies):
        direct, relayed = by_way[what, settings, DIRECT], by_way[what, settings, RELAYED]
        numbers = (
            direct.median,
            direct.p99,
            relayed.median,
            relayed.p99,
            relayed.median - direct.median,
            relayed.p99 - direct.p99,
        )
        runs = str(len(direct.milliseconds))
        table.add_row(what, settings, runs, *(f"{number:.2f}" for number in numbers))
    return table


def transfer_table(transfers: Sequence[Transfer]) -> Table:
    """Retrieves on both ways: medians, spread, ratio."""
    table = Table(title="Retrieves over loopback (dcmqrscp at the far end)")
    table.add_column("what")
    table.add_column("TCP settings")
    for heading in ("runs", "direct s", "min-max", "relayed s", "min-max", "relayed MB/s", "× direct"):
        table.add_column(heading, justify="right")
    for what, settings in dict.fromkeys((each.what, each.settings) for each in transfers):
        direct, relayed = (_seconds(transfers, what, settings, way) for way in (DIRECT, RELAYED))
        megabytes = next(each.megabytes for each in transfers if each.what == what)
        slower = statistics.median(relayed)
        table.add_row(
            what,
            settings,
            str(len(relayed)),
            f"{statistics.median(direct):.2f}",
            f"{min(direct):.2f}-{max(direct):.2f}",
            f"{slower:.2f}",
            f"{min(relayed):.2f}-{max(relayed):.2f}",
            f"{megabytes / slower:.0f}",
            f"{statistics.median(direct) / slower:.2f}",
        )
    return table


def long_table(conversations: Sequence[Conversation]) -> Table:
    """One query over the long link, on each way."""
    table = Table(title=f"C-FIND with 20 matches over a link of {1000 * ROUND_TRIP:.0f} ms")
    table.add_column("way")
    table.add_column("TCP")
    for heading in ("runs", "associated s", "first s", "last s", "min-max", "released s", "round trips"):
        table.add_column(heading, justify="right")
    for way, settings in dict.fromkeys((each.way, each.settings) for each in conversations):
        mine = [each for each in conversations if (each.way, each.settings) == (way, settings)]
        last = [each.last_match for each in mine]
        table.add_row(
            way,
            settings,
            str(len(mine)),
            f"{statistics.median(each.associated for each in mine):.2f}",
            f"{statistics.median(each.first_match for each in mine):.2f}",
            f"{statistics.median(last):.3f}",
            f"{min(last):.3f}-{max(last):.3f}",
            f"{statistics.median(each.released for each in mine):.2f}",
            f"{statistics.median(last) / ROUND_TRIP:.2f}",
        )
    return table


def show(console: Console, measured: Relayed) -> None:
    """Print what there is."""
    if measured.latencies:
        console.print(latency_table(measured.latencies))
    if measured.transfers:
        console.print(transfer_table(measured.transfers))
    if measured.conversations:
        console.print(long_table(measured.conversations))
