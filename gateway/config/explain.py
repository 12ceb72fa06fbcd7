"""What pydantic found, said in the words of the person who wrote the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.config.problems import Problem, show
from gateway.config.schema import Config
from gateway.config.shape import Key, find, keys
from gateway.config.sources import Tree
from gateway.config.toml_lines import KeyPath


def explain(errors: Iterable[Mapping[str, Any]], tree: Tree) -> list[Problem]:
    """Return one problem for each of pydantic's `errors` about the values of `tree`."""
    return [_problem(error, tree) for error in errors]


def path_of(error: Mapping[str, Any]) -> KeyPath:
    """Return where in the tree one of pydantic's errors is."""
    location: KeyPath = tuple(error["loc"])
    return location[:-1] if location and location[-1] == "[key]" else location


def _problem(error: Mapping[str, Any], tree: Tree) -> Problem:
    path = path_of(error)
    key = find(Config, path)
    value, allowed = show(path, error["input"]), _allowed(key, path)
    if error["type"] == "missing":
        value, message = "", _missing(path, key)
    elif error["type"] == "unexpected_keyword_argument":
        message, allowed = _unknown(path)
    elif error["type"] == "value_error":
        message = str(error["ctx"]["error"])
        if error["loc"][-1] == "[key]":
            value, allowed = "", 'SOP classes by name or UID, like "CT Image Storage"'
    elif key is not None and key.container == "list" and not isinstance(path[-1], int):
        message = "there may be several" if key.section else "a list in brackets is wanted here"
    else:
        message = "a table is wanted here"
    file, line = tree.place(path)
    return Problem(tree.point_at(path), message, value, allowed, file=file, line=line)


def _allowed(key: Key | None, path: KeyPath) -> str:
    if key is None:
        return ""
    is_element = key.container != "one" and path[-1] != key.name
    return key.kind.allowed if is_element and key.kind else key.allowed


def _missing(path: KeyPath, key: Key | None) -> str:
    return f"missing. {key.doc}" if key is not None and key.doc else "missing"


def _unknown(path: KeyPath) -> tuple[str, str]:
    """Return the message about an unknown key, and the keys that its section has."""
    around = find(Config, path[:-1])
    section = around.section if around else Config
    names = [key.name for key in keys(section or Config)]
    wanted = str(path[-1]).lower()
    close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.75)
    if close:
        return f'there is no such key here, did you mean "{close[0]}"?', ", ".join(names)
    elsewhere = [
        f"{key.name}.{inner.name}" for key in keys(Config) if key.section for inner in keys(key.section)
    ]
    close = [
        place
        for place in elsewhere
        if difflib.get_close_matches(wanted, [place.partition(".")[2]], cutoff=0.75)
    ]
    hint = f", did you mean {close[0]}?" if close else ""
    return f"there is no such key here{hint}", ", ".join(names)
