"""The schema of the configuration as facts: for forms, and for help beside a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from gateway.config.kinds import Choice, Flag, Kind, Whole
from gateway.config.schema import Config
from gateway.config.section import Section
from gateway.config.shape import Key, keys
from gateway.operator.configuration_facts import ConfigurationSchema, KeyFacts, SectionFacts

_KindName = Literal["text", "flag", "whole", "choice", "table"]


def schema() -> ConfigurationSchema:
    """Return every section and key there is, in the order of the reference."""
    return ConfigurationSchema(tuple(_sections(Config, "", False)))


def _sections(section: type[Section], path: str, many: bool) -> Iterator[SectionFacts]:
    found = keys(section)
    if path:
        meaning = " ".join((section.__doc__ or "").split())
        yield SectionFacts(path, many, meaning, tuple(_key(key) for key in found))
    for key in found:
        if key.section is not None:
            yield from _sections(
                key.section, f"{path}.{key.name}" if path else key.name, key.container == "list"
            )


def _key(key: Key) -> KeyFacts:
    choices = key.kind.words if isinstance(key.kind, Choice) else ()
    return KeyFacts(
        name=key.name,
        kind="table" if key.section is not None else _kind(key.kind),
        many=key.container,
        choices=tuple(choices),
        allowed=key.allowed,
        meaning=key.doc,
        required=key.required,
        default=key.written(),
    )


def _kind(kind: Kind[object] | None) -> _KindName:
    if isinstance(kind, Flag):
        return "flag"
    if isinstance(kind, Choice):
        return "choice"
    return "whole" if type(kind) is Whole else "text"
