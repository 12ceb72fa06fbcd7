"""Which call goes wrong, and how: pure rules that the filesystem asks at every call.

A rule names an operation (`write`, `fsync`, ..., `*`: any that changes something or makes it durable), a
pattern for the path inside the filesystem (`/spool/objects/*`; of a rename: the old path), and when: its
`nth` such call and the `times - 1` after it, or each with a `probability`. What it then does is one of the
actions below. Of several that are due, the one made first strikes, and the others at the next call.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

# Calls that change what the disk holds, or promise that it holds it.
CHANGING = frozenset(
    {
        "create",
        "mkdir",
        "write",
        "truncate",
        "fallocate",
        "rename",
        "unlink",
        "rmdir",
        "fsync",
        "fsyncdir",
    }
)
OPERATIONS = CHANGING | {"open", "read", "getattr", "readdir", "statfs"}

FAIL = "fail"
"""Nothing is done; the call returns an error. Of fsync: what waited may be anything, and counts as clean."""
FAIL_AFTER = "fail after"
"""It is done, and the call returns an error nevertheless."""
SHORT = "short"
"""Of write: half of the bytes are taken."""
FREEZE = "freeze"
"""Not done, never answered: whoever called hangs until the power is cut."""
FREEZE_AFTER = "freeze after"
"""Done, never answered."""


@dataclass(slots=True)
class Rule:
    """One thing that goes wrong. `seen` counts the calls that matched, `struck` those that went wrong."""

    number: int
    operation: str
    path: str = "*"
    nth: int = 1
    times: int | None = 1  # None: from the nth on, all
    probability: float | None = None
    action: str = FAIL
    error: int = 0
    seen: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        if self.operation != "*" and self.operation not in OPERATIONS:
            raise ValueError(f"no such operation: {self.operation}")
        if self.action == SHORT and self.operation != "write":
            raise ValueError("only writes can be short")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("calls are counted from 1")

    def matches(self, operation: str, path: str) -> bool:
        """Whether this rule is about such a call."""
        if self.operation != operation and not (self.operation == "*" and operation in CHANGING):
            return False
        return self.path == "*" or fnmatchcase(path, self.path)

    def due(self, dice: random.Random) -> bool:
        """Count one more call that matches; whether it is to go wrong."""
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.struck >= self.times):
            return False
        return self.probability is None or dice.random() < self.probability


@dataclass(slots=True)
class Rules:
    """All of them, in the order in which they were made."""

    dice: random.Random
    rules: list[Rule] = field(default_factory=list)
    _last: int = 0

    def add(self, operation: str, **more: object) -> int:
        """Add a rule; return its number. ValueError when it makes no sense."""
        self._last += 1
        self.rules.append(Rule(self._last, operation, **more))  # type: ignore[arg-type]
        return self._last

    def clear(self) -> None:
        """Forget them all."""
        self.rules.clear()

    def struck(self) -> dict[int, int]:
        """Number of the rule -> how often it struck."""
        return {rule.number: rule.struck for rule in self.rules}

    def ask(self, operation: str, path: str) -> Rule | None:
        """One call comes: what goes wrong with it, if anything. Every rule that matches has seen it.

        A rule that was due at a call which an earlier one took strikes at the next.
        """
        due = [rule for rule in self.rules if rule.matches(operation, path) and rule.due(self.dice)]
        if not due:
            return None
        due[0].struck += 1
        return due[0]
