"""Boxes side by side at one centre, each cut so many times, and then the account."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.durability.campaign import Tally
from tests.durability.power_cuts.box import Box
from tests.support.receiver import Receiver

# What is done with a box: its lives and cuts, until it is to be drained.
Fate = Callable[[Box], None]


def lives(count: int, over: Callable[[], bool] = lambda: False) -> Fate:
    """It lives and is cut so many times, or until it is over."""

    def fate(box: Box) -> None:
        for _ in range(count):
            if over():
                return
            box.live_and_cut()

    return fate


def lives_and_starts(count: int, over: Callable[[], bool]) -> Fate:
    """The same, and every third time the starts that follow are cut, too."""

    def fate(box: Box) -> None:
        for life in range(count):
            if over():
                return
            box.live_and_cut()
            if life % 3 == 2:
                for _ in range(3):
                    box.cut_during_start()
                box.launch_if_down()

    return fate


def side_by_side(folder: Path, seeds: Sequence[int], fate: Fate, history: str) -> Tally:
    """Give a box of each seed that fate, drain it, and compare with what arrived. Failure, or the counts."""
    boxes: list[Box] = []
    failures: list[BaseException] = []
    begun = threading.Lock()

    def run(seed: int) -> None:
        try:
            with Box(folder / str(seed), centre.port, seed=seed) as box:
                with begun:
                    boxes.append(box)
                fate(box)
                box.drain()
                box.check(centre, history)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for us
            failures.append(error)

    with Receiver() as centre:
        threads = [threading.Thread(target=run, args=(seed,), name=f"box {seed}") for seed in seeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for failure in failures:
        raise failure
    tally = Tally()
    for box in boxes:
        tally += box.tally
    return tally
