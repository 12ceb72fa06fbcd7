"""A mutant: the gateway without one rule that keeps what was acknowledged. In a copy, never in place."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGE = "gateway"


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a source file (its path inside the package): `find`, which is there once, is replaced."""

    file: str
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """`rule`: what it takes away, in words. `caught_by`: tests that must fail on it, the cheapest first."""

    name: str
    rule: str
    edits: tuple[Edit, ...]
    caught_by: tuple[str, ...]


EXPLORED = "tests/durability/mutants/explore.py::test_history"


def explored(history: str) -> str:
    """The test that goes through the crash points of a history."""
    return f"{EXPLORED}[{history}]"


class Stale(Exception):
    """The source has changed under a mutant: the catalogue must be brought up to date."""


def apply(mutant: Mutant, package: Path) -> None:
    """Change the sources of the package at `package`. Raises Stale."""
    changed: dict[str, str] = {}
    for edit in mutant.edits:
        source = changed.get(edit.file) or (package / edit.file).read_text(encoding="utf-8")
        found = source.count(edit.find)
        if found != 1:
            raise Stale(f"{mutant.name}: {edit.file}: found {found} times instead of once: {edit.find!r}")
        changed[edit.file] = source.replace(edit.find, edit.replace)
    for file, source in changed.items():
        try:
            compile(source, file, "exec")
        except SyntaxError as error:
            raise Stale(f"{mutant.name}: {file} is no Python any more: {error}") from error
        (package / file).write_text(source, encoding="utf-8")


def copy_package(folder: Path) -> Path:
    """Copy the package into `folder`, which can then come first on the path; return where it is."""
    copy = folder / PACKAGE
    # With what is compiled already: only the changed file has to be compiled anew.
    shutil.copytree(REPOSITORY / PACKAGE, copy)
    return copy
