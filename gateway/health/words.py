"""Sentences about the machine that can be translated, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "attention", "unknown"]


def N_(text: str) -> str:  # noqa: N802 - the name that extraction of messages knows
    """Mark `text` for translation where it cannot be translated yet."""
    return text


@dataclass(frozen=True, slots=True)
class Value:
    """What stands in a sentence for a placeholder. `kind` says how a number is shown."""

    name: str
    value: str | int | float
    kind: Literal["text", "number", "percent", "bytes", "span", "when"] = "text"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in English with named placeholders, and their values."""

    message: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in words, and what to do about it."""

    verdict: Verdict
    words: Sentence
    next_step: Sentence | None = None


def ok(message: str, *values: Value) -> Finding:
    """All is well."""
    return Finding("ok", Sentence(message, values))


def attention(message: str, *values: Value, next_step: str) -> Finding:
    """A person should do something; `next_step` says what."""
    return Finding("attention", Sentence(message, values), Sentence(next_step, values))


def unknown(message: str, *values: Value, next_step: str = "") -> Finding:
    """It cannot be read; the message says why."""
    return Finding("unknown", Sentence(message, values), Sentence(next_step, values) if next_step else None)
