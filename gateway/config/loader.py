"""From files to a checked Config: read, validate, cross-check; all problems at once."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway.config import checks, files
from gateway.config.checks import Finding
from gateway.config.explain import explain, path_of
from gateway.config.problems import ConfigErrors, Problem, Severity, show
from gateway.config.schema import Config
from gateway.config.shape import find
from gateway.config.sources import Tree, read
from gateway.config.toml_lines import KeyPath
from gateway.config.unavailable import take_out_unavailable

_ARRAYS = ("listener", "peer", "route")


def load(path: Path, *, check_files: bool = True) -> Config:
    """Return the configuration in `path` and the conf.d folder beside it.

    With `check_files`, also what the configuration points at is looked at: TLS files, folders. Somebody who
    only wants to know the operator socket need not be allowed to read private keys.

    Raises ConfigErrors with every problem that was found. Problems that are mere warnings are in
    `Config.warnings` when there are no others.
    """
    tree = read(Path(path))
    unreadable = bool(tree.problems)
    problems = [*tree.problems, *take_out_unavailable(tree)]
    config, errors = _validated(tree.values)
    # With a file missing from the picture, what is missing in the others may well be in there.
    told = [error for error in errors if not (unreadable and error["type"] == "missing")]
    problems += explain(told, tree)
    if config is not None:
        problems += [_problem(finding, tree) for finding in _findings(config, check_files)]
    elif not unreadable:
        problems += _despite(errors, tree, check_files)
    if config is None or any(problem.severity is Severity.ERROR for problem in problems):
        raise ConfigErrors(problems)
    object.__setattr__(config, "sources", tuple(tree.files))
    object.__setattr__(config, "warnings", tuple(problems))
    return config


def _validated(values: dict[str, Any]) -> tuple[Config | None, list[Any]]:
    # Pydantic costs some ten megabytes: only who loads pays, and gateway.config.apart makes a child pay.
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Config).validate_python(values), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _findings(config: Config, check_files: bool) -> Iterable[Finding]:
    return itertools.chain(checks.run(config), files.run(config) if check_files else ())


def _problem(finding: Finding, tree: Tree) -> Problem:
    file, line = tree.place(finding.path)
    value = tree.at(finding.path)
    shown = "" if value is None or isinstance(value, dict | list) else show(finding.path, value)
    key = tree.point_at(finding.path)
    return Problem(key, finding.message, shown, finding.allowed, file, line, finding.severity)


def _despite(errors: list[Any], tree: Tree, check_files: bool) -> list[Problem]:
    """Return what the checks find in the part of the tree that is sound, so that one run tells everything."""
    broken = [path_of(error) for error in errors]
    values, kept = _sound_part(tree.values, errors)
    config, errors = _validated(values)
    if config is None:
        return []
    names = {name for peer in tree.values.get("peer", ()) if isinstance(name := _name(peer), str)}
    problems = []
    for finding in _findings(config, check_files):
        path = _original(finding.path, kept)
        is_about_broken = any(path[: len(cut)] == cut or cut[: len(path)] == path for cut in broken)
        if not is_about_broken and not (path[0] == "route" and tree.at(path) in names):
            problems.append(_problem(Finding(path, finding.message, finding.allowed, finding.severity), tree))
    return problems


def _name(element: object) -> object:
    return element.get("name") if isinstance(element, dict) else None


def _sound_part(values: dict[str, Any], errors: list[Any]) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Return `values` without what `errors` are about, and which elements of the arrays are left."""
    sound = copy.deepcopy(values)
    dropped: set[tuple[str, int]] = set()
    for error in errors:
        path = path_of(error)
        key = find(Config, path[:3])
        if error["type"] == "unexpected_keyword_argument":
            _remove(sound, path)
        elif path[0] in _ARRAYS and len(path) > 1:
            if key is None or key.required or key.section is not None:
                dropped.add((str(path[0]), int(path[1])))
            else:
                _remove(sound, path[:3])
        else:
            _remove(sound, path[:2])
    kept: dict[str, list[int]] = {}
    for name in _ARRAYS:
        if isinstance(elements := sound.get(name), list):
            kept[name] = [number for number in range(len(elements)) if (name, number) not in dropped]
            sound[name] = [elements[number] for number in kept[name]]
    own = sound.setdefault("gateway", {})
    own.setdefault("name", "unnamed")
    own.setdefault("ae_title", "UNNAMED")
    return sound, kept


def _remove(values: Any, path: KeyPath) -> None:
    for step in path[:-1]:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(values, dict):
        values.pop(path[-1], None)


def _original(path: KeyPath, kept: dict[str, list[int]]) -> KeyPath:
    if len(path) > 1 and isinstance(path[1], int):
        return (path[0], kept[str(path[0])][path[1]], *path[2:])
    return path
