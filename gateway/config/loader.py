"""From files to a checked Config: read, validate, cross-check; all problems at once."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.config import checks, files, link_checks, web_checks
from gateway.config.checks import Finding
from gateway.config.explain import explain, path_of
from gateway.config.problems import ConfigErrors, Problem, Severity, show
from gateway.config.schema import Config
from gateway.config.shape import find
from gateway.config.sources import Tree, read
from gateway.config.unavailable import take_out_unavailable

# Stand in for required values that are missing or wrong while the rest is checked.
_STAND_INS: dict[str, Any] = {
    "gateway": {"name": "x", "ae_title": "X"},
    "name": "",
    "ae_title": "X",
    "host": "broken.invalid",
    "port": 1,
    "called": "(broken)",
    "to": [],
    "calls": [],
    "tls": {"certificate": "/", "key": "/", "ca": "/"},
    "certificate": "/",
    "key": "/",
    "ca": "/",
}


def load(path: Path, *, check_files: bool = True, texts: Mapping[str, str] | None = None) -> Config:
    """Return the configuration in `path` and the conf.d folder beside it.

    `texts`: files to take instead of those on the disk, by name from the folder of `path`. Relative paths in
    them count from there as well.

    With `check_files`, also what the configuration points at is looked at: TLS files, folders. Somebody who
    only wants to know the operator socket need not be allowed to read private keys.

    Raises ConfigErrors with every problem that was found. Problems that are mere warnings are in
    `Config.warnings` when there are no others.
    """
    tree = read(Path(path), texts)
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
    told = itertools.chain(checks.run(config), link_checks.run(config), web_checks.run(config))
    return itertools.chain(told, files.run(config) if check_files else ())


def _problem(finding: Finding, tree: Tree) -> Problem:
    file, line = tree.place(finding.path)
    value = tree.at(finding.path)
    shown = "" if value is None or isinstance(value, dict | list) else show(finding.path, value)
    key = tree.point_at(finding.path)
    return Problem(key, finding.message, shown, finding.allowed, file, line, finding.severity)


def _despite(errors: list[Any], tree: Tree, check_files: bool) -> list[Problem]:
    """Return what the checks find in the sound part of the tree, so that one run tells everything."""
    config, _ = _validated(_mended(tree.values, errors))
    if config is None:
        return []
    broken = [path_of(error) for error in errors]
    return [
        _problem(finding, tree)
        for finding in _findings(config, check_files)
        if not any(
            finding.path[: len(cut)] == cut or cut[: len(finding.path)] == finding.path for cut in broken
        )
    ]


def _mended(values: dict[str, Any], errors: list[Any]) -> dict[str, Any]:
    """Return `values` with what `errors` are about taken out, or replaced where something must be."""
    mended = copy.deepcopy(values)
    for error in errors:
        path = path_of(error)
        # An error about an element of a list is mended at the list.
        while len(path) > 2 and isinstance(path[-1], int):
            path = path[:-1]
        key = find(Config, path)
        table: Any = mended
        for step in path[:-1]:
            table = table[step]
        name = str(path[-1])
        if name in _STAND_INS and (name == "tls" or (key is not None and key.required)):
            table[name] = _STAND_INS[name]
            if name == "name":
                table[name] = "-".join(str(step) for step in path)  # no two broken ones are duplicates
        elif isinstance(table, dict):
            table.pop(name, None)
    return mended
