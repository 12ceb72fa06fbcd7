"""What the operator API can be refused about the configuration: the errors of its port, with their words."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import LocalError
from gateway.operator.configuration_facts import ConfigurationProblem, Hazard

_TOLD = 5  # problems told in one sentence


class NotAcceptable(LocalError):
    """A set of files that cannot be a configuration, whatever is in them: too much, or oddly named."""


class NotWritable(LocalError):
    """The configuration's folder cannot be changed by the gateway; the text says how to mend that."""


class NoSuchVersion(LocalError):
    """There is no version of this number (any more)."""


class NotChecked(LocalError):
    """The candidate could not be checked at all, which says nothing about it."""


class TooManyChecks(LocalError):
    """Others are being checked; try again in a moment."""


class ChangedMeanwhile(LocalError):
    """Somebody else was faster; their change would be lost."""


class NotPossibleNow(LocalError):
    """The state the configuration is in does not allow this."""


class NotAcknowledged(LocalError):
    """The change does something that nobody expects, and nobody said that it is meant."""

    def __init__(self, hazards: Sequence[Hazard]) -> None:
        self.hazards = tuple(hazards)
        codes = ", ".join(one.code for one in hazards)
        super().__init__(
            " ".join(one.words for one in hazards) + f" If that is meant, acknowledge it: {codes}"
        )


class NotValid(LocalError):
    """The gateway would not start with it."""

    def __init__(self, problems: Sequence[ConfigurationProblem]) -> None:
        errors = [one for one in problems if one.severity == "error"]
        told = "; ".join(_words(one) for one in errors[:_TOLD])
        more = f"; and {len(errors) - _TOLD} more" if len(errors) > _TOLD else ""
        super().__init__(f"the gateway would not start with this configuration: {told}{more}")


def _words(problem: ConfigurationProblem) -> str:
    place = problem.file + (f", line {problem.line}" if problem.line else "")
    return ": ".join(part for part in (place, problem.key, problem.message) if part)
