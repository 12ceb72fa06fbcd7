"""What the program has said to the world so far, as marks between the operations of its disk.

A mark is one JSON object, said at the moment it becomes true: an acknowledgement after `commit` returned,
never before; that a state may change before it is asked for, that it has changed after that was answered.
What must be true after a power cut follows from the marks before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

FORGOTTEN = "forgotten"
"""Beside the states of deliveries: there is no row any more, since its history was dropped."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An object that was acknowledged: under this number, with these bytes."""

    uid: str
    digest: str  # hex
    size: int


@dataclass(slots=True)
class Facts:
    """What was said. `hear` takes one mark after the other."""

    begun: bool = False
    settled: bool = False  # what was done before `begin` counts as durable
    ended: bool = False
    offered: set[tuple[str, str]] = field(
        default_factory=set
    )  # (UID, digest): may be here, acknowledged or not
    objects: dict[int, Kept] = field(default_factory=dict)
    states: dict[tuple[int, str], frozenset[str]] = field(default_factory=dict)  # (object, destination)
    steps: dict[int, tuple[str, frozenset[str]]] = field(default_factory=dict)  # digest of the data, states
    commitments: dict[str, frozenset[str]] = field(default_factory=dict)

    def hear(self, text: str) -> None:
        """Take in one mark."""
        said: dict[str, Any] = json.loads(text)
        match said.pop("say"):
            case "begin":
                self.begun, self.settled = True, said.get("settled", False)
            case "end":
                self.ended = True
            case "offer":
                self.offered.add((said["uid"], said["digest"]))
            case "acknowledge":
                kept = Kept(said["uid"], said["digest"], said["size"])
                self.objects[said["object"]] = kept
                for destination in said["to"]:
                    self.states.setdefault((said["object"], destination), frozenset(said["states"]))
            case "state":
                self.states[said["object"], said["destination"]] = frozenset(said["states"])
            case "step":
                self.steps[said["number"]] = (said["digest"], frozenset(said["states"]))
            case "commitment":
                self.commitments[said["uid"]] = frozenset(said["states"])
            case other:
                raise ValueError(f"nobody says {other!r}")


def say(kind: str, **more: object) -> str:
    """Return the mark."""
    return json.dumps({"say": kind, **more})


def facts_of(marks: Iterable[str]) -> Facts:
    """Return what these marks say together."""
    facts = Facts()
    for text in marks:
        facts.hear(text)
    return facts
