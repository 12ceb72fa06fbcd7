"""Taking an object in that is whole in a file of somebody else's already: linked, not copied.

For what arrived in pieces outside the spool (FORMAT.md, "Objects in files from elsewhere").
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.errors import GatewayError, NoRoom
from gateway.model import Instance, Origin, Priority
from gateway.spool.intake import PUT_PAGES, Intake
from gateway.spool.journal import Request
from gateway.spool.link_values import Transfer
from gateway.spool.object_file import Shop, failure_from
from gateway.spool.puts import Arrival, put
from gateway.spool.quota import Ledger, Promise
from gateway.spool.values import Stored

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
"""What a filesystem without hard links says: there the file moves instead."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An object whose bytes are in a synced DICOM file on the spool's own disk."""

    instance: Instance
    origin: Origin
    priority: Priority
    destinations: tuple[str, ...]
    digest: bytes  # of the data set
    size: int  # bytes of the data set
    data_offset: int  # where in the file it begins
    transfer: Transfer | None = None


class Room:
    """Room on the disk that is set aside for an object that is arriving in a file elsewhere."""

    def __init__(self, ledger: Ledger, priority: Priority, size: int) -> None:
        """Raises NoRoom."""
        self._ledger = ledger
        self._promise: Promise = ledger.open(priority, size)
        try:
            ledger.use_file(self._promise)
        except NoRoom:
            ledger.close(self._promise, 0)
            raise

    def wrote(self, count: int) -> None:
        """So many bytes are on the disk: its next answer knows of them. Any thread, one at a time."""
        self._promise.written += count

    def close(self, size: int = 0) -> None:
        """Give back what was not used; `size`: the object is in the spool now."""
        self._ledger.close(self._promise, size)


async def adopt(intake: Intake, path: Path, whole: Whole, room: Room) -> Stored:
    """Put the object into the journal with a file that has its bytes. See Spool.adopt."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Stored] = loop.create_future()

    def answer(stored: Stored | None, error: GatewayError | None) -> None:
        room.close(whole.size if stored is not None and stored.outcome != "duplicate" else 0)
        if future.done():
            return
        if stored is not None:
            future.set_result(stored)
        elif error is not None:
            future.set_exception(error)

    def link() -> None:
        try:
            number = _link(intake.shop, path)
        except OSError as error:
            intake.call_soon(partial(answer, None, failure_from(error)))
            return
        arrival = Arrival(
            whole.instance,
            whole.origin,
            whole.priority,
            whole.destinations,
            whole.digest,
            whole.size,
            intake.wall_clock(),
            file=number,
            data_offset=whole.data_offset,
            transfer=whole.transfer,
        )
        intake.journal.hand_in(Request(partial(put, arrival=arrival), answer, file=number, pages=PUT_PAGES))
        with contextlib.suppress(OSError):  # whoever needs a file next will find out, and is told
            intake.shop.store.top_up()

    intake.shop.workers.submit(link)
    return await future


def _link(shop: Shop, path: Path) -> int:
    """Give the file a name among the objects, durably; return its number. OSError."""
    number, descriptor = shop.store.take()
    shop.files.close(descriptor)
    target = shop.store.path(number)
    shop.files.remove(target)
    try:
        try:
            shop.files.link(path, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shop.files.rename(path, target)
        shop.files.sync_directory(target.parent)
    except OSError:
        with contextlib.suppress(OSError):  # no row names it: a leftover
            shop.store.remove(number)
        raise
    return number
