"""From results to tables (Markdown) and verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.link.cuts import Cuts
from bench.link.ledger import Ledger
from bench.link.loads import CBCT, LOADS, NOISE, RECORDS
from bench.link.moments import Preemption, Silence
from bench.link.plan import BENCHED
from bench.link.sites import Crowd
from bench.link.transfers import Transfer
from bench.link.ways import WAYS
from bench.report import Verdict
from gateway.demo.lab import PROFILES

_MEGABYTE = 1e6
_HEADERS = 1.045  # bytes on the wire per byte of a stream, in packets of 1500
Row = Sequence[str]


def markdown(headings: Row, rows: Sequence[Row]) -> str:
    """Return one table; every column but the first is a number."""
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


class Results:
    """What the ledger has, as the values it was made of."""

    def __init__(self, ledger: Ledger) -> None:
        self.transfers = [Transfer(**facts) for facts in ledger.of("transfer")]
        self.preemptions = [Preemption(**facts) for facts in ledger.of("preemption")]
        self.silences = [Silence(**facts) for facts in ledger.of("idle")]
        self.cuts = [Cuts(**facts) for facts in ledger.of("cuts")]
        self.crowds = [Crowd(**facts) for facts in ledger.of("sites")]
        self.commits = ledger.commits()
        self.failed = ledger.of("failed")

    def of(self, profile: str, load: str, way: str) -> list[Transfer]:
        """Return like runs: those with the most objects."""
        same = [t for t in self.transfers if (t.profile, t.load, t.way) == (profile, load, way)]
        most = max((t.objects for t in same), default=0)
        return [t for t in same if t.objects == most]

    def median(self, profile: str, load: str, way: str) -> Transfer | None:
        """Return the run of median time."""
        runs = sorted(self.of(profile, load, way), key=lambda each: each.seconds)
        return runs[(len(runs) - 1) // 2] if runs else None


def tables(results: Results) -> Iterator[str]:
    """Yield every table there are results for, each with its heading."""
    for profile in (*BENCHED, *(name for name in PROFILES if name not in BENCHED)):
        for load in LOADS:
            rows = [row for way in WAYS if (row := _row(results, results.of(profile, load, way))) is not None]
            if rows:
                headings = (
                    "way",
                    "runs",
                    "objects sent",
                    "median s (range)",
                    "of it the console, s",
                    "s for all",
                    "goodput / link rate",
                    "× storescu",
                    "up, bytes per object byte",
                    "down, kB",
                    "CPU s near, far",
                )
                title = f"### {LOADS[load].words}, over `{profile}` ({PROFILES[profile].words})"
                yield f"{title}\n\n{markdown(headings, rows)}"
    yield from _moments(results)
    if results.failed:
        rows = [(each["key"], each["why"].replace("|", "/")) for each in results.failed]
        yield f"### Runs that failed\n\n{markdown(('run', 'why'), rows)}"


def _row(results: Results, runs: Sequence[Transfer]) -> Row | None:
    if not runs:
        return None
    one = runs[0]
    seconds = [each.seconds for each in runs]
    median = statistics.median(seconds)
    scaled = median * one.of / one.objects
    base = results.median(one.profile, one.load if one.load != NOISE.name else CBCT.name, "storescu")
    share = statistics.median(each.share for each in runs)
    return (
        WAYS[one.way].label,
        str(len(runs)),
        f"{one.objects} of {one.of}",
        f"{median:.1f} ({min(seconds):.1f}-{max(seconds):.1f})",
        f"{statistics.median(each.console_seconds for each in runs):.1f}" if one.console_seconds else "",
        f"{scaled:.1f}" if one.objects == one.of else f"{scaled:.0f}, scaled",
        f"{share:.3f}",
        f"{base.full_seconds / scaled:.1f}" if base is not None else "",
        f"{statistics.median(each.up_bytes / each.object_bytes for each in runs):.3f}",
        f"{statistics.median(each.down_bytes for each in runs) / 1000:.0f}",
        f"{statistics.median(each.cpu_near for each in runs):.1f}, "
        f"{statistics.median(each.cpu_far for each in runs):.1f}",
    )


def _moments(results: Results) -> Iterator[str]:
    rows: list[Row]
    headings: Row
    if results.preemptions:
        rows = []
        for name, runs in _grouped(results.preemptions).items():
            seconds = sorted(each.seconds for each in runs if not each.early)
            early = [f"{each.seconds:.2f}" for each in runs if each.early]
            rows.append(
                (
                    f"`{name}`",
                    str(len(seconds)),
                    f"{statistics.median(seconds):.2f}",
                    f"{seconds[-1]:.2f}",
                    f"{runs[0].bar:.2f}",
                    ", ".join(early),
                )
            )
        headings = ("link", "records", "median s", "worst s", "2 RTT + 0.5 s", "s in the first seconds")
        yield f"### A record in the middle of a CBCT, until the hub's receipt\n\n{markdown(headings, rows)}"
    if results.silences:
        rows = [
            (
                f"`{each.profile}`",
                f"{each.seconds:.0f}",
                str(each.up_bytes),
                str(each.down_bytes),
                f"{each.a_day / _MEGABYTE:.2f}",
            )
            for each in results.silences
        ]
        headings = ("link", "seconds", "bytes up", "bytes down", "MB a day")
        yield f"### A link on which nothing happens\n\n{markdown(headings, rows)}"
    if results.cuts:
        rows = [
            (
                f"`{each.profile}`",
                f"{each.object_bytes / _MEGABYTE:.0f}",
                str(each.cuts),
                f"{each.seconds:.0f}",
                f"{each.overhead:.3f}",
                f"{each.again_per_cut / 1000:.0f}",
                f"{each.bar_per_cut / 1000:.0f}",
            )
            for each in results.cuts
        ]
        headings = (
            "link",
            "object, MB",
            "cuts",
            "s",
            "on the wire per byte, uncut",
            "sent again per cut, kB",
            "BDP + 256 kB",
        )
        yield f"### One object, cut and both ends killed in turn\n\n{markdown(headings, rows)}"
    if results.crowds:
        rows = [each.row() for each in results.crowds]
        yield f"### A hub with many sites\n\n{markdown(Crowd.HEADINGS, rows)}"


def _grouped(runs: Sequence[Preemption]) -> Mapping[str, list[Preemption]]:
    found: dict[str, list[Preemption]] = {}
    for each in runs:
        found.setdefault(each.profile, []).append(each)
    return {name: each for name, each in found.items() if any(not one.early for one in each)}


def verdicts(results: Results) -> Iterator[Verdict]:
    """Yield every target there is a number for."""
    for profile, most in (("geo-clear", 4.0), ("geo", 5.0)):
        for way, how in (("hub", "fresh link"), ("hub-used", "link in use before")):
            run = results.median(profile, RECORDS.name, way)
            if run is not None:
                words = f"300 records confirmed by the hub, {profile}, {how}"
                yield _verdict(words, run.full_seconds, "s", f"≤ {most:g}", run.full_seconds <= most)
    for profile, least in (("geo-clear", 100.0), ("dsl", 8.0)):
        yield from _times(results, RECORDS.name, profile, "hub", least)
    yield from _times(results, RECORDS.name, "geo-clear", "direct", 8.0)
    for profile, least in (
        ("geo-clear", 0.9),
        ("geo", 0.82),
        ("geo-asym-clear", 0.9),
        ("leo", 0.9),
        ("dsl", 0.95),
    ):
        yield from _share(results, profile, NOISE.name, "hub", least)
    for profile in BENCHED:
        yield from _share(results, profile, CBCT.name, "hub", 1.8)
    yield from _share(results, "geo-clear", NOISE.name, "direct", 0.8)
    window = results.median("geo-clear", RECORDS.name, "direct-window")
    if window is not None:
        bound = _bound(window)
        ratio = window.seconds / bound
        words = f"records, geo-clear: {WAYS[window.way].label} / physical bound of {bound:.1f} s"
        yield _verdict(words, ratio, "×", "≤ 1.3", ratio <= 1.3)
    for name, runs in _grouped(results.preemptions).items():
        later = [each.seconds for each in runs if not each.early]
        worst, bar = max(later), runs[0].bar
        yield _verdict(
            f"a record in a CBCT, {name}, worst of {len(later)}", worst, "s", f"≤ {bar:g}", worst <= bar
        )
    for silence in results.silences:
        megabytes = silence.a_day / _MEGABYTE
        yield _verdict(f"idle link, {silence.profile}, a day", megabytes, "MB", "< 1", megabytes < 1)
    for cut in results.cuts:
        again, bar = cut.again_per_cut / 1000, cut.bar_per_cut / 1000
        words = f"{cut.object_bytes / _MEGABYTE:.0f} MB cut {cut.cuts} times, {cut.profile}: again per cut"
        yield _verdict(words, again, "kB", f"< {bar:.0f}", again < bar)


def _bound(run: Transfer) -> float:
    """What no sender of plain DICOM can beat: every byte once, headers, and three round trips.

    TCP's connect, the association, and the answer to the last object.
    """
    return run.object_bytes * _HEADERS / run.rate + 3 * PROFILES[run.profile].round_trip


def _times(results: Results, load: str, profile: str, way: str, least: float) -> Iterator[Verdict]:
    mine, base = results.median(profile, load, way), results.median(profile, load, "storescu")
    if mine is not None and base is not None:
        ratio = base.full_seconds / mine.full_seconds
        words = f"{load}, {profile}: {WAYS[way].label} / storescu default"
        yield _verdict(words, ratio, "×", f"≥ {least:g}", ratio >= least)


def _share(results: Results, profile: str, load: str, way: str, least: float) -> Iterator[Verdict]:
    run = results.median(profile, load, way)
    if run is not None:
        words = f"{load}, {profile}: {WAYS[way].label}, object bytes / link rate"
        yield _verdict(words, run.share, "×", f"≥ {least:g}", run.share >= least)


def _verdict(what: str, value: float, unit: str, target: str, passed: bool) -> Verdict:
    return Verdict(what, value, unit, target, passed)


def summary(facts: Mapping[str, Any], results: Results) -> str:
    """Return the whole report as Markdown."""
    machine = (
        f"{facts['cores']} cores, {facts['processor']}; kernel {facts['kernel']}, Python {facts['python']}"
    )
    lines = [f"Measured on {machine}; versions: {', '.join(results.commits)}.", ""]
    rows = [
        (each.what, f"{each.value:.2f} {each.unit}", each.target, "reached" if each.passed else "missed")
        for each in verdicts(results)
    ]
    if rows:
        lines += ["### Targets", "", markdown(("what", "measured", "target", ""), rows), ""]
    return "\n".join([*lines, *(f"{table}\n" for table in tables(results))])
