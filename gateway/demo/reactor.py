"""Keeps pynetdicom's reactor thread at rest while requests are made on one of its associations.

The reactor takes whatever message has arrived and drops it when it is no request. pynetdicom pauses it around
each request, but an earlier pause that has just ended looks the same from outside: on a busy machine the
reactor may then still make one more round, take the answer to the next request, and leave the caller waiting
until its time-out (pynetdicom 3.0.4, Association._run_reactor). An answer within a millisecond loses that
race now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom.association import Association

_PATIENCE = 5.0  # seconds; the reactor comes by every millisecond


class _Checkpoint(threading.Event):
    """Where the reactor waits before each round. pynetdicom's own `set` does not let it pass."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, and let it be known."""
        self.reached.set()
        return super().wait(timeout)

    def set(self) -> None:
        """Do nothing: requests follow each other, and the reactor stays where it is."""

    def open(self) -> None:
        """Let the reactor pass, now and from now on."""
        super().set()


@contextmanager
def reactor_at_rest(association: Association) -> Iterator[None]:
    """Make requests on `association` inside; release or abort it after that."""
    usual = association._reactor_checkpoint
    ours = _Checkpoint()
    association._reactor_checkpoint = ours
    try:
        # An association that has ended has no reactor any more, and nothing to lose a race against.
        ours.reached.wait(_PATIENCE if association.is_alive() else 0)
        yield
    finally:
        association._reactor_checkpoint = usual
        ours.open()
