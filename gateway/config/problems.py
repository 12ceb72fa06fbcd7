"""What is wrong with a configuration, as values fit to print: where, what was found, what is allowed."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import LocalError

_SECRET_KEY = re.compile(r"pass|secret|token|credential|pin\b|private", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"//[^/@\s]*@")
_SHOWN = 80
_NOT_SHOWN = "(not shown)"


class Severity(enum.StrEnum):
    """An error keeps the gateway from starting; a warning is worth a look and nothing more."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration. Every text in it may be shown: secrets never get in."""

    key: str  # as a person would point at it: listener[wan].tls.key
    message: str  # what is wrong, in words
    value: str = ""  # what was found, shortened; "" when nothing was
    allowed: str = ""  # what would be right
    file: Path | None = None
    line: int | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = str(self.file) if self.file else ""
        if place and self.line:
            place += f":{self.line}"
        found = f" = {self.value}" if self.value else ""
        allowed = f" (allowed: {self.allowed})" if self.allowed else ""
        subject = f"{self.key}{found}: " if self.key else ""
        return f"{place + ': ' if place else ''}{self.severity}: {subject}{self.message}{allowed}"


class ConfigErrors(LocalError):
    """The configuration cannot be used. `problems` holds all errors and warnings: errors first, by place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        ordered = sorted(
            problems, key=lambda x: (x.severity is not Severity.ERROR, str(x.file or ""), x.line or 0)
        )
        self.problems: list[Problem] = ordered
        super().__init__("\n".join(str(problem) for problem in ordered))

    def __reduce__(self) -> tuple[type[ConfigErrors], tuple[list[Problem]]]:
        # Exceptions pickle their printed arguments by default; this one is rebuilt from its problems.
        return (type(self), (self.problems,))


def show(path: Sequence[object], value: object) -> str:
    """Return `value` for a person to read, shortened; key material and passwords are never shown.

    `path` is where the value was found: a key with a telling name hides its value, whatever it is.
    """
    if any(isinstance(step, str) and _SECRET_KEY.search(step) for step in path):
        return _NOT_SHOWN
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show((), item) for item in value[:4]) + (", …]" if len(value) > 4 else "]")
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)[:_SHOWN]
    text = str(value)
    if "-----BEGIN" in text or "\n" in text:
        return _NOT_SHOWN
    text = _URL_CREDENTIALS.sub("//(not shown)@", text)
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "…"
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text) + '"'
