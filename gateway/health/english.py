"""Sentences of this room in English, for the command line and for files. The page translates them itself."""

from __future__ import annotations

import time

from gateway.health.words import Sentence, Value
from gateway.operator.words import duration, printable, size


def english(sentence: Sentence) -> str:
    """Return the sentence with its values filled in."""
    return sentence.message % {value.name: _shown(value) for value in sentence.values}


def _shown(value: Value) -> str:
    if isinstance(value.value, str):
        return printable(value.value)
    if value.kind == "bytes":
        return size(value.value)
    if value.kind == "span":
        return duration(value.value)
    if value.kind == "percent":
        return f"{value.value * 100:.0f} %"
    if value.kind == "when":
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(value.value))
    return f"{value.value:g}" if isinstance(value.value, float) else str(value.value)
