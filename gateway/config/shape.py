"""The schema as data: which keys a section has, of which kind, with which default.

Problems, the reference and the tests are made from this, so that none of them can drift from the schema.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from typing import Any

from gateway.config.kinds import Doc, Kind
from gateway.config.section import Section, toml_key

Container = typing.Literal["one", "list", "map"]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section."""

    name: str  # in TOML
    attribute: str  # in Python
    doc: str
    container: Container  # one value or table, a list of them, or a table of free keys
    kind: Kind[Any] | None  # of the value, of each element, or of each value in a map
    section: type[Section] | None  # of the table, or of each table of an array
    required: bool
    default: Any

    @property
    def allowed(self) -> str:
        """What may be written here, in words."""
        if self.section is not None:
            return f"[[{self.name}]] tables" if self.container == "list" else "a table"
        words = self.kind.allowed if self.kind else ""
        if self.container == "list":
            return f"a list, each: {words}"
        return f"a table, each value: {words}" if self.container == "map" else words

    def written(self) -> str:
        """Return the default as one writes it in TOML; "" when there is none to write."""
        if self.required or self.default is None or self.kind is None:
            return ""
        if self.container == "list":
            return "[" + ", ".join(self.kind.written(item) for item in sorted(self.default)) + "]"
        if self.container == "map":
            return "{}"
        return self.kind.written(self.default)


def keys(section: type[Section]) -> tuple[Key, ...]:
    """Return the keys of `section`, in the order of the schema."""
    hints = typing.get_type_hints(section, include_extras=True)
    return tuple(
        _key(field, hints[field.name])
        for field in dataclasses.fields(typing.cast(Any, section))
        if field.init
    )


def find(section: type[Section], path: tuple[str | int, ...]) -> Key | None:
    """Return the key at `path` below `section`, or None when there is no such key."""
    found: Key | None = None
    inside: type[Section] | None = section
    for step in path:
        if isinstance(step, int):
            continue
        if inside is None:
            return found if found is not None and found.container == "map" else None
        found = next((key for key in keys(inside) if key.name == step), None)
        if found is None:
            return None
        inside = found.section
    return found


def _key(field: dataclasses.Field[Any], hint: Any) -> Key:
    hint, notes = _unwrapped(hint)
    doc = next((note.text for note in notes if isinstance(note, Doc)), "")
    container, element = _container(hint)
    element, inner = _unwrapped(element)
    kind = next((note for note in (*notes, *inner) if isinstance(note, Kind)), None)
    section = element if isinstance(element, type) and issubclass(element, Section) else None
    factory = field.default_factory
    default = field.default if factory is dataclasses.MISSING else factory()
    required = default is dataclasses.MISSING
    if section is not None and not doc:
        doc = " ".join((section.__doc__ or "").split())
    return Key(toml_key(field.name), field.name, doc, container, kind, section, required, default)


def _unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the type behind Annotated and "or None", and the annotations found on the way."""
    notes: tuple[Any, ...] = ()
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint, notes = hint.__origin__, notes + tuple(hint.__metadata__)
        elif typing.get_origin(hint) in (typing.Union, types.UnionType):
            others = [part for part in typing.get_args(hint) if part is not types.NoneType]
            if len(others) != 1:
                return hint, notes
            hint = others[0]
        else:
            return hint, notes


def _container(hint: Any) -> tuple[Container, Any]:
    origin = typing.get_origin(hint)
    if origin in (tuple, frozenset):
        return "list", typing.get_args(hint)[0]
    if origin is dict:
        return "map", typing.get_args(hint)[1]
    return "one", hint
