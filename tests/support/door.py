"""A listener on loopback with real services and a spool in memory, and every unexpected error noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.listener import Listener, ListenerLimits, ListenerSettings
from gateway.model import AETitle, Route, TlsMaterial
from gateway.notices import Notices
from gateway.routing import RoutingTable
from gateway.services.registry import ServiceRegistry
from gateway.services.storage import Receiving, StorageService
from gateway.services.verification import VerificationService
from gateway.spool import Spool
from tests.support.fake_spool import FakeSpool
from tests.support.notice_log import NoticeLog

OWN_TITLE = AETitle("CLINIC07")
ROUTES = (
    Route(called=AETitle("ARIA"), to=("oncology",)),
    Route(called=AETitle("PACS"), to=("pacs", "archive"), calling=frozenset({AETitle("LINAC1")})),
    Route(called=AETitle("LATER"), to=("oncology",), mode="relay"),
)


class Knowledge:
    """What is known of destinations: nothing, unless the test says so."""

    def __init__(self, accepted: Mapping[str, frozenset[str]] | None = None) -> None:
        self.accepted = dict(accepted or {})

    def accepted_by(self, destination: str, sop_class_uid: str) -> frozenset[str] | None:
        """Return what the test said about a destination, for every SOP class."""
        return self.accepted.get(destination)


@dataclass
class Door:
    """An open listener with what stands behind it."""

    listener: Listener
    log: NoticeLog
    spool: FakeSpool
    known: Knowledge
    errors: list[dict[str, Any]]  # what reached the event loop's exception handler

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.listener.port


@asynccontextmanager
async def open_door(
    *,
    tls: TlsMaterial | None = None,
    limits: ListenerLimits | None = None,
    routes: Sequence[Route] = ROUTES,
    allow: tuple[Any, ...] = (),
    max_operations: int = 16,
    expect_errors: bool = False,
    real: Callable[[Notices], Spool] | None = None,
) -> AsyncIterator[Door]:
    """Listen on a free port of 127.0.0.1; at the end everything is closed and nothing may have gone wrong.

    With `real` objects go to the spool that it opens, and not to the one in memory.
    """
    errors: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    log, spool, known = NoticeLog(), FakeSpool(), Knowledge()
    kept_in: Receiving = real(log.notices) if real else spool
    services = ServiceRegistry(
        RoutingTable(routes, OWN_TITLE),
        [VerificationService(), StorageService(kept_in, known, notices=log.notices)],
        max_operations=max_operations,
    )
    settings = ListenerSettings("console", "127.0.0.1", 0, allow, tls)
    listener = Listener(settings, services, notices=log.notices, limits=limits)
    await listener.start()
    try:
        yield Door(listener, log, spool, known, errors)
    finally:
        await listener.close(grace=1)
        loop.set_exception_handler(None)
    assert expect_errors or not errors, errors
