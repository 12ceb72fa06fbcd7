"""One spool, filled once; each wound on a copy of it."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from gateway.spool import recovery
from tests.durability.campaign import Tally
from tests.durability.damage.filled import Account, fill
from tests.durability.damage.judge import judge
from tests.durability.damage.wounds import Wound, at_random, every_page, hands_and_cuts

_MEMORY = Path("/dev/shm")
STATES = ("closed", "killed")


class Ward:
    """A spool as it was closed, one as it was killed, and room for copies of them."""

    def __init__(self, folder: Path, objects: int) -> None:
        self._folder = folder
        self.account: Account = fill(folder / "closed", folder / "killed", objects)

    def spool(self, state: str) -> Path:
        """The spool in one of the STATES; not to be changed."""
        return self._folder / state

    def judge(self, state: str, wound: Wound, seed: int) -> Tally:
        """Inflict the wound on a copy, and judge what comes of it. The copy stays when that fails."""
        copy = self._folder / "copy"
        shutil.copytree(self.spool(state), copy)
        wound.inflict(copy)
        tally = judge(
            copy,
            self.account,
            spares_files=wound.spares_files,
            history=f"{state}: {wound.name}",
            seed=seed,
        )
        shutil.rmtree(copy)
        return tally


@contextmanager
def ward(objects: int) -> Iterator[Ward]:
    """A ward in memory where there is room for that; gone at the end, unless something failed."""
    ready, recovery.WAL_READY = recovery.WAL_READY, 4 << 20  # room for all of its life, and fast
    folder = Path(tempfile.mkdtemp(dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        yield Ward(folder, objects)
        shutil.rmtree(folder)
    finally:
        recovery.WAL_READY = ready


def whole_files(ward: Ward) -> Tally:
    """Every wound of whole files, on both spools."""
    tally = Tally()
    for state in STATES:
        for wound in hands_and_cuts():
            tally += ward.judge(state, wound, 0)
    return tally


def pages(ward: Ward, seed: int, over: Callable[[], bool] = lambda: False, every: int = 1) -> Tally:
    """A bit in every page and frame (or each `every`th), on both spools."""
    tally = Tally()
    for state in STATES:
        for wound in islice(every_page(ward.spool(state), random.Random(seed)), seed % every, None, every):
            if over():
                return tally
            tally += ward.judge(state, wound, seed)
    return tally


def anything(ward: Ward, seed: int) -> Tally:
    """One spool, damaged at random."""
    rng = random.Random(seed)
    state = rng.choice(STATES)
    return ward.judge(state, at_random(ward.spool(state), rng), seed)
