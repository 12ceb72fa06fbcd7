"""Where each key of a TOML document is written: key path -> line.

The standard library's reader keeps no positions. This one walks a document that `tomllib` has already
accepted, so it only has to tell keys from values and to step over strings, brackets and comments.
"""

from __future__ import annotations

import re

KeyPath = tuple[str | int, ...]

_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.)?""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line (from 1) of every table header and every key in `text`.

    Elements of arrays of tables are counted from 0: the port of the second listener is
    ("listener", 1, "port"). What is inside an inline table is found under the key that holds it.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    position, line = 0, 1
    while position < len(text):
        end = _statement_end(text, position)
        statement = text[position:end].strip()
        here, line = line, line + text.count("\n", position, end + 1)
        position = end + 1
        if statement.startswith("[["):
            name = _inside(_key(statement, 2)[0], counts)
            counts[name] = counts.get(name, -1) + 1
            table = (*name, counts[name])
            lines.setdefault(name, here)
            lines[table] = here
        elif statement.startswith("["):
            table = _inside(_key(statement, 1)[0], counts)
            lines.setdefault(table, here)
        elif statement and not statement.startswith("#"):
            lines.setdefault((*table, *_key(statement, 0)[0]), here)
    return lines


def _statement_end(text: str, start: int) -> int:
    """Return where the statement that starts at `start` ends: at a newline outside strings and brackets."""
    depth = 0
    position = start
    while position < len(text):
        character = text[position]
        if character in "\"'":
            found = _STRING.match(text, position)
            position = found.end() if found else len(text)
            continue
        if character == "#":
            newline = text.find("\n", position)
            position = len(text) if newline < 0 else newline
            continue
        if character == "\n" and depth == 0:
            return position
        depth += (character in "[{") - (character in "]}")
        position += 1
    return position


def _key(statement: str, start: int) -> tuple[KeyPath, int]:
    parts: list[str] = []
    position = start
    while found := _KEY_PART.match(statement, position):
        basic, literal, bare, dot = found.groups()
        parts.append(next(part for part in (basic, literal, bare) if part is not None))
        position = found.end()
        if not dot:
            break
    return tuple(parts), position


def _inside(path: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """Return `path` with the current element of each array of tables above its last part filled in."""
    full: KeyPath = ()
    for number, part in enumerate(path):
        full = (*full, part)
        if number < len(path) - 1 and full in counts:
            full = (*full, counts[full])
    return full
