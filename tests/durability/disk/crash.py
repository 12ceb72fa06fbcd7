"""Which states a power cut may leave: all of them where there are few, well chosen ones where there are many.

Two policies. WEAK is all that disk.py allows. ORDERED is what ext4 and f2fs do in their usual modes: changes
of names survive in the order in which they were made, syncing a file carries its name along, and what a file
has grown by without being written is zeros. Every state of ORDERED is one of WEAK.

`noise` are files of which nothing depends (SQLite's shared memory): one choice by chance, none by design.
"""

from __future__ import annotations

import enum
import itertools
import math
import random
from collections.abc import Callable, Collection, Iterator
from functools import partial

from tests.durability.disk.content import SECTOR
from tests.durability.disk.disk import Choice, Disk
from tests.durability.disk.nodes import File

FEW = 6
"""Changes of names of which all sets are written down."""


class Policy(enum.Enum):
    """How little the filesystem promises."""

    WEAK = "weak"
    ORDERED = "ordered"


class Space:
    """Everything that is open about a disk: changes of names, versions of sectors, sizes, stale bytes."""

    def __init__(
        self, disk: Disk, policy: Policy, dice: random.Random, noise: Collection[int] = frozenset()
    ) -> None:
        self._policy = policy
        self._dice = dice
        changes, files = disk.pending
        self.files = {inode: file for inode, file in files.items() if inode not in noise}
        self._noise = {inode: file for inode, file in files.items() if inode in noise}
        self.sectors = [
            (inode, sector) for inode, file in self.files.items() for sector in sorted(file.versions)
        ]
        self.numbers = [change.number for change in changes]
        self.names = self._name_sets(disk.floor)
        self.kinds_of_stale: list[int | None] = [None]
        if policy is Policy.WEAK and any(map(_can_be_stale, self.files.values())):
            self.kinds_of_stale += [2, 1]

    def _name_sets(self, floor: int) -> list[frozenset[int]] | None:
        """Return which sets of changes may survive, or None when there are too many to write down."""
        if self._policy is Policy.ORDERED:
            sure = [number for number in self.numbers if number <= floor]
            rest = [number for number in self.numbers if number > floor]
            return [frozenset(sure + rest[:kept]) for kept in range(len(rest) + 1)]
        if len(self.numbers) > FEW:
            return None
        return [
            frozenset(some)
            for kept in range(len(self.numbers) + 1)
            for some in itertools.combinations(self.numbers, kept)
        ]

    def size(self) -> int:
        """How many choices there are, those of noise apart."""
        names = 2 ** len(self.numbers) if self.names is None else len(self.names)
        versions = math.prod(len(self.files[inode].versions[sector]) + 1 for inode, sector in self.sectors)
        sizes = math.prod((len(file.sizes) + 1) * (file.cuts + 1) for file in self.files.values())
        return names * versions * sizes * len(self.kinds_of_stale)

    # one choice

    def _choice(
        self,
        names: frozenset[int],
        sectors: dict[tuple[int, int], int],
        sizes: dict[int, int],
        stale: int | None = None,
        cuts: dict[int, int] | None = None,
    ) -> Choice:
        """`cuts` None: as many as the size that was chosen goes with."""
        chosen: dict[int, dict[int, int]] = {}
        for (inode, sector), version in sectors.items():
            if version:
                chosen.setdefault(inode, {})[sector] = version
        if cuts is None:
            cuts = {inode: self.files[inode].sizes[size - 1][1] for inode, size in sizes.items() if size}
        sizes = {inode: size for inode, size in sizes.items() if size}
        for inode, file in self._noise.items():
            chosen[inode] = {
                sector: self._dice.randint(0, len(some)) for sector, some in file.versions.items()
            }
            sizes[inode] = self._dice.randint(0, len(file.sizes))
            cuts[inode] = self._dice.randint(0, file.cuts)
        return Choice(names, chosen, sizes, cuts, stale, self._policy is Policy.ORDERED)

    def _newest(self, one: tuple[int, int]) -> int:
        return len(self.files[one[0]].versions[one[1]])

    def _all_names(self) -> frozenset[int]:
        return frozenset(self.numbers) if self.names is None else self.names[-1]

    def _no_names(self) -> frozenset[int]:
        return frozenset() if self.names is None else self.names[0]

    def _some_names(self) -> frozenset[int]:
        if self.names is not None:
            return self._dice.choice(self.names)
        share = self._dice.choice((0.1, 0.5, 0.9))
        return frozenset(number for number in self.numbers if self._dice.random() < share)

    # many

    def every(self) -> Iterator[Choice]:
        """Yield every choice there is. Only for small spaces: see `size`."""
        names = self.names
        if names is None:
            names = [
                frozenset(some)
                for kept in range(len(self.numbers) + 1)
                for some in itertools.combinations(self.numbers, kept)
            ]
        inodes = list(self.files)
        versions = itertools.product(*(range(self._newest(one) + 1) for one in self.sectors))
        sizes = itertools.product(*(range(len(self.files[inode].sizes) + 1) for inode in inodes))
        cuts = itertools.product(*(range(self.files[inode].cuts + 1) for inode in inodes))
        whole = itertools.product(names, versions, sizes, cuts, self.kinds_of_stale)
        for some, which, long, cut, stale in whole:
            sectors = dict(zip(self.sectors, which, strict=True))
            long_ones, cut_ones = dict(zip(inodes, long, strict=True)), dict(zip(inodes, cut, strict=True))
            yield self._choice(some, sectors, long_ones, stale, cut_ones)

    def corners(self) -> list[Callable[[], Choice]]:
        """Return what a person would try: nothing, everything, torn at each sector, each one missing.

        As recipes: a space with thousands of sectors has as many, and only some are carried out.
        """
        every, none = self._all_names(), self._no_names()
        newest, grown = self._newest_of(self.sectors), {i: len(file.sizes) for i, file in self.files.items()}
        made: list[Callable[[], Choice]] = []
        for stale in self.kinds_of_stale:
            for names, sectors, sizes in (
                (none, {}, {}),
                (every, newest, grown),
                (every, {}, grown),
                (every, {}, {}),
                (none, newest, grown),
                (every, newest, {}),
            ):
                made.append(partial(self._choice, names, sectors, sizes, stale))
        for names in self._telling_names():
            made.append(partial(self._choice, names, newest, grown))
            made.append(partial(self._choice, names, {}, grown))
            # A file that was cut short, and perhaps removed, comes back as it was.
            made += [partial(self._uncut, names, inode) for inode, file in self.files.items() if file.cuts]
        for inode in self.files:  # one file ahead of the others, or behind them
            own = [one for one in self.sectors if one[0] == inode]
            rest = [one for one in self.sectors if one[0] != inode]
            made.append(partial(self._choice, every, self._newest_of(own), grown))
            made.append(partial(self._choice, every, self._newest_of(rest), {**grown, inode: 0}))
        for place, one in enumerate(self.sectors):
            for stale in self.kinds_of_stale:
                made.append(partial(self._torn, place, stale))
            if self.files[one[0]].cuts:
                made.append(partial(self._torn_over, place))
            for version in range(newest[one]):
                made.append(partial(self._differing, one, version))
                if self.files[one[0]].cuts:
                    made.append(partial(self._differing, one, version, cuts={}))
        return made

    def _telling_names(self) -> list[frozenset[int]]:
        """Return all sets of changes where they are few; else each alone, each missing, all up to each."""
        if self.names is not None:
            return self.names
        every = frozenset(self.numbers)
        alone = [frozenset({number}) for number in self.numbers]
        up_to = [frozenset(self.numbers[:kept]) for kept in range(len(self.numbers))]
        return [*alone, *(every - one for one in alone), *up_to]

    def _uncut(self, names: frozenset[int], inode: int) -> Choice:
        """Everything is there, but one file is as it was before it was cut short."""
        newest = self._newest_of([one for one in self.sectors if one[0] != inode])
        grown = {other: len(file.sizes) for other, file in self.files.items() if other != inode}
        cuts = {other: file.cuts for other, file in self.files.items() if other != inode}
        return self._choice(names, newest, grown, cuts=cuts)

    def _newest_of(self, sectors: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
        return {one: self._newest(one) for one in sectors}

    def _torn(self, place: int, stale: int | None) -> Choice:
        """Everything before a sector is there, nothing from it on."""
        grown = {inode: len(file.sizes) for inode, file in self.files.items()}
        return self._choice(self._all_names(), self._newest_of(self.sectors[:place]), grown, stale)

    def _torn_over(self, place: int) -> Choice:
        """Nothing before a sector is there, everything from it on; no file was cut short."""
        return self._choice(self._all_names(), self._newest_of(self.sectors[place:]), {}, cuts={})

    def _differing(self, one: tuple[int, int], version: int, cuts: dict[int, int] | None = None) -> Choice:
        """Everything is there but one sector, which is as it was before."""
        grown = {inode: len(file.sizes) for inode, file in self.files.items()}
        sectors = {**self._newest_of(self.sectors), one: version}
        return self._choice(self._all_names(), sectors, grown, cuts=None if cuts is None else dict(cuts))

    def by_chance(self) -> Choice:
        """Return one choice drawn by chance: few sectors missing, few there, in order, or half and half."""
        dice = self._dice
        sectors: dict[tuple[int, int], int] = {}
        sizes: dict[int, int] = {}
        for inode, file in self.files.items():
            share = dice.choice((0.0, 0.02, 0.5, 0.98, 1.0))
            end = dice.choice((None, dice.random()))
            places = sorted(file.versions, reverse=dice.random() < 0.3)
            for place, sector in enumerate(places):
                if (end is None or place < end * len(places)) and dice.random() < share:
                    newest = len(file.versions[sector])
                    sectors[inode, sector] = newest if dice.random() < 0.7 else dice.randint(1, newest)
            sizes[inode] = len(file.sizes) if dice.random() < 0.6 else dice.randint(0, len(file.sizes))
        cuts = {inode: dice.randint(0, file.cuts) for inode, file in self.files.items()}
        if dice.random() < 0.5:
            cuts = {inode: file.cuts for inode, file in self.files.items()}
        return self._choice(self._some_names(), sectors, sizes, dice.choice(self.kinds_of_stale), cuts)


def _can_be_stale(file: File) -> bool:
    longest = max([file.durable.size, *(size for size, _ in file.sizes)])
    return any(file.durable.size <= sector * SECTOR < longest for sector in file.versions)


def choose(
    disk: Disk, dice: random.Random, policy: Policy = Policy.WEAK, noise: Collection[int] = frozenset()
) -> Choice:
    """Draw one choice."""
    return Space(disk, policy, dice, noise).by_chance()


def choices(
    disk: Disk,
    dice: random.Random,
    policy: Policy = Policy.WEAK,
    limit: int = 256,
    noise: Collection[int] = frozenset(),
) -> tuple[bool, list[Choice]]:
    """Return up to `limit` choices, and whether these are all there are.

    Where there are more, two thirds are corners (all of them if they fit), the rest is drawn by chance.
    """
    space = Space(disk, policy, dice, noise)
    if space.size() <= limit:
        return True, list(space.every())
    recipes = space.corners()
    most = max(6, limit * 2 // 3)
    if len(recipes) > most:
        # The first ones are nothing and everything; the others take turns.
        recipes = recipes[:6] + dice.sample(recipes[6:], most - 6)
    chosen = [recipe() for recipe in recipes]
    return False, chosen + [space.by_chance() for _ in range(limit - len(chosen))]
