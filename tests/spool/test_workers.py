"""Threads for what blocks."""

from __future__ import annotations

import threading

from gateway.spool.workers import Workers


def test_tasks_run_side_by_side_up_to_the_count() -> None:
    defects: list[BaseException] = []
    workers = Workers(3, "test", defects.append)
    together = threading.Barrier(3, timeout=20)
    names: set[str] = set()

    def task() -> None:
        together.wait()
        names.add(threading.current_thread().name)

    for _ in range(6):
        workers.submit(task)
    workers.close()
    assert len(names) == 3
    assert defects == []


def test_no_thread_before_there_is_work() -> None:
    before = threading.active_count()
    workers = Workers(3, "test", lambda error: None)
    assert threading.active_count() == before
    workers.close()


def test_close_runs_what_is_queued_and_what_comes_after() -> None:
    done: list[int] = []
    workers = Workers(1, "test", lambda error: None)
    for number in range(100):
        workers.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    workers.close()
    assert done == list(range(100))
    workers.submit(lambda: done.append(100))
    assert done[-1] == 100


def test_a_defect_is_handed_on_and_the_others_go_on() -> None:
    defects: list[BaseException] = []
    done = threading.Event()
    workers = Workers(1, "test", defects.append)

    def defective() -> None:
        raise ZeroDivisionError

    workers.submit(defective)
    workers.submit(done.set)
    assert done.wait(20)
    workers.close()
    assert [type(one) for one in defects] == [ZeroDivisionError]
