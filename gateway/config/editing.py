"""Changes to the text of a configuration that leave its comments, its order and its spelling alone.

    edited(texts, [Edit("peer", {"host": "192.0.2.30"}, name="oncology")], main="gateway.toml")

Uses tomlkit: for the page's process and the command line, never for the daemon. The result is text, and still
has to be checked as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.errors import LocalError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

Value = str | int | float | bool | list[Any] | dict[str, Any] | None

ARRAYS = {"listener": "name", "peer": "name", "route": "called", "site": "name"}
"""The sections of which there are several, and the key that tells one from the other."""


class NotEditable(LocalError):
    """The text is not TOML, or has something else where the change belongs."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change. Of a [[section]] there are several: `name` says which, and one that is new is added."""

    section: str  # "gateway", "spool", "peer" ...; "delivery.link_backoff" for a table within a table
    values: Mapping[str, Value]  # keys to set; None takes a key out, and what is not named stays
    name: str | None = None  # of a listener or a peer; the called AE title of a route
    remove: bool = False  # take the whole section out


def edited(texts: Mapping[str, str], edits: Iterable[Edit], *, main: str) -> dict[str, str]:
    """Return `texts` with every edit made, where the thing is written; what is new goes into `main`.

    NotEditable names the file.
    """
    documents = {name: _parse(name, texts[name]) for name in _in_order(texts, main)}
    for edit in edits:
        if edit.section in ARRAYS:
            _edit_element(documents, edit, main)
        else:
            _edit_table(documents, edit, main)
    return {name: document.as_string() for name, document in documents.items()}


def _in_order(texts: Mapping[str, str], main: str) -> list[str]:
    return sorted(texts, key=lambda name: (name != main, name))


def _parse(name: str, text: str) -> TOMLDocument:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(text)
    except (TOMLKitError, RecursionError) as error:
        raise NotEditable(f"{name} is not TOML, and has to be mended first: {error}") from error


def _edit_element(documents: Mapping[str, TOMLDocument], edit: Edit, main: str) -> None:
    """Change, add or remove one of several: a listener, a peer, a route."""
    import tomlkit

    key = ARRAYS[edit.section]
    if edit.name is None:
        raise ValueError(f"{edit.section}: which one?")
    for name, document in documents.items():
        array = document.get(edit.section, [])
        if not isinstance(array, list):
            raise NotEditable(f"{name}: {edit.section} is no list of tables")
        for position, element in enumerate(array):
            if isinstance(element, MutableMapping) and element.get(key) == edit.name:
                if edit.remove:
                    del array[position]
                    if not array:
                        del document[edit.section]
                else:
                    _set(element, edit.values)
                return
    if edit.remove:
        return
    array = documents[main].get(edit.section)
    values = {key: edit.name, **edit.values}
    if array is None or isinstance(array, tomlkit.items.AoT):
        table = tomlkit.table()
        _set(table, values)
        if array is None:
            array = tomlkit.aot()
            array.append(table)
            if len(documents[main].body) and not documents[main].as_string().endswith("\n\n"):
                documents[main].add(tomlkit.nl())
            documents[main].append(edit.section, array)
        else:
            array.append(table)
    else:  # peer = [{ ... }]
        inline = tomlkit.inline_table()
        _set(inline, values)
        array.append(inline)


def _edit_table(documents: Mapping[str, TOMLDocument], edit: Edit, main: str) -> None:
    """Change or remove a table of which there is one. Keys that are there change where they count."""
    path = edit.section.split(".")
    if edit.remove:
        for document in documents.values():
            parent = _table(document, path[:-1])
            if parent is not None:
                parent.pop(path[-1], None)
        return
    for key, value in edit.values.items():
        # A later file wins: the last one that has the key is the one that counts.
        homes = [document for document in documents.values() if key in (_table(document, path) or {})]
        tables = [document for document in documents.values() if _table(document, path) is not None]
        document = homes[-1] if homes else tables[0] if tables else documents[main]
        _set(_made(document, path), {key: value})
        if value is None:
            for home in homes[:-1]:
                _set(_made(home, path), {key: None})


def _table(document: MutableMapping[str, Any], path: list[str]) -> MutableMapping[str, Any] | None:
    table: Any = document
    for part in path:
        table = table.get(part)
        if not isinstance(table, MutableMapping):
            return None
    found: MutableMapping[str, Any] = table
    return found


def _made(document: MutableMapping[str, Any], path: list[str]) -> MutableMapping[str, Any]:
    import tomlkit

    table: Any = document
    for part in path:
        if part not in table:
            table[part] = tomlkit.table()
        table = table[part]
        if not isinstance(table, MutableMapping):
            raise NotEditable(f"{'.'.join(path)}: {part} is no table")
    made: MutableMapping[str, Any] = table
    return made


def _set(table: MutableMapping[str, Any], values: Mapping[str, Value]) -> None:
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(table.get(key), MutableMapping):
            _set(table[key], value)
        elif table.get(key) != value or isinstance(table.get(key), bool) != isinstance(value, bool):
            table[key] = _item(value)


def _item(value: Value) -> Any:
    """Return `value` as one writes it in one line."""
    import tomlkit

    if isinstance(value, Mapping):
        inline = tomlkit.inline_table()
        inline.update({key: _item(inner) for key, inner in value.items() if inner is not None})
        return inline
    return tomlkit.item(value)
