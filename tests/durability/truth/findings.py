"""What was found to be wrong, by whichever thread, and told at the next opportunity."""

from __future__ import annotations

from tests.durability.campaign import Failure


class Findings:
    """A list of what must not be; each sentence names the delivery and the moment."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def wrong(self, words: str) -> None:
        """Note it. Any thread."""
        self._found.append(words)

    def check(self) -> None:
        """Fail when something was found."""
        if self._found:
            more = f" (and {len(self._found) - 1} more)" if len(self._found) > 1 else ""
            raise Failure(self._found[0] + more)
