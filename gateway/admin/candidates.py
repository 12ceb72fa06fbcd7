"""Configurations as people bring them: from a form, from a file, from a ZIP; and how two of them differ.

What comes in is bounded here, checked by the gateway, and shown as a difference before anything happens.
"""

from __future__ import annotations

import difflib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.admin.forms import FormError
from gateway.admin.page import N_
from gateway.operator.configuration_facts import ConfigurationFile

MAX_FILES = 64
MAX_BYTES = 1 << 19  # of all files together, as the gateway takes it
MAX_FORM = 8 * MAX_BYTES  # as a form sends it: most characters of a text may come as three
MAX_COMPARED = 5000  # lines of one file; more than that takes too long to compare
_CONTEXT = 3  # lines around a change

Texts = dict[str, str]


def from_form(fields: Mapping[str, Any]) -> Texts:
    """Return the files in a form: `name.1` with `text.1`, and so on; `drop.1` takes a file out. FormError."""
    texts: Texts = {}
    for number in range(MAX_FILES + 1):
        name, text = fields.get(f"name.{number}"), fields.get(f"text.{number}")
        if not isinstance(name, str) or not isinstance(text, str):
            continue
        name = name.strip()
        if not name or f"drop.{number}" in fields:
            continue
        if not name.isprintable() or len(name) > 100:
            raise FormError(f"name.{number}", N_("Please use printable characters only."))
        if name in texts:
            raise FormError(f"name.{number}", N_("There is a file of this name already."))
        text = text.replace("\r\n", "\n")
        texts[name] = text if text.endswith("\n") else text + "\n"
    return _bounded(texts)


def from_upload(file_name: str, content: bytes, current: Texts, main: str) -> Texts:
    """Return what an uploaded file makes of the configuration. FormError when it cannot be one.

    A ZIP is a whole configuration. A single file takes the place of the one of its name in conf.d, if there
    is one, and of the main file otherwise.
    """
    if content.startswith(b"PK"):
        return _bounded(_unzipped(content))
    text = _text(content)
    name = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    inner = f"conf.d/{name}"
    return _bounded({**current, inner if inner in current and name != main else main: text})


def _unzipped(content: bytes) -> Texts:
    texts: Texts = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_FILES:
                raise FormError("file", N_("There are too many files in it."))
            left = MAX_BYTES
            for entry in entries:
                with archive.open(entry) as stream:
                    raw = stream.read(left + 1)  # not what the archive says it holds: what it does hold
                left -= len(raw)
                if left < 0:
                    raise FormError("file", N_("This file is too large."))
                texts[entry.filename] = _text(raw)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise FormError("file", N_("This ZIP file cannot be read.")) from error
    return texts


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise FormError("file", N_("This is not a text file.")) from error


def _bounded(texts: Texts) -> Texts:
    if sum(len(text.encode("utf-8", "surrogatepass")) for text in texts.values()) > MAX_BYTES:
        raise FormError("text", N_("All files together may have half a megabyte."))
    return texts


def zipped(files: tuple[ConfigurationFile, ...]) -> bytes:
    """Return files as a ZIP."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(file.name, (1980, 1, 1, 0, 0, 0)), file.text.encode())
    return target.getvalue()


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference, with its numbers before and after."""

    kind: Literal["same", "add", "del", "gap"]
    before: int | None
    after: int | None
    text: str


@dataclass(frozen=True, slots=True)
class FileDiff:
    """How one file differs."""

    name: str
    what: Literal["changed", "new", "removed"]
    added: int
    removed: int
    lines: tuple[DiffLine, ...]  # none: too long to be compared line by line


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[FileDiff]:
    """Return how `after` differs from `before`, file by file. Costs time: not for the event loop."""
    found = []
    for name in sorted(set(before) | set(after), key=lambda name: ("/" in name, name)):
        if before.get(name) == after.get(name):
            continue
        what: Literal["changed", "new", "removed"] = (
            "new" if name not in before else "removed" if name not in after else "changed"
        )
        old, new = _split(before.get(name, "")), _split(after.get(name, ""))
        if max(len(old), len(new)) > MAX_COMPARED:
            found.append(FileDiff(name, what, len(new), len(old), ()))
            continue
        lines = tuple(_lines(old, new))
        added = sum(line.kind == "add" for line in lines)
        found.append(FileDiff(name, what, added, sum(line.kind == "del" for line in lines), lines))
    return found


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _lines(old: list[str], new: list[str]) -> list[DiffLine]:
    lines: list[DiffLine] = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_CONTEXT):
        if lines or group[0][1] > 0:
            lines.append(DiffLine("gap", None, None, ""))
        for what, a, b, c, d in group:
            if what == "equal":
                lines += [DiffLine("same", a + i + 1, c + i + 1, old[a + i]) for i in range(b - a)]
                continue
            lines += [DiffLine("del", a + i + 1, None, old[a + i]) for i in range(b - a)]
            lines += [DiffLine("add", None, c + i + 1, new[c + i]) for i in range(d - c)]
    return lines
