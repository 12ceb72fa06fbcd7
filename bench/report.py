"""From samples to a table: medians, ratios, targets, passed or missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench import spool_scale
from bench.idle import Idle
from bench.spool_scale import Scale
from bench.subjects import GATEWAY, PYNETDICOM, PYNETDICOM_MINIMAL, STORESCP
from bench.throughput import Sample, median_seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target, and what was measured."""

    what: str
    value: float
    unit: str
    target: str
    passed: bool


def _of(samples: Sequence[Sample], **wanted: object) -> list[Sample]:
    return [s for s in samples if all(getattr(s, name) == value for name, value in wanted.items())]


def throughput_table(samples: Sequence[Sample]) -> Table:
    """All throughput runs: medians, spread, and how many times DCMTK storescp's speed."""
    table = Table(title="DCMTK storescu into ...")
    for heading in ("load", "TCP settings", "into"):
        table.add_column(heading)
    for heading in ("runs", "median s", "min-max s", "objects/s", "× storescp"):
        table.add_column(heading, justify="right")
    single = _of(samples, consoles=1)
    for load, settings in dict.fromkeys((s.load, s.settings) for s in single):
        group = _of(single, load=load, settings=settings)
        base = median_seconds(_of(group, subject=STORESCP.label))
        for subject in dict.fromkeys(s.subject for s in group):
            mine = _of(group, subject=subject)
            median = median_seconds(mine)
            times = [s.seconds for s in mine]
            table.add_row(
                load,
                settings,
                subject,
                str(len(mine)),
                f"{median:.2f}",
                f"{min(times):.2f}-{max(times):.2f}",
                f"{mine[0].objects / median:.0f}",
                f"{base / median:.2f}",
            )
        table.add_section()
    return table


def throughput_verdicts(samples: Sequence[Sample]) -> list[Verdict]:
    """The targets on speed against DCMTK storescp and pynetdicom."""
    verdicts = []
    single = _of(samples, consoles=1)
    for load, settings in dict.fromkeys((s.load, s.settings) for s in single):
        group = _of(single, load=load, settings=settings)
        ours = median_seconds(_of(group, subject=GATEWAY.label))
        against = {
            kind.label: median_seconds(_of(group, subject=kind.label)) / ours
            for kind in (STORESCP, PYNETDICOM)
        }
        # With default settings the target is on small objects; large ones are reported only.
        wanted = {STORESCP.label: 1.0, PYNETDICOM.label: 4.0} if settings != "default" else {}
        if settings == "default" and "20 kB" in load:
            wanted = {STORESCP.label: 10.0}
        for label, least in wanted.items():
            ratio = against[label]
            what = f"{load}, {settings}: gateway / {label}"
            verdicts.append(Verdict(what, ratio, "×", f"≥ {least:g}", ratio >= least))
    return verdicts


def parallel_verdict(samples: Sequence[Sample], consoles: int = 4) -> Verdict:
    """Several consoles together must get more through than one."""
    one, many = _of(samples, consoles=1), _of(samples, consoles=consoles)
    single = one[0].objects / median_seconds(one)
    together = many[0].objects / median_seconds(many)
    what = f"{consoles} consoles together / one console ({together:.0f} and {single:.0f} objects/s)"
    return Verdict(what, together / single, "×", "> 1", together > single)


def idle_verdicts(idle: Sequence[Idle]) -> list[Verdict]:
    """The targets on an idle gateway."""
    ours = next(each for each in idle if each.subject == GATEWAY.label)
    other = next(each for each in idle if each.subject == PYNETDICOM_MINIMAL.label)
    what = f"{ours.associations} idle associations, of one core (pynetdicom: {other.cpu_percent:.1f} %)"
    return [
        Verdict("idle gateway, resident", ours.resident_mib, "MiB", "< 60", ours.resident_mib < 60),
        Verdict(what, ours.cpu_percent, "%", "< 1", ours.cpu_percent < 1),
    ]


def spool_verdicts(runs: Sequence[Scale], rows: int) -> list[Verdict]:
    """The targets on a spool with many rows, against an empty one in the same run."""
    empty, full = spool_scale.medians(list(runs), 0), spool_scale.medians(list(runs), rows)
    verdicts = []
    for words, large, small in (
        ("put", full.put_rate, empty.put_rate),
        ("claim and settle", full.claim_rate, empty.claim_rate),
    ):
        ratio = large / small
        what = f"{words} with {rows:,} rows queued / empty ({large:.0f} and {small:.0f} objects/s)"
        verdicts.append(Verdict(what, ratio, "×", "≥ 0.8", ratio >= 0.8))
    startup = f"start-up of the spool with {rows:,} rows queued"
    verdicts.append(Verdict(startup, full.startup, "s", "< 5", full.startup < 5))
    return verdicts


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """Every target with its number."""
    table = Table(title="Targets")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for each in verdicts:
        mark = "[green]reached[/]" if each.passed else "[red]missed[/]"
        table.add_row(each.what, f"{each.value:.2f} {each.unit}", each.target, mark)
    return table


def show(console: Console, samples: Sequence[Sample], verdicts: Sequence[Verdict]) -> None:
    """Print both tables."""
    if samples:
        console.print(throughput_table(samples))
    console.print(verdict_table(verdicts))
