"""The steps of a change. The power may go after any of them, and the next start goes on from the record.

    begin       record (from here on the new set is the one), files, history, record: unconfirmed
    ready       the gateway runs with it: the time to confirm starts
    confirm     the record goes: it stays
    put_back    record: returning, the former files, record: returned
    tell        history of what was put back; the record goes
    recover     what a start does about the record, before the configuration is read

Everything here blocks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.configuring.files import Folder, Texts, digest
from gateway.configuring.trial import Clock, Record, Trial, history_of
from gateway.configuring.versions import How, Version, Versions
from gateway.errors import LocalError

_log = logging.getLogger(__name__)

MOST_STARTS = 2  # sets out to start with a configuration that never became ready: then it is put back
START_TIME = 600.0  # seconds between the change and its first readiness; then it is put back, too


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants in force."""

    texts: Texts
    who: str
    why: str
    window: float  # seconds to confirm in
    how: How = "applied"
    of: int | None = None  # the earlier version whose files these are


class Applying:
    """Changes of the configuration in `folder`."""

    def __init__(
        self, folder: Folder, clock: Clock | None = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = folder
        self.record = Record(folder)
        self.clock = clock or Clock()
        self._wall_clock = wall_clock

    def begin(self, change: Change, running: Version, former: Texts, state_dir: str) -> Trial:
        """Put `change` in force in place of `running`, whose files are `former`.

        NotWritable, and LocalError when the history cannot be written: the former files are back then.
        """
        now = self.clock.now()
        trial = Trial(
            phase="writing",
            number=Versions(history_of(Path(state_dir))).next_number(),
            how=change.how,
            who=change.who,
            why=change.why,
            at=self._wall_clock(),
            texts=dict(change.texts),
            former=dict(former),
            former_number=running.number,
            state_dir=state_dir,
            window=change.window,
            boot=self.clock.boot(),
            written=now,
            deadline=now + START_TIME,
            of=change.of,
        )
        self.record.save(trial)
        try:
            return self._write(trial)
        except LocalError as error:
            self.put_back(trial, f"it could not be written: {error}")
            self.record.remove()  # nobody ever ran with it, so there is nothing to tell
            raise

    def _write(self, trial: Trial) -> Trial:
        self.folder.write(trial.texts)
        version = Version(
            trial.number, trial.at, trial.who, trial.why, trial.how, digest(trial.texts), False, trial.of
        )
        Versions(trial.history).add(version, trial.texts)
        return self.record.save(replace(trial, phase="unconfirmed"))

    def ready(self, trial: Trial) -> Trial:
        """The gateway runs with it. The first time, the time to confirm starts."""
        if trial.started:
            return trial
        now = self.clock.now()
        return self.record.save(replace(trial, started=True, written=now, deadline=now + trial.window))

    def confirm(self, trial: Trial) -> None:
        """Keep it for good."""
        self.record.remove()  # first: who confirmed must not lose it to a power cut
        Versions(trial.history).confirm(trial.number)

    def put_back(self, trial: Trial, reason: str, who: str = "") -> Trial:
        """Put the former files in force, for `reason`. `who` asked for it; "" when nobody did."""
        trial = self.record.save(replace(trial, phase="returning", reason=reason, returned_by=who))
        return self._return(trial)

    def _return(self, trial: Trial) -> Trial:
        self.folder.write(trial.former)
        return self.record.save(replace(trial, phase="returned"))

    def tell(self, trial: Trial) -> None:
        """Enter what was put back into the history, and end the trial. Doing it again does no harm."""
        versions = Versions(trial.history)
        newest = versions.newest()
        if newest is None or newest.how != "put back" or newest.number <= trial.number:
            version = Version(
                number=max(versions.next_number(), trial.number + 1),
                at=self._wall_clock(),
                who=trial.returned_by,
                why=trial.reason,
                how="put back",
                digest=digest(trial.former),
                confirmed=True,
                of=trial.former_number,
            )
            versions.add(version, trial.former)
        self.record.remove()

    def recover(self) -> Trial | None:
        """Bring a change that was interrupted to an end, and return the trial that this start is part of.

        LocalError when that is not possible and the files on the disk may be a mixture.
        """
        trial = self.record.load()
        if trial is None:
            return None
        if trial.phase == "writing":
            if self.clock.left(trial) > 0:
                trial = self._write(trial)
            else:
                return self.put_back(trial, "the device was switched off before it was in force")
        if trial.phase == "returning":
            return self._return(trial)
        if trial.phase == "returned":
            return trial
        reason = self._verdict(trial)
        if reason:
            going_on = replace(trial, phase="returning", reason=reason)
        else:
            going_on = replace(trial, starts=trial.starts + 1)
        try:
            self.record.save(going_on)
        except LocalError as error:
            # A folder that cannot be written any more: a gateway that runs is better than none.
            _log.error("the configuration on trial stays: %s", error)
            return trial
        return self._return(going_on) if reason else going_on

    def _verdict(self, trial: Trial) -> str:
        """Return why a trial that was under way does not go on; "" when it does."""
        if self.clock.left(trial) <= 0:
            if trial.started:
                return "nobody confirmed it in time, or the device was switched off before"
            return "the gateway did not become ready with it in time, or the device was switched off before"
        if not trial.started and trial.starts >= MOST_STARTS:
            return "the gateway ended without a word while it started with it"
        return ""
