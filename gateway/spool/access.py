"""How the methods of the spool reach the journal: changes through its writer, questions beside it."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from gateway.errors import NoRoom, SpoolFailure
from gateway.model import Priority
from gateway.spool.age_clock import AgeClock
from gateway.spool.journal import Journal
from gateway.spool.loop_side import LoopSide
from gateway.spool.quota import Ledger
from gateway.spool.reader import Reader, in_thread
from gateway.spool.transaction import Transaction
from gateway.spool.values import SpoolLimits
from gateway.spool.workers import Workers

T = TypeVar("T")


class Access(ABC):
    """The parts that the methods share; `Spool` sets them up. For the event loop thread."""

    _journal: Journal
    _reader: Reader
    _read_workers: Workers
    _side: LoopSide
    _ledger: Ledger
    _limits: SpoolLimits
    _wall_clock: Callable[[], float]
    _age_clock: AgeClock
    _comparisons: Sequence[int]
    _closed: bool

    @abstractmethod
    def _compare(self, numbers: Sequence[int]) -> None:
        """Take up comparisons that an earlier life left open."""

    def _bind(self) -> None:
        if self._side.bind() and self._comparisons:
            self._compare(self._comparisons)

    async def _submit(self, work: Callable[[Transaction], T], *, durable: bool = True, pages: int = 8) -> T:
        self._bind()
        if self._closed:
            raise SpoolFailure("the spool is closed")
        return await self._journal.submit(work, durable=durable, pages=pages)

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        self._bind()
        if self._closed:
            raise SpoolFailure("the spool is closed")
        return await in_thread(partial(self._reader.ask, question), self._read_workers.submit)

    def _check_room(self, size: int) -> None:
        """Raise NoRoom when a row of about `size` bytes would take what is kept for settling deliveries."""
        if size > self._ledger.room(Priority.RECORD):
            raise NoRoom("the disk of the spool has no room for it")
