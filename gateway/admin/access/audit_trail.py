"""What happens here, told to the gateway's audit trail: at once when it answers, later when it does not.

An entry is on the disk before it is sent and is removed once the gateway has it durably, so it arrives at
least once. What waits is bounded; when there is no room the oldest entry gives way, and an entry of its own
says how many did. With a full disk entries live in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from time import time

from gateway.admin.access.store import Store, StoreFailure
from gateway.admin.gateway_client import GatewayClient
from gateway.audit.values import AuditEntry
from gateway.operator import codec
from gateway.operator.client import ApiProblem, DaemonUnreachable
from gateway.operator.sections.audit import AuditBatch, AuditTaken

MAX_KEPT = 2000
MAX_SENT = 40  # entries in one request
RETRY = (1.0, 2.0, 5.0, 15.0, 60.0)  # seconds between two attempts to reach the gateway

_LIMITS = {"who": 80, "what": 40, "subject": 120, "outcome": 120, "detail": 400, "address": 64}
_REFUSED = (400, 413, 422)  # the entry is at fault: sending it again cannot help

log = logging.getLogger(__name__)


class AuditTrail:
    """Keeps entries until the gateway has them."""

    def __init__(
        self,
        store: Store,
        gateway: GatewayClient,
        *,
        clock: Callable[[], float] = time,
        retry: tuple[float, ...] = RETRY,
        most: int = MAX_KEPT,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._clock = clock
        self._retry = retry
        self._most = most
        self._lost = 0
        self._wake = asyncio.Event()
        self._waiting: deque[tuple[int, AuditEntry]] = deque(self._kept())  # number on the disk (0: none)
        self._task = asyncio.create_task(self._forward(), name="audit")

    def __len__(self) -> int:
        return len(self._waiting)

    def waiting(self) -> list[tuple[int, AuditEntry]]:
        """Return what the gateway does not have yet, the oldest first: number on the disk, entry."""
        return list(self._waiting)

    async def add(
        self,
        who: str,
        what: str,
        *,
        subject: str = "",
        outcome: str = "done",
        detail: str = "",
        address: str = "",
    ) -> None:
        """Take an entry. When this returns it survives the end of the page, unless the disk is full."""
        texts = {"who": who, "what": what, "subject": subject, "outcome": outcome, "detail": detail}
        fields = {name: _fit(text, _LIMITS[name]) for name, text in {**texts, "address": address}.items()}
        entry = AuditEntry(at=self._clock(), **fields)
        if len(self._waiting) >= self._most:
            await self._give_way()
        self._waiting.append((await self._keep(entry), entry))
        self._wake.set()

    async def close(self) -> None:
        """Stop forwarding; what waits stays on the disk."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _forward(self) -> None:
        failures = 0
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            batch = [self._waiting[place] for place in range(min(MAX_SENT, len(self._waiting)))]
            try:
                await self._send([entry for _, entry in batch])
            except (DaemonUnreachable, ApiProblem) as error:
                log.info("%d audit entries wait for the gateway: %s", len(self._waiting), error)
                await asyncio.sleep(self._retry[min(failures, len(self._retry) - 1)])
                failures += 1
                continue
            failures = 0
            await self._done(batch)

    async def _send(self, entries: list[AuditEntry]) -> None:
        """Send entries. When they are refused, one by one: those that are at fault are given up."""
        try:
            await self._gateway.post(AuditTaken, "/v1/audit", AuditBatch(tuple(entries)))
        except ApiProblem as error:
            if error.details.status not in _REFUSED:
                raise
            if len(entries) == 1:
                log.error("the gateway refuses an audit entry (%s): %s", entries[0].what, error)  # noqa: TRY400
                return
            for entry in entries:
                await self._send([entry])

    async def _done(self, batch: list[tuple[int, AuditEntry]]) -> None:
        for one in batch:
            with contextlib.suppress(ValueError):  # it had to give way meanwhile
                self._waiting.remove(one)
        if self._lost:
            lost, self._lost = self._lost, 0
            await self.add("page", "audit-lost", outcome="lost", detail=f"{lost} entries found no room")
        await self._forget([number for number, _ in batch])

    async def _give_way(self) -> None:
        number, _ = self._waiting.popleft()
        self._lost += 1
        await self._forget([number])

    async def _keep(self, entry: AuditEntry) -> int:
        text = json.dumps(asdict(entry))

        def work(db: sqlite3.Connection) -> int:
            return db.execute("INSERT INTO audit (entry) VALUES (?)", (text,)).lastrowid or 0

        try:
            return await self._store.write(work)
        except StoreFailure as error:
            log.warning("an audit entry is kept in memory only: %s", error)
            return 0

    async def _forget(self, numbers: list[int]) -> None:
        rows = [(number,) for number in numbers if number]
        with contextlib.suppress(StoreFailure):  # then it is sent twice after a restart
            await self._store.write(lambda db: db.executemany("DELETE FROM audit WHERE number = ?", rows))

    def _kept(self) -> list[tuple[int, AuditEntry]]:
        """Return what an earlier run left on the disk."""
        rows = self._store.read(
            lambda db: db.execute("SELECT number, entry FROM audit ORDER BY number").fetchall()
        )
        kept = []
        for number, text in rows[-self._most :]:
            with contextlib.suppress(ValueError):
                kept.append((number, codec.decode(AuditEntry, json.loads(text))))
        return kept


def _fit(text: str, most: int) -> str:
    """Return one line of printable characters, `most` at most."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:most])
