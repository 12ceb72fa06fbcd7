"""One campaign in a process of its own: what it counts comes back while it runs, and its time is bounded.

A campaign that does not end by itself is ended: its budget, then GRACE to finish the round it is in. What it
puts into temporary folders is in one folder: removed when the campaign passed, left when it failed.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.durability.campaign import ACKNOWLEDGED, CAMPAIGNS, LOST, Budget, Campaign, Failure, Tally

GRACE = 180.0
"""Seconds that a campaign has to finish its last round after its budget is over."""

_LEAVE = 10.0
"""Seconds that the process of a campaign has to end once it is done, or was asked to."""

TELL_EVERY = 0.5
"""Seconds between two reports of what was counted."""


@dataclass
class Outcome:
    """How one campaign went. `failure` is empty when nothing was lost; `absent` says why it could not run."""

    name: str
    seed: int
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    failure: str = ""
    absent: str = ""
    details: str = ""  # where in the program, for whoever looks into it
    repeat_seed: int | None = None  # of the round that failed, when it is known
    folder: str = ""  # what is left to look at


_PROOFS = (ACKNOWLEDGED, "mutants caught")
"""A campaign that has counted none of these has shown nothing."""

Show = Callable[[Outcome, str], None]
"""Takes what is known so far, and what the campaign says that it is doing."""


def load(place: str) -> Campaign:
    """The campaign that lives at `place` (see CAMPAIGNS). ImportError when it cannot run here."""
    module, _, kind = place.partition(":")
    campaign: Campaign = getattr(importlib.import_module(module), kind)()
    return campaign


def run(name: str, seconds: float, seed: int, show: Show, *, grace: float = GRACE) -> Outcome:
    """Run the campaign for about `seconds`; tell `show` about once a second. Failures are in the outcome."""
    outcome = Outcome(name, seed)
    folder = Path(tempfile.mkdtemp(prefix=f"torture-{name}-"))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(there, CAMPAIGNS[name], seconds, seed, str(folder)))
    started = time.monotonic()
    process.start()
    there.close()
    try:
        ended = _listen(here, outcome, started, seconds + grace, show)
        late = not ended and time.monotonic() >= started + seconds + grace
        if not late:
            process.join(_LEAVE)
    finally:
        _end(process)
        here.close()
        outcome.seconds = time.monotonic() - started
    if not ended:
        outcome.failure = (
            f"it did not end within {grace:.0f} s after its time"
            if late
            else f"its process ended with exit code {process.exitcode}"
        )
    _judge(outcome)
    _keep_or_remove(outcome, folder)
    return outcome


def _listen(here: Connection, outcome: Outcome, started: float, longest: float, show: Show) -> bool:
    """Take what the campaign says until it has ended; False when it was not heard to end."""
    words = "starting"
    while (left := started + longest - time.monotonic()) > 0:
        try:
            said = here.recv() if here.poll(min(1.0, left)) else None
        except EOFError:
            return False
        match said:
            case ("tally", counts):
                outcome.tally = Tally(Counter(counts))
            case ("tell", told):
                words = told
            case ("absent", reason):
                outcome.absent = reason
                return True
            case ("failed", facts):
                _take_failure(outcome, facts)
                return True
            case ("done",):
                return True
        outcome.seconds = time.monotonic() - started
        show(outcome, words)
    return False


def _take_failure(outcome: Outcome, facts: dict[str, Any]) -> None:
    outcome.failure, outcome.details = facts["message"], facts["details"]
    outcome.repeat_seed, outcome.folder = facts["seed"], facts["evidence"]


def _judge(outcome: Outcome) -> None:
    """A campaign that lost something, or that put nothing to the test, has not passed."""
    if outcome.failure or outcome.absent:
        return
    if outcome.tally.counts[LOST]:
        outcome.failure = f"{outcome.tally.counts[LOST]} acknowledged objects were lost"
    elif not any(outcome.tally.counts[word] for word in _PROOFS):
        outcome.failure = "no object was acknowledged: nothing was put to the test (more --minutes?)"


def _keep_or_remove(outcome: Outcome, folder: Path) -> None:
    if not outcome.failure:
        shutil.rmtree(folder, ignore_errors=True)
        return
    words = [outcome.failure, f"seed {outcome.seed}", outcome.tally.line(), outcome.details]
    if outcome.folder:
        words.append(f"the campaign's own evidence: {outcome.folder}")
    (folder / "failure.txt").write_text("\n".join(filter(None, words)) + "\n", encoding="utf-8")
    outcome.folder = str(folder)


def _end(process: multiprocessing.process.BaseProcess) -> None:
    """Have the process gone: it is asked, then made to."""
    for ask in (process.terminate, process.kill):
        if process.is_alive():
            ask()
            process.join(_LEAVE)


# in the process of the campaign


def _child(there: Connection, place: str, seconds: float, seed: int, folder: str) -> None:
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(143))  # whatever it waits for
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = None
    tally = Tally()
    speaking = _Speaking(there, tally)
    try:
        campaign = load(place)
    except ImportError as error:
        speaking.say("absent", f"it cannot be imported here: {error}")
        return
    speaking.start()
    try:
        campaign.run(Budget.seconds(seconds, seed), tally, lambda words: speaking.say("tell", words))
    except KeyboardInterrupt:
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, the campaign has not passed
        speaking.stop()
        speaking.say("failed", _facts(error))
    else:
        speaking.stop()
        speaking.say("done")


def _facts(error: Exception) -> dict[str, Any]:
    known = isinstance(error, Failure)
    return {
        "message": str(error).strip() or type(error).__name__,
        "details": "".join(traceback.format_exception(error)),
        "seed": error.seed if known else None,
        "evidence": error.evidence if known else "",
    }


class _Speaking:
    """The campaign's end of the pipe: its counts go out from time to time, whatever it is doing."""

    def __init__(self, there: Connection, tally: Tally) -> None:
        self._there = there
        self._tally = tally
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count, name="counting", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send the last counts."""
        self._over.set()
        self._thread.join()
        self._send_tally()

    def say(self, *said: object) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError):  # nobody listens any more: we are being ended
            self._there.send(said)

    def _send_tally(self) -> None:
        with contextlib.suppress(RuntimeError):  # it grew while it was copied: the next one will do
            self.say("tally", dict(self._tally.counts))

    def _count(self) -> None:
        while not self._over.wait(TELL_EVERY):
            self._send_tally()
