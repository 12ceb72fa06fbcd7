"""The configuration of the running gateway: what the operator API may ask, and the clock of a trial."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from gateway.config.problems import Severity
from gateway.config.schema import Config
from gateway.configuring import forms, hazards
from gateway.configuring.applying import Applying, Change
from gateway.configuring.checking import Checked, Checker
from gateway.configuring.files import Folder, Texts, accept, digest
from gateway.configuring.presenting import (
    file_facts,
    report,
    texts_of,
    trial_facts,
    version_facts,
)
from gateway.configuring.summary import summarise
from gateway.configuring.trial import Clock, Trial, history_of
from gateway.configuring.versions import How, Version, Versions
from gateway.errors import LocalError
from gateway.notices import Alarm, Notices
from gateway.operator.configuration_errors import (
    ChangedMeanwhile,
    NotAcceptable,
    NotAcknowledged,
    NotPossibleNow,
    NotValid,
)
from gateway.operator.configuration_facts import (
    ApplyRequest,
    ConfigurationCandidate,
    ConfigurationFacts,
    ConfigurationHistory,
    ConfigurationProblem,
    ConfigurationReport,
    ConfigurationSchema,
    ConfigurationState,
    ConfigurationVersionDetail,
    Hazard,
    RollbackRequest,
)

_log = logging.getLogger(__name__)

LEAST_WINDOW = 5.0  # seconds to confirm in
LONGEST_WINDOW = 3600.0
_LOOK_AGAIN = 10.0  # seconds; a board that slept meanwhile finds the deadline no later than this


class Keeper:
    """Shows and changes the configuration in `config`, which the gateway runs with."""

    def __init__(
        self,
        config: Config,
        notices: Notices,
        *,
        undelivered: Callable[[], Awaitable[Mapping[str, int]]],
        restart: Callable[[], object],
        checker: Checker | None = None,
        clock: Clock | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`restart`: called when the gateway is to stop in order, and to start with what is on the disk."""
        self._folder = Folder(config.sources[0])
        self._notices = notices
        self._undelivered = undelivered
        self._restart = restart
        self._checker = checker or Checker(self._folder.main)
        self._clock = clock or Clock()
        self._wall_clock = wall_clock
        self._applying = Applying(self._folder, self._clock, wall_clock)
        self._state_dir = config.gateway.state_dir
        self._versions = Versions(history_of(self._state_dir))
        # What the gateway was started with: as checked then, and as texts.
        self._checked = Checked(
            tuple(
                ConfigurationProblem(
                    "error" if one.severity is Severity.ERROR else "warning",
                    one.file.name if one.file else "",
                    one.line, one.key, one.value, one.message, one.allowed,
                )
                for one in config.warnings
            ),
            summarise(config),
        )  # fmt: skip
        self._texts: Texts = {}
        self._version: Version | None = None
        self._trial: Trial | None = None
        self._restarting = False
        self._stuck = False  # the former configuration could not be put back; the next start tries again
        self._turn = asyncio.Lock()  # one change at a time
        self._changed = asyncio.Event()
        self._begun = asyncio.Event()
        self._last_check: tuple[str, Checked] | None = None

    # the clock

    async def run(self) -> None:
        """Note that the gateway runs with this configuration, and put back what nobody confirms in time."""
        try:
            await asyncio.to_thread(self._begin)
        except LocalError as error:
            self._alarm("configuration-history", f"The configuration cannot be changed from here: {error}")
        self._begun.set()
        while True:
            wait = None
            if self._trial is not None and not self._restarting and not self._stuck:
                left = self._clock.left(self._trial)
                if left <= 0:
                    await self._expire(self._trial)
                    continue
                wait = min(left, _LOOK_AGAIN)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            self._changed.clear()

    def _begin(self) -> None:
        """Find out what is in force. In a thread."""
        trial = self._applying.record.load()
        if trial is not None and trial.phase == "returned":
            self._applying.tell(trial)
            self._tell_returned(trial)
            trial = None
        if trial is not None:
            self._trial = self._applying.ready(trial)
        texts = self._folder.read()
        found, newest = digest(texts), self._versions.newest()
        if newest is None:
            newest = self._enter(texts, "found", "as it was when the gateway was first started")
        elif newest.digest != found:
            newest = self._enter(texts, "edited on the disk", "")
        elif not newest.confirmed and trial is None:
            # The power went between the end of the trial and this note.
            self._versions.confirm(newest.number)
            newest = replace(newest, confirmed=True)
        self._texts, self._version = texts, newest

    def _enter(self, texts: Texts, how: How, why: str) -> Version:
        version = Version(
            self._versions.next_number(), self._wall_clock(), "", why, how, digest(texts), confirmed=True
        )
        self._versions.add(version, texts)
        return version

    def _tell_returned(self, trial: Trial) -> None:
        words = (
            f"Version {trial.number} of the configuration, applied by {trial.who}, was put back: "
            f"{trial.reason}. The gateway runs with the one before it."
        )
        if trial.returned_by:
            _log.info("%s", words)
        else:
            self._alarm("configuration-returned", words)

    async def _expire(self, trial: Trial) -> None:
        async with self._turn:
            if self._trial is not trial or self._restarting:
                return
            with contextlib.suppress(LocalError):  # the alarm has said it
                await self._give_back(trial, f"nobody confirmed it within {trial.window:.0f} s", "")

    async def _give_back(self, trial: Trial, reason: str, who: str) -> None:
        try:
            self._trial = await asyncio.to_thread(self._applying.put_back, trial, reason, who)
        except LocalError as error:
            self._stuck = True
            self._alarm("configuration-stuck", f"The former configuration cannot be put back: {error}")
            raise
        self._go()

    def _go(self) -> None:
        self._restarting = True
        self._changed.set()
        self._restart()

    def _alarm(self, code: str, words: str) -> None:
        self._notices.publish(Alarm(code, words))

    # what is

    async def state(self) -> ConfigurationState:
        """Return what is in force, in short."""
        await self._begun.wait()
        version, trial = self._version, self._trial
        returned = version_facts(version) if version is not None and version.how == "put back" else None
        on_trial = trial is not None and trial.phase == "unconfirmed"
        return ConfigurationState(
            version.number if version else None,
            digest(self._texts),
            self._restarting,
            trial_facts(trial, self._clock.left(trial)) if trial is not None and on_trial else None,
            returned,
        )

    async def show(self) -> ConfigurationFacts:
        """Return the configuration on the disk."""
        state = await self.state()
        obstacle = await asyncio.to_thread(self._folder.obstacle)
        try:
            texts = await asyncio.to_thread(self._folder.read)
        except NotAcceptable as error:
            texts, obstacle = {}, obstacle or f"The configuration cannot be shown here: {error}."
        checked = await self._check_known(texts) if texts else self._checked
        return ConfigurationFacts(
            state=state,
            main=str(self._folder.main),
            files=file_facts(texts, self._folder.main.name),
            digest=digest(texts),
            edited=digest(texts) != state.digest,
            summary=checked.summary,
            problems=checked.problems,
            obstacle=obstacle,
        )

    async def versions(self) -> ConfigurationHistory:
        """Return the history, the newest first."""
        await self._begun.wait()
        return ConfigurationHistory(
            tuple(map(version_facts, await asyncio.to_thread(self._versions.entries)))
        )

    async def version(self, number: int) -> ConfigurationVersionDetail:
        """Return one version with its files. NoSuchVersion."""
        await self._begun.wait()
        version = await asyncio.to_thread(self._versions.get, number)
        texts = await asyncio.to_thread(self._versions.texts, number)
        return ConfigurationVersionDetail(version_facts(version), file_facts(texts, self._folder.main.name))

    def schema(self) -> ConfigurationSchema:
        """Return every section and key there is."""
        return forms.schema()

    async def _check_known(self, texts: Texts) -> Checked:
        """Check what is on the disk; what the gateway was started with was checked then."""
        found = digest(texts)
        if found == digest(self._texts):
            return self._checked
        if self._last_check is None or self._last_check[0] != found:
            self._last_check = (found, await self._checker.check(texts))
        return self._last_check[1]

    # what is done

    async def check(self, candidate: ConfigurationCandidate) -> ConfigurationReport:
        """Check a candidate as a whole. NotAcceptable; TooManyChecks; NotChecked."""
        texts = texts_of(candidate.files)
        accept(texts, self._folder.main.name)
        checked = await self._checker.check(texts)
        return report(texts, checked, await self._hazards(checked))

    async def apply(self, wanted: ApplyRequest, who: str) -> ConfigurationState:
        """Put a configuration in force on trial; the gateway starts with it right after the answer.

        ChangedMeanwhile, NotPossibleNow, NotValid, NotAcknowledged, NotWritable, and what `check` raises.
        """
        texts = texts_of(wanted.files)
        change = Change(texts, who, _one_line(wanted.why), _window(wanted.confirm_within))
        return await self._apply(change, wanted.acknowledged, wanted.based_on)

    async def rollback(self, wanted: RollbackRequest, who: str) -> ConfigurationState:
        """Back to an earlier version, on trial; or end the trial under way. As `apply`; NoSuchVersion."""
        why = _one_line(wanted.why)
        if wanted.to is not None:
            texts = await asyncio.to_thread(self._versions.texts, wanted.to)
            window = _window(wanted.confirm_within)
            change = Change(texts, who, why, window, "rolled back", wanted.to)
            return await self._apply(change, wanted.acknowledged, None)
        await self._begun.wait()
        async with self._turn:
            trial = self._on_trial()
            await self._give_back(trial, why or "it was taken back", who)
        return await self.state()

    async def confirm(self, number: int) -> ConfigurationState:
        """Keep the version on trial for good. NotPossibleNow when it is not, or not this one."""
        await self._begun.wait()
        async with self._turn:
            trial = self._on_trial()
            if trial.number != number:
                raise NotPossibleNow(f"version {trial.number} is on trial, and not version {number}")
            if self._clock.left(trial) <= 0:
                raise NotPossibleNow(
                    "the time to confirm is over: the former configuration is being put back"
                )
            self._trial = None
            try:
                await asyncio.to_thread(self._applying.confirm, trial)
            finally:
                self._trial = await asyncio.to_thread(self._applying.record.load)
            if self._version is not None and self._version.number == number:
                self._version = replace(self._version, confirmed=True)
            self._changed.set()
        return await self.state()

    def _on_trial(self) -> Trial:
        if self._restarting:
            raise NotPossibleNow("the gateway is about to start again; ask again in a moment")
        if self._trial is None:
            raise NotPossibleNow("no configuration is on trial")
        return self._trial

    async def _apply(
        self, change: Change, acknowledged: tuple[str, ...], based_on: str | None
    ) -> ConfigurationState:
        accept(change.texts, self._folder.main.name)
        await self._begun.wait()
        async with self._turn:
            running = self._idle()
            if obstacle := await asyncio.to_thread(self._folder.obstacle):
                raise NotPossibleNow(obstacle)
            disk = await asyncio.to_thread(self._folder.read)
            if based_on is not None and digest(disk) != based_on:
                raise ChangedMeanwhile(self._who_changed(disk))
            if digest(change.texts) == digest(disk) == digest(self._texts):
                raise NotPossibleNow("there is nothing to apply: this is the configuration in force")
            checked = await self._checker.check(change.texts)
            if not checked.valid:
                raise NotValid(checked.problems)
            missing = [one for one in await self._hazards(checked) if one.code not in acknowledged]
            if missing:
                raise NotAcknowledged(missing)
            if digest(disk) not in (digest(self._texts), digest(change.texts)):
                await asyncio.to_thread(self._enter, disk, "edited on the disk", "never in force")
            self._trial = await asyncio.to_thread(
                self._applying.begin, change, running, self._texts, str(self._state_dir)
            )
            self._go()
        return await self.state()

    def _idle(self) -> Version:
        if self._restarting:
            raise NotPossibleNow("the gateway is about to start again; ask again in a moment")
        if self._trial is not None:
            raise NotPossibleNow(
                f"version {self._trial.number} is on trial: it has to be kept or put back first"
            )
        if self._version is None:
            raise NotPossibleNow("the history of the configuration cannot be kept; the log says why")
        return self._version

    async def _hazards(self, checked: Checked) -> tuple[Hazard, ...]:
        if checked.summary is None or self._checked.summary is None:
            return ()
        return tuple(hazards.find(self._checked.summary, checked.summary, await self._undelivered()))

    def _who_changed(self, disk: Texts) -> str:
        version = self._version
        if version is not None and version.digest == digest(disk) and version.who:
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(version.at))
            return f"the configuration is version {version.number} by now: {version.who} changed it at {at}"
        return "the files of the configuration were changed on the disk meanwhile"


def _one_line(why: str) -> str:
    why = why.strip()
    if len(why) > 500 or not why.isprintable():
        raise ValueError("why: one line of 500 printable characters at most is expected")
    return why


def _window(seconds: float) -> float:
    if not LEAST_WINDOW <= seconds <= LONGEST_WINDOW:
        raise ValueError(f"confirm_within: {LEAST_WINDOW:.0f} to {LONGEST_WINDOW:.0f} seconds are allowed")
    return seconds
