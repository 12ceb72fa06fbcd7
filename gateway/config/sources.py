"""The files of a configuration, read and merged into one tree that remembers where everything came from.

The main file comes first, then `conf.d/*.toml` beside it in order of name. Tables merge key by key, a later
file wins; arrays of tables ([[listener]] and the like) are joined. Any other value replaces the earlier one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config.kinds import Located
from gateway.config.problems import Problem
from gateway.config.toml_lines import KeyPath, key_lines

MAX_FILE_BYTES = 1 << 20
MAX_FILES = 256


@dataclass(slots=True)
class Tree:
    """The merged configuration as TOML gave it, and the file and line of every key."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, tuple[Path, int]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> tuple[Path | None, int | None]:
        """Return file and line of `path`, or of the nearest thing around it."""
        for length in range(len(path), 0, -1):
            if found := self.places.get(path[:length]):
                return found
        return (self.files[0] if self.files else None), None

    def at(self, path: KeyPath) -> Any:
        """Return the value at `path`, or None when there is none."""
        value: Any = self.values
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def point_at(self, path: KeyPath) -> str:
        """Return `path` as a person would say it: the listener called wan is listener[wan]."""
        words = ""
        for length, step in enumerate(path, start=1):
            if isinstance(step, str):
                words += f".{step}" if words else step
                continue
            element = self.at(path[:length])
            name = None
            if isinstance(element, dict):
                name = element.get("name", element.get("called"))
            elif isinstance(element, str):
                continue  # an element of a plain list: its value says which
            words += f"[{name}]" if isinstance(name, str) and name.isprintable() else f"[#{step + 1}]"
        return words


def read(main: Path, texts: Mapping[str, str] | None = None) -> Tree:
    """Read `main` and what is in conf.d beside it. What cannot be read is among the tree's problems.

    `texts`: what to take for the files instead of what is on the disk, by name from the folder of `main`.
    """
    tree = Tree()
    main = main.absolute()
    if texts is not None:
        for name in sorted(texts, key=lambda name: (name != main.name, name)):
            tree.files.append(main.parent / name)
            _understand(tree, main.parent / name, texts[name].encode("utf-8", "surrogatepass"))
        return tree
    folder = main.parent / "conf.d"
    extra = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    if len(extra) > MAX_FILES:
        tree.problems.append(Problem("", f"more than {MAX_FILES} files in conf.d", file=folder))
        extra = extra[:MAX_FILES]
    for file in [main, *extra]:
        _read_one(tree, file)
    return tree


def _read_one(tree: Tree, file: Path) -> None:
    tree.files.append(file)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        tree.problems.append(Problem("", f"cannot be read: {error.strerror}", file=file))
        return
    _understand(tree, file, raw)


def _understand(tree: Tree, file: Path, raw: bytes) -> None:
    if len(raw) > MAX_FILE_BYTES:
        tree.problems.append(Problem("", f"larger than {MAX_FILE_BYTES} bytes", file=file))
        return
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        tree.problems.append(Problem("", "not text in UTF-8", file=file, line=line))
        return
    except tomllib.TOMLDecodeError as error:
        tree.problems.append(_syntax(error, file))
        return
    except RecursionError:
        tree.problems.append(Problem("", "not TOML: nested too deeply", file=file))
        return
    _Merge(tree, file, key_lines(text)).table(tree.values, values, (), ())


def _syntax(error: tomllib.TOMLDecodeError, file: Path) -> Problem:
    # "Expected '=' after a key (at line 3, column 5)": the words are fit to show, the place goes to its own.
    words, _, place = str(error).partition(" (at ")
    line = next((int(word.strip(",")) for word in place.split() if word.strip(",").isdecimal()), None)
    return Problem("", f"not TOML: {words[:1].lower()}{words[1:]}", file=file, line=line)


@dataclass(slots=True)
class _Merge:
    """Merges the values of one file into the tree: `written` is a path in the file, `path` in the tree."""

    tree: Tree
    file: Path
    lines: Mapping[KeyPath, int]

    def table(self, into: dict[str, Any], values: dict[str, Any], path: KeyPath, written: KeyPath) -> None:
        for key, value in values.items():
            here, there = (*path, key), (*written, key)
            old = into.get(key)
            if isinstance(old, dict) and isinstance(value, dict):
                self.table(old, value, here, there)
            elif isinstance(old, list) and _is_tables(old) and _is_tables(value):
                self._elements(old, value, here, there)
            elif isinstance(old, dict | list) and type(old) is not type(value):
                self._note(here, there)
                self.tree.problems.append(self._clash(here, old))
            else:
                self._note(here, there)
                into[key] = self._marked(value, here, there)

    def _elements(self, into: list[Any], values: list[Any], path: KeyPath, written: KeyPath) -> None:
        for number, value in enumerate(values):
            here, there = (*path, len(into)), (*written, number)
            self._note(here, there)
            into.append(self._marked(value, here, there))

    def _marked(self, value: Any, path: KeyPath, written: KeyPath) -> Any:
        """Return a copy of `value` whose strings know their file's folder, noting the lines on the way."""
        if isinstance(value, dict):
            marked: dict[str, Any] = {}
            self.table(marked, value, path, written)
            return marked
        if _is_tables(value):
            elements: list[Any] = []
            self._elements(elements, value, path, written)
            return elements
        if isinstance(value, list):
            return [self._marked(item, path, written) for item in value]
        return Located(value, self.file.parent) if isinstance(value, str) else value

    def _note(self, path: KeyPath, written: KeyPath) -> None:
        if line := self.lines.get(written):
            self.tree.places[path] = (self.file, line)

    def _clash(self, path: KeyPath, old: object) -> Problem:
        file, line = self.tree.place(path)
        kind = "a table" if isinstance(old, dict) else "a list"
        return Problem(
            ".".join(str(step) for step in path),
            f"an earlier file has {kind} here, and this is something else",
            file=file,
            line=line,
        )


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
