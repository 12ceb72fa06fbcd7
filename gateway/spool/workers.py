"""A few threads for what blocks on object files. Tasks start in the order they came."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Task = Callable[[], None]


class Workers:
    """Threads that run tasks; started when there is something to do, ended by `close`.

    A task must not raise: what it meets it reports to whoever waits for it. One that does raise is a defect,
    handed to `defect` (which ends the process); the thread goes on so that nobody waits for ever.
    """

    def __init__(self, count: int, name: str, defect: Callable[[BaseException], None]) -> None:
        self._count = count
        self._name = name
        self._defect = defect
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._idle = 0
        self._closed = False

    def submit(self, task: Task) -> None:
        """Have `task` run soon; never blocks (after `close`: run it here and now)."""
        if self._closed:
            task()
            return
        self._queue.put(task)
        if len(self._threads) < self._count and self._idle < self._queue.qsize():
            self._start_one()

    def _start_one(self) -> None:
        with self._lock:
            if len(self._threads) >= self._count or self._closed:
                return
            thread = threading.Thread(
                target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while True:
            self._idle += 1  # an estimate: it only decides whether another thread is worth while
            task = self._queue.get()
            self._idle -= 1
            if task is None:
                return
            try:
                task()
            except BaseException as error:  # noqa: BLE001 - handed on, ends the process
                self._defect(error)

    def close(self) -> None:
        """Run what is queued, then end. Blocks."""
        with self._lock:
            self._closed = True
            threads = list(self._threads)
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join()
        while not self._queue.empty():  # queued while the threads were ending
            task = self._queue.get_nowait()
            if task is not None:
                task()
