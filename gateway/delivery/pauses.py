"""Which destinations an operator has paused, kept across restarts: a pause that a power cut ends is none."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

_log = logging.getLogger(__name__)

FILE_NAME = "paused.json"


class Pauses:
    """The names of the paused destinations, in a small JSON list that is replaced atomically."""

    def __init__(self, path: Path, names: Iterable[str] = ()) -> None:
        self._path = path
        self._names = frozenset(names)

    def __contains__(self, name: str) -> bool:
        """Say whether `name` was paused."""
        return name in self._names

    @classmethod
    def load(cls, state_dir: Path) -> Self:
        """Read the file; none, or one that is damaged, means that nothing is paused. Blocking."""
        path = state_dir / FILE_NAME
        try:
            names = _names(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            names = []
        except (OSError, ValueError) as error:
            # Delivering is the safe side: what was paused is delivered, nothing is lost.
            _log.warning("%s is not usable, nothing is paused: %s", FILE_NAME, error)
            names = []
        return cls(path, names)

    def save(self, names: Iterable[str]) -> None:
        """Replace the file. Blocking, but tiny and rare: a person pressed a button. Raises OSError."""
        self._names = frozenset(names)
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(sorted(self._names), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        _sync_names(self._path.parent)


def _sync_names(folder: Path) -> None:
    """Make the new name durable: without it a power cut may bring the old file back."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(value: object) -> list[str]:
    if not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        raise ValueError("not a list of names")
    return value
