from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

from gateway.admin.diagnosis.machine import MachineWatch
from gateway.admin.diagnosis.shelf import Shelf
from gateway.health import report
from gateway.support.bundle import Part, pack


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


BUNDLE = pack("clinic", 0.0, [Part("a.txt", "", "x")])


def test_a_bundle_is_for_whoever_made_it() -> None:
    shelf = Shelf()
    name = shelf.put(BUNDLE, "anna")
    assert shelf.get(name, "anna") is BUNDLE
    assert shelf.get(name, "bob") is None
    assert shelf.get("0" * 16, "anna") is None


def test_a_bundle_is_forgotten_after_half_an_hour() -> None:
    clock = Clock()
    shelf = Shelf(clock)
    name = shelf.put(BUNDLE, "anna")
    clock.now = 1799
    assert shelf.get(name, "anna") is BUNDLE
    clock.now = 1801
    assert shelf.get(name, "anna") is None


def test_few_are_kept_and_one_for_each() -> None:
    shelf = Shelf()
    first = shelf.put(BUNDLE, "anna")
    again = shelf.put(BUNDLE, "anna")
    assert shelf.get(first, "anna") is None
    others = [shelf.put(BUNDLE, f"user {number}") for number in range(4)]
    assert shelf.get(again, "anna") is None
    assert all(shelf.get(name, f"user {number}") for number, name in enumerate(others))


async def test_many_who_look_share_one_reading() -> None:
    clock, readings, gate = Clock(), 0, threading.Event()
    real = report.read([Path("/")])

    def read(_folders: Sequence[Path]) -> report.MachineReport:
        nonlocal readings
        readings += 1
        gate.wait(10)
        return real

    watch = MachineWatch(read, clock)
    looking = [asyncio.create_task(watch.report([Path("/")])) for _ in range(10)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*looking)
    assert readings == 1
    clock.now = 3.0
    await watch.report([Path("/")])
    assert readings == 1
    await watch.report([Path("/"), Path("/tmp")])
    assert readings == 2
    clock.now = 8.0
    await watch.report([Path("/"), Path("/tmp")])
    assert readings == 3
