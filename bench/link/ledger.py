"""Results, line by line in one file: an interrupted bench goes on where it was."""

from __future__ import annotations

import datetime
import json
import subprocess
import threading
from pathlib import Path
from typing import Any


class Ledger:
    """What was measured. A key that is there is not measured again, unless wanted; the newest counts.

    Thread-safe.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._commit = _commit()
        self._turn = threading.Lock()  # runs side by side keep their results here
        self._facts: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the line that was being written when the power went
                self._facts[row["key"]] = row

    def __contains__(self, key: str) -> bool:
        return key in self._facts

    def add(self, key: str, facts: dict[str, Any]) -> None:
        """Keep one result."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        row = {"key": key, "at": now, "commit": self._commit, "facts": facts}
        with self._turn:
            self._facts[key] = row
            text = self.path.read_text() if self.path.exists() else ""
            with self.path.open("a") as file:
                file.write(("\n" if text and not text.endswith("\n") else "") + json.dumps(row) + "\n")

    def of(self, part: str) -> list[dict[str, Any]]:
        """Return the facts of every result whose key begins with `part`/."""
        return [row["facts"] for key, row in self._facts.items() if key.startswith(f"{part}/")]

    def commits(self) -> list[str]:
        """Which versions were measured, each once, in order."""
        return list(dict.fromkeys(row["commit"] for row in self._facts.values()))


def _commit() -> str:
    try:
        ended = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return ended.stdout.strip()
