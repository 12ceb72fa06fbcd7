"""python -m bench.link [--only transfer,preemption,idle,cuts,sites]: measure over long links, side by side.

What is measured is kept line by line; run it again, and it goes on where it was. --plan says what there is
to do and how long it takes; --again forgets what is there.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import machine
from bench.link import cuts, loads, moments, plan, report, sites, transfers
from bench.link.ledger import Ledger
from bench.link.ways import WAYS
from bench.throughput import NotMeasured
from gateway.demo import lab
from gateway.demo.lab import PROFILES
from gateway.errors import GatewayError
from tests.support.machine import missing_peers
from tests.support.processes import ProgramFailed

RESULTS = Path(__file__).parents[1] / "results"
PARTS = ("transfer", "preemption", "idle", "cuts", "sites")
_SET_UP = 6.0  # seconds


@dataclass(frozen=True, slots=True)
class Job:
    """Something to measure: its results have these keys, and all of them come from one call."""

    keys: tuple[str, ...]
    words: str
    seconds: float  # roughly, for all of them
    measure: Callable[[], Iterable[Any]]
    light: bool = False  # hardly any processor time: several may run side by side, each on its own link


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.link", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--profiles", default=",".join(plan.BENCHED), help="links of the transfers")
    parser.add_argument("--ways", default=",".join(WAYS), help="subjects of the transfers")
    parser.add_argument("--loads", default=",".join(loads.LOADS), help="loads of the transfers")
    parser.add_argument("--rounds", type=int, default=3, help="of each run that is not slow")
    parser.add_argument("--budget", type=float, default=30.0, help="seconds for one run of another program")
    parser.add_argument("--parallel", type=int, default=3, help="runs of other programs at a time")
    parser.add_argument("--idle-seconds", type=float, default=600.0)
    parser.add_argument("--large", type=float, default=300.0, help="size in MB of the object that is cut")
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument(
        "--into", type=Path, default=RESULTS / "link.jsonl", help="where the results are kept"
    )
    parser.add_argument("--work", type=Path, help="where to work; kept, with what is sent, for the next time")
    parser.add_argument("--plan", action="store_true", help="say what there is to do and how long it takes")
    parser.add_argument("--report", action="store_true", help="only show what was measured")
    parser.add_argument("--again", action="store_true", help="measure what was measured before, too")
    given = parser.parse_args(arguments)
    for name, known in (("only", PARTS), ("profiles", PROFILES), ("ways", WAYS), ("loads", loads.LOADS)):
        wanted = getattr(given, name).split(",")
        unknown = sorted(set(wanted) - set(known))
        if unknown:
            parser.error(f"--{name}: unknown {', '.join(unknown)}; there are {', '.join(known)}")
        setattr(given, name, wanted)
    return given


def jobs(given: argparse.Namespace, work: Path) -> Iterable[Job]:
    """Yield everything there is to measure, the most telling first."""
    if "transfer" in given.only:
        wanted = plan.cells(
            profiles=given.profiles,
            loads=[loads.LOADS[name] for name in given.loads],
            ways=given.ways,
            budget=given.budget,
            rounds=given.rounds,
        )
        for cell in wanted:
            for number, key in enumerate(cell.keys):
                light = not WAYS[cell.way].ours
                yield Job((key,), key, cell.estimate + _SET_UP, _transfer(cell, number, work), light)
    if "preemption" in given.only:
        for name in ("geo-asym-clear", "geo-asym", "dsl"):
            keys = tuple(f"preemption/{name}/{number}" for number in range(6))
            yield Job(keys, f"preemption, {name}", 75, _preemption(name, len(keys), work))
    if "cuts" in given.only:
        size = int(given.large * 1e6)
        seconds = size * 1.125 / 1.25e6 + 11 * 10
        yield Job((f"cuts/geo-clear/{size}",), f"cuts of {given.large:g} MB", seconds, _cuts(size, work))
    if "sites" in given.only:
        count = given.sites
        yield Job((f"sites/{count}",), f"{count} sites", 180, lambda: [sites.measure(count, work)])
    if "idle" in given.only:
        for name in ("geo-clear",):
            seconds = given.idle_seconds
            key = f"idle/{name}/{seconds:g}"
            yield Job((key,), f"idle, {name}", seconds + 40, _silence(name, seconds, work), light=True)


def _transfer(cell: plan.Cell, number: int, work: Path) -> Callable[[], Iterable[Any]]:
    def run() -> Iterable[Any]:
        profile, load = PROFILES[cell.profile], loads.LOADS[cell.load]
        return [transfers.measure(WAYS[cell.way], profile, load, cell.objects, number + 1, work)]

    return run


def _preemption(name: str, count: int, work: Path) -> Callable[[], Iterable[Any]]:
    return lambda: moments.preemptions(PROFILES[name], count, 1, work)


def _cuts(size: int, work: Path) -> Callable[[], Iterable[Any]]:
    return lambda: [cuts.measure(PROFILES["geo-clear"], size, 10, 1, work)]


def _silence(name: str, seconds: float, work: Path) -> Callable[[], Iterable[Any]]:
    return lambda: [moments.silence(PROFILES[name], seconds, work)]


def _run(job: Job, ledger: Ledger, console: Console) -> None:
    started = time.perf_counter()
    try:
        for key, value in zip(job.keys, job.measure(), strict=False):
            ledger.add(key, dataclasses.asdict(value))
    except (NotMeasured, ProgramFailed, lab.LaboratoryFailed, GatewayError, OSError) as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        ledger.add(f"failed/{job.words}", {"key": job.words, "why": why[0][:300]})
        console.print(f"[red]{job.words}: {why[0][:300]}[/]", highlight=False)
        return
    console.print(f"{job.words}: {time.perf_counter() - started:.0f} s", highlight=False)


def _minutes(todo: Iterable[Job], parallel: int) -> float:
    return sum(job.seconds / (parallel if job.light else 1) for job in todo) / 60


def _run_all(todo: list[Job], parallel: int, ledger: Ledger, console: Console) -> None:
    """First one after the other what needs the processor for itself, then the rest side by side."""
    alone = [job for job in todo if not job.light]
    light = [job for job in todo if job.light]
    for number, job in enumerate(alone):
        left = _minutes([*alone[number:], *light], parallel)
        console.print(f"[dim]{len(todo) - number} runs, about {left:.0f} minutes left[/]")
        _run(job, ledger, console)
    # The long ones first: nobody waits for the last of them alone.
    light.sort(key=lambda job: -job.seconds)
    with ThreadPoolExecutor(parallel) as pool:
        for _ in pool.map(lambda job: _run(job, ledger, console), light):
            pass


def main(arguments: list[str] | None = None) -> int:
    """Measure what is not measured yet. A missed target is a number to look at, not an error."""
    given = _options(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=130)
    missing = lab.missing() or missing_peers()
    if missing and not given.report and not given.plan:
        console.print(f"[red]no long link here: {missing}[/]")
        return 2
    ledger = Ledger(given.into)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        todo = [job for job in jobs(given, work) if given.again or not all(key in ledger for key in job.keys)]
        if given.plan:
            for job in todo:
                console.print(f"{job.seconds:6.0f} s  {job.words}", highlight=False)
            console.print(f"{len(todo)} runs, about {_minutes(todo, given.parallel):.0f} minutes")
            return 0
        if not given.report:
            _run_all(todo, given.parallel, ledger, console)
        facts = machine.facts(work)
    text = report.summary(facts, report.Results(ledger))
    written = given.into.with_suffix(".md")
    written.write_text(text)
    sys.stdout.write(text)
    console.print(f"written to {written} and {given.into}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
