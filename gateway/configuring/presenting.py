"""From the values of this room to facts, and back."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.configuring.checking import Checked
from gateway.configuring.files import MAX_FILES, Texts, digest
from gateway.configuring.trial import Trial
from gateway.configuring.versions import Version
from gateway.operator.configuration_errors import NotAcceptable
from gateway.operator.configuration_facts import (
    ConfigurationFile,
    ConfigurationReport,
    ConfigurationVersion,
    Hazard,
    TrialFacts,
)


def file_facts(texts: Texts, main: str) -> tuple[ConfigurationFile, ...]:
    """Return a set of files, the main file first."""
    names = sorted(texts, key=lambda name: (name != main, name))
    return tuple(ConfigurationFile(name, texts[name]) for name in names)


def texts_of(files: Sequence[ConfigurationFile]) -> dict[str, str]:
    """Return files as a set. NotAcceptable when a name is there twice, or a text is none."""
    if len(files) > MAX_FILES:
        raise NotAcceptable(f"{len(files)} files are too many: {MAX_FILES} at most")
    texts: dict[str, str] = {}
    for file in files:
        if file.name in texts:
            raise NotAcceptable(f"the file {file.name[:80]!r} is there twice")
        try:
            file.text.encode()
        except UnicodeEncodeError:
            raise NotAcceptable(f"the file {file.name[:80]!r} is not text") from None
        texts[file.name] = file.text
    return texts


def version_facts(version: Version) -> ConfigurationVersion:
    """Return one entry of the history."""
    return ConfigurationVersion(
        version.number, version.at, version.who, version.why, version.how, version.digest, version.confirmed,
        version.of,
    )  # fmt: skip


def trial_facts(trial: Trial, left: float) -> TrialFacts:
    """Return what is on trial."""
    return TrialFacts(trial.number, trial.who, trial.why, max(0.0, left), trial.window, trial.former_number)


def report(texts: Texts, checked: Checked, hazards: tuple[Hazard, ...]) -> ConfigurationReport:
    """Return what came of a check."""
    return ConfigurationReport(checked.valid, digest(texts), checked.problems, checked.summary, hazards)
