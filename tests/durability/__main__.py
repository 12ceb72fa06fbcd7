"""The long forms of the proofs of durability: `make torture`.

    python -m tests.durability [--minutes N] [--only NAME]... [--seed N] [--list] [--json FILE]

Exit code 0: every campaign that was asked for ran, and nothing was lost. 1: something was lost, or a campaign
did not end. 2: wrong arguments, or a campaign cannot run on this machine.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.durability.campaign import CAMPAIGNS
from tests.durability.running import Outcome, load, run
from tests.durability.showing import Progress, facts, table

MAX_MINUTES = 7 * 24 * 60
_SEEDS = 2**31


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture", description="Try to make the gateway lose something.")
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="how long, all campaigns together (default: 30)"
    )
    parser.add_argument(
        "--only", action="append", choices=list(CAMPAIGNS), help="this campaign; may be repeated"
    )
    parser.add_argument(
        "--seed", type=int, help="what everything random is drawn from (default: another one each time)"
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts to this file, too")
    arguments = parser.parse_args(words)
    if not 0 < arguments.minutes <= MAX_MINUTES:
        parser.error(f"--minutes must be more than 0 and at most {MAX_MINUTES}")
    if arguments.seed is not None and not 0 <= arguments.seed < _SEEDS:
        parser.error(f"--seed must be from 0 to {_SEEDS - 1}")
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for; return the exit code."""
    arguments = _arguments(words)
    if arguments.list:
        return _list()
    names = list(dict.fromkeys(arguments.only or CAMPAIGNS))
    seed = random.randrange(_SEEDS) if arguments.seed is None else arguments.seed
    until = time.monotonic() + arguments.minutes * 60
    progress = Progress(until)
    progress.say(f"{', '.join(names)}: {arguments.minutes:g} minutes, seed {seed}")
    outcomes: list[Outcome] = []
    try:
        for place, name in enumerate(names):
            # Fair shares of the time that is left: what one campaign did not use goes to those after it.
            share = max(1.0, until - time.monotonic()) / (len(names) - place)
            outcomes.append(run(name, share, seed, progress.show))
            _tell_end(outcomes[-1], arguments.minutes, progress.say)
    except KeyboardInterrupt:
        progress.say("interrupted")
    progress.say("")
    for line in table(outcomes):
        progress.say(line)
    if arguments.json is not None:
        report = {"seed": seed, "minutes": arguments.minutes, "campaigns": [facts(one) for one in outcomes]}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return _exit_code(outcomes, len(names))


def _list() -> int:
    code = 0
    for name, place in CAMPAIGNS.items():
        try:
            what = load(place).what
        except ImportError as error:
            what, code = f"cannot run here: {error}", 2
        print(f"{name:<16} {what}")
    return code


def _tell_end(outcome: Outcome, minutes: float, say: Callable[[str], None]) -> None:
    say(f"{outcome.name}: {outcome.tally.line()}")
    if outcome.absent:
        say(f"{outcome.name} was not run: {outcome.absent}")
    if outcome.failure:
        seed = outcome.seed if outcome.repeat_seed is None else outcome.repeat_seed
        say(f"{outcome.name} FAILED: {outcome.failure}")
        say(f"  what is left of it: {outcome.folder}")
        say(f'  once more: make torture ARGS="--only {outcome.name} --seed {seed} --minutes {minutes:g}"')


def _exit_code(outcomes: Sequence[Outcome], wanted: int) -> int:
    if any(one.failure for one in outcomes):
        return 1
    return 2 if len(outcomes) < wanted or any(one.absent for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
