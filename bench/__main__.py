"""python -m bench [--quick] [--only throughput,parallel,idle,spool,relay,long]: measure, print, write JSON.

The default TCP settings of DCMTK leave Nagle's algorithm on; against most SCPs an object then takes 90 ms,
however small, and one run a minute. Those runs are few (--slow-rounds) and vary little; the others are many.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import idle, machine, relay, relay_long, relay_report, report, spool_scale, throughput
from bench.relay_report import Relayed
from bench.report import Verdict
from bench.throughput import DEFAULT, NODELAY, Sample
from tests.support import long_link
from tests.support.machine import missing_peers

RESULTS = Path(__file__).parent / "results"
SECTIONS = ("throughput", "parallel", "idle", "spool", "relay", "long")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the objects, one round: a smoke test"
    )
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections to run, separated by commas")
    parser.add_argument("--rounds", type=int, default=5, help="rounds with TCP_NODELAY=1")
    parser.add_argument("--slow-rounds", type=int, default=2, help="rounds with DCMTK's default settings")
    parser.add_argument(
        "--directory", type=Path, default=RESULTS, help="where to work: the disk that is measured"
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds = options.slow_rounds = 1
    unknown = set(options.only.split(",")) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return options


def main() -> int:
    """Run the sections asked for. A missed target is a number to look at, not an error of this program."""
    options = _options()
    console = Console() if sys.stdout.isatty() else Console(width=130)
    missing = missing_peers()
    if missing:
        console.print(f"[red]The other programs are needed: {missing}[/]")
        return 2
    options.directory.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    sections = options.only.split(",")
    samples: list[Sample] = []
    verdicts: list[Verdict] = []
    facts: dict[str, Any] = {}
    details: dict[str, Any] = {}
    relayed = Relayed()
    with tempfile.TemporaryDirectory(dir=options.directory) as place:
        work = Path(place)
        facts = machine.facts(work)
        console.print(
            f"{facts['cores']} cores, {facts['processor']}; to make durable: 20 kB in a journal "
            f"{facts['commit_20kB_ms']} ms, 0.5 MB in a file of its own {facts['file_500kB_ms']} ms"
        )
        if "throughput" in sections:
            samples += _throughput(console, work, options)
            verdicts += report.throughput_verdicts(samples)
        if "parallel" in sections:
            load = throughput.loads(0.1 if options.quick else 1.0)[0]
            runs = list(throughput.consoles_side_by_side(work, load, options.rounds))
            verdicts.append(report.parallel_verdict(runs))
            details["parallel"] = [dataclasses.asdict(each) for each in runs]
        if "idle" in sections:
            console.print("idle associations ...")
            at_rest = idle.measure(work, 5 if options.quick else 20)
            verdicts += report.idle_verdicts(at_rest)
            details["idle"] = [dataclasses.asdict(each) for each in at_rest]
        if "spool" in sections:
            console.print("the spool with many rows ...")
            rows = 20_000 if options.quick else 1_000_000
            runs_at_scale = spool_scale.measure(work, rows)
            verdicts += report.spool_verdicts(runs_at_scale, rows)
            details["spool"] = [dataclasses.asdict(each) for each in runs_at_scale]
        if "relay" in sections:
            _relay(console, work, options, relayed)
        if "long" in sections:
            _long(console, work, options, relayed)
        verdicts += relay_report.verdicts(relayed)
        details["relay"] = dataclasses.asdict(relayed)
    relay_report.show(console, relayed)
    report.show(console, samples, verdicts)
    written = _write(facts, samples, verdicts, details, options)
    console.print(f"{time.perf_counter() - started:.0f} s; written to {written}")
    if options.quick:
        console.print("--quick: too few objects for the targets to mean anything")
    return 0


def _throughput(console: Console, work: Path, options: argparse.Namespace) -> list[Sample]:
    samples: list[Sample] = []
    for load in throughput.loads(0.1 if options.quick else 1.0):
        for env, count in ((NODELAY, options.rounds), (DEFAULT, options.slow_rounds)):
            for sample in throughput.rounds(work, load, env, count):
                console.print(
                    f"{sample.load}, {sample.settings}: {sample.subject} {sample.seconds:.2f} s",
                    highlight=False,
                )
                samples.append(sample)
    return samples


def _relay(console: Console, work: Path, options: argparse.Namespace, into: Relayed) -> None:
    console.print("queries through the relay ...")
    into.latencies += relay.latencies(work, 100 if options.quick else 1000)
    rounds = {"TCP_NODELAY=1": options.rounds, "default": options.slow_rounds}
    for sample in relay.transfers(work, 0.1 if options.quick else 1.0, rounds):
        console.print(
            f"{sample.what}, {sample.settings}: {sample.way} {sample.seconds:.2f} s", highlight=False
        )
        into.transfers.append(sample)


def _long(console: Console, work: Path, options: argparse.Namespace, into: Relayed) -> None:
    reason = long_link.missing()
    if reason is not None:
        console.print(f"[yellow]not measured over the long link: {reason}[/]")
        return
    for sample in relay_long.conversations(work, options.rounds):
        console.print(
            f"C-FIND over {sample.settings}: {sample.way} {sample.last_match:.3f} s", highlight=False
        )
        into.conversations.append(sample)


def _write(
    facts: dict[str, Any],
    samples: list[Sample],
    verdicts: list[Verdict],
    details: dict[str, Any],
    options: argparse.Namespace,
) -> Path:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    result = {
        "at": now.isoformat(),
        "quick": options.quick,
        "machine": facts,
        "verdicts": [dataclasses.asdict(each) for each in verdicts],
        "throughput": [dataclasses.asdict(each) for each in samples],
        **details,
    }
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
