"""Sentences about the machine (gateway.health) in the reader's language."""

from __future__ import annotations

from gateway.admin import words
from gateway.admin.visit import Visit
from gateway.health.words import Sentence, Value


def said(visit: Visit, sentence: Sentence) -> str:
    """Return the sentence in the reader's language, with numbers and times as they are written there."""
    values = {value.name: _shown(visit.lang, value) for value in sentence.values}
    return visit.text(sentence.message, **values)


def _shown(lang: str, value: Value) -> str:
    if isinstance(value.value, str):
        return value.value
    if value.kind == "bytes":
        return words.size(lang, value.value)
    if value.kind == "span":
        return words.span(lang, value.value)
    if value.kind == "percent":
        return words.percent(lang, value.value)
    if value.kind == "when":
        return words.when(lang, value.value)
    return words.number(lang, value.value, 2)
