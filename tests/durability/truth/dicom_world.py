"""The same world over real associations on loopback: DICOM both ways, centres that misbehave, real time.

Only what belongs to time is judged less strictly here: order among what is claimed, states, receipts, bytes
and the end are judged as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from gateway.association.requestor import RequestorTimeouts
from gateway.delivery.backoff import Backoff
from gateway.delivery.capabilities import Capabilities
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports import Transport
from gateway.delivery.transports.dicom import DicomTransport
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from tests.durability.truth import events
from tests.durability.truth.choices import Choices
from tests.durability.truth.events import Event
from tests.durability.truth.far import STATUS, TAKES, Far
from tests.durability.truth.front import Front
from tests.durability.truth.journal_watch import Reasons
from tests.durability.truth.world import Setting, World
from tests.support.delivery import QUICK
from tests.support.scripted_centre import ABORT, SILENT, WRONG_MESSAGE, WRONG_OBJECT, Answer, Arrived, Centre

MOODS = (
    *STATUS,
    "aborts",
    "aborts afterwards",
    "silent afterwards",
    "answers for another",
    "answers wrongly",
)
TIMEOUTS = RequestorTimeouts(connect=5, tls=5, associate=5, response=1, release=1, stall=5)
PAUSE = 0.2
"""Real seconds that an event may be waited for, whatever was asked."""


class DicomFar(Far):
    """A far end with a real SCP."""

    def __init__(self, name: str, reasons: Reasons, *, associations: int, window: int) -> None:
        super().__init__(name, reasons, associations=associations, window=window)
        # It allows more associations than we open: one that fell silent keeps the place of its own for ever.
        self.centre = Centre(self._answer, window=window).start()

    def _answer(self, arrived: Arrived) -> Answer:
        """In a thread of the centre."""
        mood = self.cursed.get(arrived.uid, self.mood)
        if mood in TAKES or mood.endswith("afterwards"):
            self.take((arrived.uid, arrived.digest))
        if mood.startswith("aborts"):
            return ABORT
        if mood.startswith("silent"):
            return SILENT
        return {"answers for another": WRONG_OBJECT, "answers wrongly": WRONG_MESSAGE}.get(mood) or STATUS[
            mood
        ]

    def hang_up(self) -> None:
        """The process at the other end does that by ending."""

    async def turn(self, *, up: bool) -> None:
        """The centre goes, with all its associations, or comes back."""
        if up is not self.up:
            self.up = up
            await asyncio.to_thread(self.centre.start if up else self.centre.stop)

    def recover(self) -> None:
        super().recover()
        self.centre.reject = None


class DicomWorld(World):
    """Real associations, real time, one request of the spool at a time."""

    slack_base = float("inf")
    grace = 60.0

    def __init__(self, setting: Setting) -> None:
        self._threads = ThreadPoolExecutor(4)
        self._progress = asyncio.Event()
        super().__init__(setting, asyncio.new_event_loop())

    def the_policy(self) -> DeliveryPolicy:
        return replace(
            QUICK,
            claim_objects=self.setting.claim_objects,
            window=self.setting.window,
            link_backoff=Backoff(0.05, 1.0),
        )

    def make_far(self, name: str, *, associations: int) -> Far:
        return DicomFar(name, self.reasons, associations=associations, window=self.setting.window)

    def peer(self, name: str, lanes: int) -> Peer:
        far = self.fars[name]
        assert isinstance(far, DicomFar)
        return Peer(name, AETitle("CENTRE"), "127.0.0.1", far.centre.port, max_associations=lanes)

    def transport(self, peer: Peer, front: Front, notices: Notices) -> Transport:
        notices.subscribe(lambda _: self._progress.set())
        work = Path(self.directory) / "work"
        work.mkdir(exist_ok=True)
        return DicomTransport(
            peer,
            calling_ae=AETitle("GATEWAY"),
            open_data=front.spool.open_data,
            capabilities=Capabilities.load(work),
            work_dir=work,
            executor=self._threads,
            notices=notices,
            policy=self.policy,
            timeouts=TIMEOUTS,
            wall_clock=self.wall,
        )

    async def advance(self, seconds: float) -> None:
        """Wait until something was settled or a link changed, for a moment."""
        self._progress.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, PAUSE)):
                await self._progress.wait()
        await self.settle_now()

    async def all_well(self) -> None:
        """Every centre is there again, restarted: one that fell silent keeps the place of its association."""
        for far in self.fars.values():
            assert isinstance(far, DicomFar)
            await far.turn(up=False)
            await far.turn(up=True)

    def end(self) -> None:
        if not self.closed:
            for far in self.fars.values():
                assert isinstance(far, DicomFar)
                far.centre.stop()
        super().end()
        self._threads.shutdown()


async def centre(world: World, choices: Choices) -> None:
    """A centre goes, or comes back."""
    far = world.fars[choices.among(world.setting.names)]
    assert isinstance(far, DicomFar)
    world.tally.add("links cut or mended")
    await far.turn(up=not far.up)


async def mood(world: World, choices: Choices) -> None:
    """A centre answers objects in another way."""
    world.fars[choices.among(world.setting.names)].mood = choices.among(("well", "well", *MOODS))


async def curse(world: World, choices: Choices) -> None:
    """A centre has something against one object."""
    if world.acknowledged:
        owed = choices.among(world.acknowledged)
        world.fars[choices.among(owed.destinations)].cursed[owed.uid] = choices.among(MOODS)


async def reject(world: World, choices: Choices) -> None:
    """A centre rejects associations, for now or for good, or takes them again."""
    far = world.fars[choices.among(world.setting.names)]
    assert isinstance(far, DicomFar)
    far.centre.reject = choices.among((None, (1, 1, 1), (2, 3, 2)))


EVENTS: Mapping[Event, int] = {
    events.put: 8,
    events.burst: 4,
    events.put_again: 2,
    events.advance: 12,
    centre: 3,
    mood: 6,
    curse: 3,
    reject: 1,
    events.crash: 4,
    events.restart: 2,
    events.operate: 6,
    events.retry_held: 1,
    events.pause: 2,
}
