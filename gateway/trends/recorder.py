"""All peers: listens to what happens, closes a minute each minute, and saves now and then.

Between those moments it costs nothing. What it cannot save is tried again with the next save; what it cannot
read at the start is left out. Nobody depends on it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.model import Peer
from gateway.notices import AssociationClosed, DeliverySettled, LinkChanged, LinkLost, Notice, Notices
from gateway.reachability import Reachabilities
from gateway.trends import ledger
from gateway.trends.history import MINUTE, History
from gateway.trends.meter import Carried, Meter, Owners
from gateway.trends.ring import SUFFIX, Ring, RingFile
from gateway.trends.state import DeliveryView, standing

_log = logging.getLogger(__name__)

SAVE_EVERY: Final = 10
"""Minutes between saves: a compromise between what a power cut costs and what flash memory bears."""


class Recorder:
    """The histories of all peers. Belongs to one event loop."""

    def __init__(
        self,
        peers: Mapping[str, Peer],
        notices: Notices,
        reachabilities: Reachabilities,
        delivery: Callable[[], Sequence[DeliveryView]],
        folder: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] | None = None,
    ) -> None:
        """`delivery` tells how every destination stands now; `folder` is made when it is not there."""
        self._notices = notices
        self._reachabilities = reachabilities
        self._delivery = delivery
        self._folder = folder
        self._clock = clock
        self._wall_clock = wall_clock
        self._call_later = call_later
        self._meter = Meter(notices.open_associations, Owners(peers.values()))
        self._histories: dict[str, History] = {}
        # A link has a history of its own: of the bytes of all peers that are reached through it.
        links = [peer.via for peer in peers.values() if peer.via]
        self._names = tuple(dict.fromkeys((*peers, *links)))
        self._timer: asyncio.TimerHandle | None = None
        self._next_tick = 0.0
        self._ticks = 0
        self._forget: list[Callable[[], None]] = []
        self._saving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what is there, and begin."""
        found = await asyncio.to_thread(self._load)
        now, at = self._clock(), self._wall_clock()
        entries, saved_at = found[1]
        for name in self._names:
            self._histories[name] = History(
                name, now, at, rings=found[0].get(name), entry=entries.get(name), saved_at=saved_at
            )
        self._forget = [
            self._notices.subscribe(self._noticed),
            self._reachabilities.subscribe(lambda peer, _up, _reason: self._look(peer)),
            self._reachabilities.subscribe_measured(self._measured),
        ]
        self._next_tick = now + MINUTE
        self._set_timer()

    async def close(self) -> None:
        """End, and save."""
        for forget in self._forget:
            forget()
        self._forget = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._saving is not None:
            await asyncio.wait((self._saving,))
        self._read_meters()
        now, at = self._clock(), self._wall_clock()
        for history in self._histories.values():
            history.end(now, at)
        await self.save()

    # --- what is shown -------------------------------------------------------------------------------

    def history(self, peer: str) -> History | None:
        """Return the history of a peer, brought up to this moment."""
        history = self._histories.get(peer)
        if history is not None:
            self._read_meters()
            self._look(peer)
        return history

    def all(self) -> list[History]:
        """Return all histories in the order of the configuration, brought up to this moment."""
        self._read_meters()
        deliveries = {one.name: one for one in self._delivery()}
        for name in self._histories:
            self._judge(name, deliveries.get(name))
        return list(self._histories.values())

    # --- what happens --------------------------------------------------------------------------------

    def _noticed(self, notice: Notice) -> None:
        if isinstance(notice, AssociationClosed):
            self._count(self._meter.read(notice.association))
        elif isinstance(notice, LinkLost):
            self._read_meters()
        elif isinstance(notice, LinkChanged):
            self._look(notice.destination)
        elif isinstance(notice, DeliverySettled) and notice.outcome in ("accepted", "confirmed"):
            history = self._histories.get(notice.destination)
            if history is not None:
                history.delivered(notice.size, notice.seconds)

    def _measured(self, peer: str, seconds: float) -> None:
        history = self._histories.get(peer)
        if history is not None:
            history.round_trip(seconds)

    def _look(self, peer: str) -> None:
        self._judge(peer, next((one for one in self._delivery() if one.name == peer), None))

    def _judge(self, peer: str, delivery: DeliveryView | None) -> None:
        history = self._histories.get(peer)
        if history is not None:
            judged = standing(delivery, self._reachabilities.of(peer))
            history.stands(judged, self._clock(), self._wall_clock())

    def _read_meters(self) -> None:
        for found in self._meter.read_all():
            self._count(found)

    def _count(self, found: tuple[str, Carried] | None) -> None:
        history = self._histories.get(found[0]) if found is not None else None
        if history is not None and found is not None:
            history.carried(found[1], self._wall_clock())

    # --- time ----------------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        later = self._call_later or asyncio.get_running_loop().call_later
        self._timer = later(max(0.0, self._next_tick - self._clock()), self._tick)

    def _tick(self) -> None:
        self.all()  # brings them up to this moment
        now, at = self._clock(), self._wall_clock()
        for history in self._histories.values():
            history.tick(now, at)
        self._ticks += 1
        if self._ticks % SAVE_EVERY == 0 and (self._saving is None or self._saving.done()):
            self._saving = asyncio.get_running_loop().create_task(self.save(), name="save trends")
        # A loop that was held up makes one long minute, not many short ones.
        self._next_tick = max(self._next_tick + MINUTE, now + MINUTE / 2)
        self._set_timer()

    # --- the disk ------------------------------------------------------------------------------------

    async def save(self) -> None:
        """Write what is new. A disk that takes nothing is logged."""
        rings = {
            name: (one.minutes, one.half_hours, one.minutes.unsaved(), one.half_hours.unsaved())
            for name, one in self._histories.items()
        }
        reached = {name: (one[0].next, one[1].next) for name, one in rings.items()}
        text = ledger.dump({name: one.entry for name, one in self._histories.items()}, self._wall_clock())
        try:
            await asyncio.to_thread(
                self._write, {name: (one[2], one[3]) for name, one in rings.items()}, text
            )
        except OSError as error:
            _log.warning("the history of the links could not be saved: %s", error.strerror)
            return
        for name, (minutes, half_hours, _, _) in rings.items():
            minutes.saved, half_hours.saved = reached[name]

    def _write(
        self, rings: Mapping[str, tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]]], text: str
    ) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, (minutes, half_hours) in rings.items():
            RingFile(self._folder / f"{name}{SUFFIX}").save(minutes, half_hours)
        ledger.save(self._folder, text)

    def _load(self) -> tuple[dict[str, tuple[Ring, Ring]], tuple[dict[str, ledger.Entry], float | None]]:
        rings: dict[str, tuple[Ring, Ring]] = {}
        for name in self._names:
            try:
                rings[name] = RingFile(self._folder / f"{name}{SUFFIX}").load()
            except FileNotFoundError:
                pass
            except (OSError, ValueError) as error:
                _log.warning("the history of the link to %s is not usable, it begins anew: %s", name, error)
        entries: tuple[dict[str, ledger.Entry], float | None] = {}, None
        try:
            entries = ledger.load(self._folder)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            _log.warning("%s is not usable, changes and byte counts begin anew: %s", ledger.FILE_NAME, error)
        return rings, entries
