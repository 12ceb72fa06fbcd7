"""The filesystem's own process: `python -m tests.durability.fuse.server MOUNTPOINT CONTROL_SOCKET ...`.

It says "ready" on standard output once the control socket listens. It ends when it is told so, and when the
process that started it has died; in both cases nothing stays mounted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import sys
import threading
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from random import Random

# Before mfusepy is imported: it would take libfuse 2 where both are installed.
os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")

import mfusepy

from tests.durability.disk.disk import Disk
from tests.durability.fuse.filesystem import ForgettingFilesystem
from tests.durability.fuse.mounts import unmount
from tests.durability.fuse.rules import Rules
from tests.durability.fuse.steering import Steering

_LONG = 3600.0  # seconds for which the kernel may keep names and attributes: nobody else changes them


def _serve(steering: Steering, connection: Connection) -> None:
    """Answer one client until it goes."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            name, arguments = connection.recv()
            try:
                answer = (True, getattr(steering, name)(*arguments))
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked
                answer = (False, error)
            connection.send(answer)


def _listen(listener: Listener, steering: Steering) -> None:
    while True:
        try:
            connection = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(steering, connection), daemon=True).start()


def _follow(parent: int, steering: Steering) -> None:
    """End when the process that started us has died, whoever may still have its sockets."""
    try:
        descriptor = os.pidfd_open(parent)
    except ProcessLookupError:
        steering.end()
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll()
    steering.end()


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mountpoint", type=Path)
    parser.add_argument("control", type=Path)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--capacity", type=int, required=True)
    parser.add_argument("--inodes", type=int, required=True)
    parser.add_argument("--uncached", action="store_true")
    options = parser.parse_args()
    os.setsid()  # an interrupt from the keyboard is for the tests: they unmount
    rules = Rules(Random(options.seed + 1))
    filesystem = ForgettingFilesystem(Disk(), rules, options.capacity, options.inodes)
    steering = Steering(filesystem, options.mountpoint, options.seed)
    listener = Listener(str(options.control), "AF_UNIX", backlog=16)
    threading.Thread(target=_follow, args=(options.parent, steering), daemon=True).start()
    threading.Thread(target=_listen, args=(listener, steering), daemon=True).start()
    patience = 0.0 if options.uncached else _LONG
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    steering.power.set()
    try:
        while True:
            steering.power.wait()
            steering.power.clear()
            if steering.ending:
                return
            # Returns when it was unmounted.
            mfusepy.FUSE(
                filesystem,
                str(options.mountpoint),
                foreground=True,
                nothreads=True,
                fsname="forgetting",
                hard_remove=True,
                use_ino=True,
                attr_timeout=patience,
                entry_timeout=patience,
                negative_timeout=patience,
            )
    finally:
        unmount(options.mountpoint)


if __name__ == "__main__":
    _main()
