"""What the pages Logs, System and Support need besides the operator API.

journal.py   lines of the log from before this start, out of systemd's journal
machine.py   readings of the machine, not taken more often than needed
shelf.py     support bundles between being shown and being downloaded
sentences.py sentences about the machine in the reader's language
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.admin.diagnosis.journal import Journal
from gateway.admin.diagnosis.machine import MachineWatch
from gateway.admin.diagnosis.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One of each for the whole process."""

    journal: Journal = field(default_factory=Journal)
    machine: MachineWatch = field(default_factory=MachineWatch)
    shelf: Shelf = field(default_factory=Shelf)
