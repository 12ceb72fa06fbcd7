"""The process between the two ends of a link: python -m gateway.demo.lab.wire OPTIONS (JSON).

It owns both network namespaces (nobody else names them, so the kernel clears them away with the last
process in them) and carries IPv4 packets between their TUN devices. It obeys lines of JSON on its standard
input, answers each with one on its standard output, and ends with its input, or after `lifetime` seconds.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from dataclasses import asdict
from typing import Any

from gateway.demo.lab.namespaces import MTU, allowed, new_end
from gateway.demo.lab.profiles import Profile
from gateway.demo.lab.way import Way

_AT_ONCE = 64  # packets; then the other way has its turn
_LINE = 1 << 16  # bytes asked at once


class Wire:
    """Both ways, and the devices at their ends: what enters at `near` leaves at `far`, and the other way."""

    def __init__(self, profile: Profile, seed: int, near: int, far: int) -> None:
        now = time.monotonic()
        both: dict[str, Any] = {"gap": profile.gap, "outages": profile.outages, "begins": now}
        self._up = Way(profile.up, seed=f"{seed} up", **both)
        self._down = Way(profile.down, seed=f"{seed} down", **both)
        self._ends = {near: (self._up, far), far: (self._down, near)}

    def carry(self) -> None:
        """Carry until standard input ends."""
        asked = b""
        while True:
            due = [way.next_at for way in (self._up, self._down) if way.next_at is not None]
            wait = max(0.0, min(due) - time.monotonic()) if due else None
            readable = select.select([*self._ends, 0], [], [], wait)[0]
            if 0 in readable:
                piece = os.read(0, _LINE)
                if not piece:
                    return
                *lines, asked = (asked + piece).split(b"\n")
                for line in lines:
                    sys.stdout.write(json.dumps(self._obey(json.loads(line))) + "\n")
                    sys.stdout.flush()
            for source, (way, target) in self._ends.items():
                if source in readable:
                    _take_all(source, way)
                for packet in way.arrived(time.monotonic()):
                    os.write(target, packet)

    def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        now = time.monotonic()
        ways = (self._up, self._down)
        match order["do"]:
            case "cut":
                for way in ways:
                    way.cut(now)
            case "restore":
                for way in ways:
                    way.restore()
            case "restart":
                for way in ways:
                    way.restart(now)
            case "reshape":
                profile = Profile.of(order["profile"])
                self._up.reshape(profile.up, profile.gap, profile.outages)
                self._down.reshape(profile.down, profile.gap, profile.outages)
            case "counts":
                return {"up": asdict(self._up.counts), "down": asdict(self._down.counts)}
            case other:
                raise ValueError(f"unknown order {other!r}")
        return {"done": order["do"]}


def _take_all(source: int, way: Way) -> None:
    for _ in range(_AT_ONCE):
        try:
            packet = os.read(source, MTU)
        except BlockingIOError:
            return
        if packet[0] >> 4 == 4:  # IPv6 neighbours call, and nobody wants to hear that here
            way.take(packet, time.monotonic())


def main() -> None:
    """Make the link, say where its ends are, and carry."""
    options = json.loads(sys.argv[1])
    if options["lifetime"] is not None:
        signal.alarm(options["lifetime"])  # whatever happens, the default action ends this process then
    near, far = options["addresses"]
    with allowed(options["congestion"]):
        near_namespace, near_tun = new_end(near, far, options["congestion"])
        far_namespace, far_tun = new_end(far, near, options["congestion"])
    wire = Wire(Profile.of(options["profile"]), options["seed"], near_tun, far_tun)
    sys.stdout.write(json.dumps({"namespaces": [near_namespace, far_namespace]}) + "\n")
    sys.stdout.flush()
    wire.carry()


if __name__ == "__main__":
    main()
