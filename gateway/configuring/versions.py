"""The history of a configuration: every set of files that was ever in force, one file for each.

`state_dir/configuration/versions/00000017.json`: what is listed in one line, the texts in another. Numbers
only grow; the newest is in force. Old ones go when there are too many or they take too much room.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypeGuard

from gateway.configuring.durable import remove_file, replace_file, sync_folder
from gateway.configuring.files import MAX_BYTES, Texts, digest
from gateway.errors import LocalError
from gateway.operator.configuration_errors import NoSuchVersion

_log = logging.getLogger(__name__)

KEPT = 200
KEPT_BYTES = 16 << 20
_MOST_HEAD = 1 << 16
_MOST = 6 * MAX_BYTES + _MOST_HEAD  # of one file: every character of the texts may be escaped

How = Literal["found", "edited on the disk", "applied", "rolled back", "put back"]


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of the history: what came into force, when, by whom, why and how."""

    number: int
    at: float  # wall clock
    who: str
    why: str
    how: How
    digest: str
    confirmed: bool  # somebody kept it, or it needed no keeping
    of: int | None = None  # the earlier version whose files these are again


class Versions:
    """The history in `folder`, made when needed. Everything blocks; LocalError when the disk fails."""

    def __init__(self, folder: Path, *, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self._folder = folder
        self._kept = kept
        self._kept_bytes = kept_bytes

    def entries(self) -> list[Version]:
        """Return the history, the newest first. A file that is damaged is left out, and logged."""
        found = []
        for number in sorted(self._numbers(), reverse=True):
            try:
                found.append(self._head(number))
            except NoSuchVersion as error:
                _log.warning("%s", error)
        return found

    def newest(self) -> Version | None:
        """Return what came into force last."""
        return next(iter(self.entries()), None)

    def texts(self, number: int) -> dict[str, str]:
        """Return the files of a version. NoSuchVersion."""
        version, texts = self._read(number)
        if digest(texts) != version.digest:
            raise _damaged(number)
        return texts

    def get(self, number: int) -> Version:
        """Return one entry. NoSuchVersion."""
        return self._head(number)

    def next_number(self) -> int:
        """Return the number that the next version gets."""
        return max(self._numbers(), default=0) + 1

    def add(self, version: Version, texts: Texts) -> None:
        """Write an entry, over one of the same number if there is one; the oldest make room for it."""
        try:
            if not self._folder.is_dir():
                self._folder.mkdir(mode=0o700, parents=True)
                sync_folder(self._folder.parent)
            content = "\n".join((json.dumps(asdict(version)), json.dumps(dict(texts)), ""))
            replace_file(self._path(version.number), content.encode(), mode=0o600)
            self._make_room(version.number)
        except OSError as error:
            raise LocalError(
                f"the history of the configuration cannot be written: {error.strerror}"
            ) from error

    def confirm(self, number: int) -> None:
        """Note that somebody kept this version."""
        version, texts = self._read(number)
        self.add(replace(version, confirmed=True), texts)

    def _make_room(self, newest: int) -> None:
        """Remove the oldest beyond the bounds; the newest, and the one before it, always stay."""
        numbers = sorted(self._numbers(), reverse=True)
        size = 0
        for position, number in enumerate(numbers):
            size += self._path(number).stat().st_size
            if position > 1 and number != newest and (position >= self._kept or size > self._kept_bytes):
                remove_file(self._path(number))

    def _numbers(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        return [int(file.stem) for file in self._folder.glob("*.json") if file.stem.isdecimal()]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08}.json"

    def _head(self, number: int) -> Version:
        return _version(number, self._raw(number, first_line=True))

    def _read(self, number: int) -> tuple[Version, dict[str, str]]:
        first, _, second = self._raw(number).partition(b"\n")
        version = _version(number, first)
        try:
            texts = json.loads(second)
        except ValueError:
            texts = None
        if not _are_texts(texts):
            raise _damaged(number)
        return version, texts

    def _raw(self, number: int, *, first_line: bool = False) -> bytes:
        try:
            with self._path(number).open("rb") as file:
                return file.readline(_MOST_HEAD) if first_line else file.read(_MOST)
        except FileNotFoundError:
            raise NoSuchVersion(f"there is no version {number} of the configuration") from None
        except OSError as error:
            raise LocalError(f"version {number} cannot be read: {error.strerror}") from error


def _version(number: int, line: bytes) -> Version:
    try:
        return Version(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise _damaged(number) from error


def _damaged(number: int) -> NoSuchVersion:
    return NoSuchVersion(f"version {number} is damaged on the disk, and of no use")


def _are_texts(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(text, str) for name, text in value.items()
    )
