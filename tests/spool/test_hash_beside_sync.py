"""The hash is worked out while the disk syncs, and waited for."""

from __future__ import annotations

import hashlib
import threading

from gateway.spool.files import Files
from gateway.spool.workers import Task
from tests.support.spooling import OpenSpool, store

DATA = bytes(range(256)) * 16384  # 4 MiB: long enough to be missed when it is not waited for


class Synced(Files):
    def __init__(self) -> None:
        self.synced = threading.Event()

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.synced.set()


async def test_a_hash_that_is_slower_than_the_disk_is_waited_for(open_spool: OpenSpool) -> None:
    files = Synced()
    spool = open_spool(files=files)
    workers = spool._hash_workers
    submit = workers.submit

    def late(task: Task) -> None:
        submit(lambda: (files.synced.wait(10), task())[1])

    workers.submit = late  # type: ignore[method-assign]
    stored = await store(spool, DATA, 1)
    assert stored.digest == hashlib.sha256(DATA).digest()
