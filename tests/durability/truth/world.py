"""The box with everything around it: consoles that store, destinations, links, persons, clock, power.

The spool and all of delivery are the real ones. The world outlives every crash of the gateway: it knows what
was acknowledged, what each destination took, and what persons asked for; its watches judge everything else by
that.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from gateway.delivery.engine import DeliveryEngine, Destination
from gateway.delivery.pauses import Pauses
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports import Transport
from gateway.errors import LocalError
from gateway.model import AETitle, DeliveryState, Instance, Origin, Peer, Priority
from gateway.notices import Notices
from gateway.spool import Confirmed, Spool, SpoolLimits
from gateway.spool.states import FINISHED, after
from gateway.spool.states import Event as Move
from tests.durability.campaign import ACKNOWLEDGED, LOST, Tally
from tests.durability.truth.clock import PatientLoop
from tests.durability.truth.far import Far, ScriptedTransport
from tests.durability.truth.findings import Findings
from tests.durability.truth.front import Front
from tests.durability.truth.journal_watch import (
    Clocks,
    JournalWatch,
    Reasons,
    WatchedFiles,
    copy_as_after_a_kill,
    digest_of,
)
from tests.durability.truth.wire_watch import WatchedTransport, WireWatch

S = DeliveryState
DAY = 86400.0
LIMITS = SpoolLimits(reserve_bytes=0, floor_bytes=0)
ORIGIN = Origin("console", "192.0.2.20", AETitle("LINAC1"), AETitle("ARIA"), "a1")
EXPLICIT_LE = "1.2.840.10008.1.2.1"
CLASSES = {
    Priority.RECORD: "1.2.840.10008.5.1.4.1.1.481.4",
    Priority.IMAGE: "1.2.840.10008.5.1.4.1.1.481.1",
    Priority.BULK: "1.2.840.10008.5.1.4.1.1.2",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a world is made of; what is not said is as the product ships it."""

    seed: int = 0
    claim_objects: int = 16
    lag: float = 0.0  # seconds that a way to the journal, or back, takes at most
    lanes: tuple[int, ...] = (4, 2, 1)  # associations allowed, for each destination
    window: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        return ("oncology", "archive", "hub")[: len(self.lanes)]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Success was answered for this object: it is owed to these destinations."""

    number: int
    uid: str
    digest: bytes
    size: int
    priority: Priority
    destinations: tuple[str, ...]


@dataclass
class _Life:
    """One process of the gateway."""

    spool: Spool
    front: Front
    engine: DeliveryEngine
    transports: list[Transport]
    run: asyncio.Task[None]
    tasks: dict[asyncio.Task[Any], None] = field(default_factory=dict)


class World:
    """Drive it with `run(world.action(...))`; `look` judges what is seen."""

    slack_base = 15.0  # seconds: an association that has to be made, and what waits for that
    grace = 0.0  # seconds that real machines take on top of what the policy says

    def __init__(self, setting: Setting, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.setting = setting
        self.loop = loop or PatientLoop()
        self.tally = Tally.of({ACKNOWLEDGED: 0, LOST: 0})
        self.findings = Findings()
        self.reasons = Reasons()
        self.acknowledged: list[Acknowledged] = []
        self.contents: dict[str, set[bytes]] = {}  # SOP Instance UID -> digests that were offered
        self.attempts: Counter[int] = Counter()  # by delivery
        self.closed = False
        self._around: dict[asyncio.Task[Any], None] = {}
        self.step_back = 0.0  # how far the clock was ever set back
        self._offset = 1_700_000_000.0
        self._rng = random.Random(setting.seed)
        self._uids = 0
        self._root = Path(
            tempfile.mkdtemp(prefix="truth-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        )
        self._generation = 0
        self.policy = self.the_policy()
        clocks = Clocks(self.loop.time, self.wall)
        self.journal = JournalWatch(clocks, self.findings, self.reasons)
        self.fars = {
            name: self.make_far(name, associations=lanes)
            for name, lanes in zip(setting.names, setting.lanes, strict=True)
        }
        slack = self.slack_base + 12 * setting.lag
        self.wires = {
            name: WireWatch(
                name,
                self.findings,
                self.journal,
                self.reasons,
                self.policy,
                clocks,
                self.attempts,
                lanes=lanes,
                window=setting.window,
                slack=slack,
            )
            for name, lanes in zip(setting.names, setting.lanes, strict=True)
        }
        self.life: _Life
        self.run(self.begin())

    # what a variant replaces

    def the_policy(self) -> DeliveryPolicy:
        return replace(DeliveryPolicy(), claim_objects=self.setting.claim_objects)

    def make_far(self, name: str, *, associations: int) -> Far:
        return Far(name, self.reasons, associations=associations, window=self.setting.window)

    def peer(self, name: str, lanes: int) -> Peer:
        return Peer(name, AETitle("CENTRE"), "127.0.0.1", 104, max_associations=lanes)

    def transport(self, peer: Peer, front: Front, notices: Notices) -> Transport:
        return ScriptedTransport(self.fars[peer.name], self.policy, front.spool.open_data, self.wall)

    # time

    def wall(self) -> float:
        return self._offset + self.loop.time()

    def run(self, action: Coroutine[Any, Any, Any]) -> Any:
        if isinstance(self.loop, PatientLoop):
            self.loop.begin_moment()
        return self.loop.run_until_complete(action)

    def _lag(self) -> float:
        return self._rng.uniform(0.0, self.setting.lag) if self.setting.lag else 0.0

    def _owed(self, change: int) -> None:
        if isinstance(self.loop, PatientLoop):
            self.loop.owed += change

    async def settle_now(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(30):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)
        await self.settle_now()

    def set_clock(self, step: float) -> None:
        """Somebody sets the clock, forward or back."""
        self._offset += step
        if step < 0:
            self.step_back += -step
        for wire in self.wires.values():
            wire.disturb()

    # the gateway's lives

    @property
    def directory(self) -> Path:
        return self._root / str(self._generation)

    async def begin(self) -> None:
        """The process starts."""
        notices = Notices()
        state_dir = self.directory
        state_dir.mkdir(exist_ok=True)
        spool = Spool.open(
            state_dir / "spool",
            LIMITS,
            notices=notices,
            wall_clock=self.wall,
            steady_clock=self.loop.time,
            files=WatchedFiles(self.journal),
        )
        front = Front(
            spool,
            self.journal,
            self.findings,
            self.policy,
            owed=self._owed,
            lag=self._lag,
            wall=self.wall,
            attempts=self.attempts,
        )
        pauses = Pauses.load(state_dir)
        for wire in self.wires.values():
            wire.front = front
        transports: list[Transport] = []

        def transport(peer: Peer) -> Transport:
            transports.append(self.transport(peer, front, notices))
            return WatchedTransport(transports[-1], self.wires[peer.name])

        engine = DeliveryEngine(
            front,
            [
                Destination(self.peer(name, lanes), paused=name in pauses)
                for name, lanes in zip(self.setting.names, self.setting.lanes, strict=True)
            ],
            transport,
            notices,
            self.policy,
            clock=self.loop.time,
            wall_clock=self.wall,
            rng=random.Random(self._rng.random()),
            remember_paused=pauses.save,
        )
        for name, wire in self.wires.items():
            wire.born(front, engine._courier(name))
        self.life = _Life(spool, front, engine, transports, asyncio.ensure_future(engine.run()))
        await self.settle_now()

    async def crash(self) -> None:
        """The process is killed, wherever it is; another one starts with what it left."""
        life = self.life
        await life.front.die()
        self.tally.add("crashes")
        left, self._generation = self.directory, self._generation + 1
        copy_as_after_a_kill(left, self.directory)
        await self._bury(life)
        shutil.rmtree(left)
        await self.begin()

    async def _bury(self, life: _Life) -> None:
        """Let go of what belonged to a process that is no more."""
        for far in self.fars.values():
            far.hang_up()
        for task in (life.run, *life.tasks):
            task.cancel()
        await asyncio.wait([life.run, *life.tasks])
        for transport in life.transports:  # as the kernel closes the sockets of a dead process
            await transport.close()
        await self._close(life.spool)

    async def restart(self) -> None:
        """The process is stopped politely, and started again."""
        life = self.life
        self.tally.add("restarts")
        closing = asyncio.ensure_future(life.engine.close())
        await asyncio.wait([closing, life.run])
        for task in (life.run, closing):
            task.result()
        await life.front.die()
        for task in life.tasks:
            task.cancel()
        if life.tasks:
            await asyncio.wait(life.tasks)
        await self._close(life.spool)
        await self.begin()

    async def _close(self, spool: Spool) -> None:
        self._owed(1)
        try:
            await spool.close()
        finally:
            self._owed(-1)

    def end(self) -> None:
        """Take everything away."""
        if self.closed:
            return
        self.closed = True

        async def last() -> None:
            await self.life.front.die()
            await self._bury(self.life)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others)
            await self.loop.shutdown_default_executor()

        try:
            self._owed(1)  # threads end in real time
            self.run(last())
        finally:
            self.loop.close()
            shutil.rmtree(self._root, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def later(self, action: Coroutine[Any, Any, Any]) -> None:
        """Begin something that ends with the process when that dies."""
        task = asyncio.ensure_future(action)
        tasks = self.life.tasks
        tasks[task] = None
        task.add_done_callback(tasks.pop)
        task.add_done_callback(self._ended)

    def around(self, action: Coroutine[Any, Any, Any]) -> None:
        """Begin something that goes on whatever happens to the process."""
        task = asyncio.ensure_future(action)
        self._around[task] = None
        task.add_done_callback(self._around.pop)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.findings.wrong(f"somebody was answered with {type(error).__name__}: {error}")

    # consoles

    def new_uid(self) -> str:
        self._uids += 1
        return f"1.2.826.0.1.{self._uids}"

    def body(self, uid: str, version: int, size: int, priority: Priority) -> bytes:
        """The data set of an object: different for each UID, version and SOP class."""
        mark = f"{uid}/{version}/{priority.label};".encode()
        return (mark * (size // len(mark) + 1))[: max(size, len(mark))]

    async def put(self, uid: str, data: bytes, priority: Priority, to: tuple[str, ...]) -> None:
        """A console stores an object; it is acknowledged when the spool has answered."""
        digest = digest_of(data)
        self.contents.setdefault(uid, set()).add(digest)
        front, spool = self.life.front, self.life.spool

        async def store() -> Any:
            incoming = spool.receive(Instance(CLASSES[priority], uid, EXPLICIT_LE), ORIGIN, priority, to)
            incoming.write(data)
            return await incoming.commit()

        stored = await front.do(store)
        self.tally.add(ACKNOWLEDGED)
        if stored.digest != digest:
            self.findings.wrong(f"object {stored.number} was acknowledged with a digest that is not its own")
        self.acknowledged.append(Acknowledged(stored.number, uid, digest, len(data), priority, to))

    # persons

    async def operate(self, what: str, number: int) -> None:
        """A person asks for something to be done to a delivery; a refusal in words is an answer, too."""
        spool, front = self.life.spool, self.life.front
        call, to = {
            "hold": (lambda: spool.hold(number, "wait"), S.HELD),
            "release": (lambda: spool.release(number), S.QUEUED),
            "retry": (lambda: spool.retry(number), S.QUEUED),
            "discard": (lambda: spool.discard(number, "not wanted"), S.DISCARDED),
            "confirm": (lambda: spool.settle([Confirmed(number, "verified")]), S.CONFIRMED),
        }[what]
        self.tally.add("operator actions")
        self.reasons.ask(what, number)
        try:
            await front.operate(call, number, to)
        except LocalError:
            return

    async def retry_held(self) -> None:
        """A person lets everything go that is held."""
        self.tally.add("operator actions")
        front, spool = self.life.front, self.life.spool

        async def let_go() -> None:
            self.reasons.letting_go = True
            try:
                await spool.retry_held()
            finally:
                self.reasons.letting_go = False

        await front.do(let_go)

    def pause(self, name: str, *, paused: bool) -> None:
        """A person pauses or resumes a destination."""
        self.tally.add("operator actions")
        wire = self.wires[name]
        wire.paused = paused
        wire.disturb()
        (self.life.engine.pause if paused else self.life.engine.resume)(name)

    async def expire(self) -> None:
        """The daily round: what was delivered long ago is released."""
        front, spool = self.life.front, self.life.spool

        async def release() -> None:
            self.reasons.expiring = True
            try:
                await spool.expire()
            finally:
                self.reasons.expiring = False

        await front.do(release)

    async def all_well(self) -> None:
        """Whatever takes time to become well again does."""

    # judging

    async def look(self) -> None:
        """Judge what is seen now, while everybody waits for time to pass."""
        await self.settle_now()
        run = self.life.run
        if run.done():
            error = None if run.cancelled() else run.exception()
            self.findings.wrong(f"delivery ended by itself: {error!r}")
        else:
            for wire in self.wires.values():
                wire.inspect()
        self._look_at_acknowledged()
        self._look_at_the_far_ends()
        self.findings.check()

    def _look_at_acknowledged(self) -> None:
        living: Counter[tuple[str, bytes, str]] = Counter()
        known = set(self.journal.forgotten)
        bytes_gone = set()
        for one in self.journal.rows.values():
            known.add((one.uid, one.digest, one.destination))
            living[one.uid, one.digest, one.destination] += one.state is not S.DISCARDED
            if one.state not in FINISHED and one.place not in (0, 1):
                bytes_gone.add(one.object)
        for owed in self.acknowledged:
            if owed.number in bytes_gone:
                self.findings.wrong(f"object {owed.number} is still needed, and its bytes are gone")
            for name in owed.destinations:
                what = (owed.uid, owed.digest, name)
                if what not in known:
                    self.findings.wrong(f"object {owed.number} was acknowledged, and is not to go to {name}")
                if living[what] > 1:
                    self.findings.wrong(f"object {owed.number} is to go to {name} {living[what]} times")

    def _look_at_the_far_ends(self) -> None:
        for name, far in self.fars.items():
            for uid, digest in list(far.kept):  # a centre adds to it from its own threads
                if digest not in self.contents.get(uid, ()):
                    self.findings.wrong(f"{name} has {uid} with bytes that nobody sent")

    async def whole(self, numbers: set[int]) -> None:
        """Fail unless the bytes of these objects are here as they were received."""
        digests = {owed.number: owed for owed in self.acknowledged}
        for number in sorted(numbers & digests.keys()):
            owed = digests[number]
            with self.life.spool.open_data(number) as reader:
                if digest_of(reader.read(owed.size)) != owed.digest:
                    self.findings.wrong(f"object {number} is not what was received")
        self.findings.check()

    def undelivered(self) -> dict[int, Any]:
        return {n: one for n, one in self.journal.rows.items() if one.state in (S.QUEUED, S.SENDING)}

    def legal(self, what: str) -> list[int]:
        """The deliveries for which an operator's action is legal at this moment."""
        move = {"hold": Move.HOLD, "release": Move.UNHOLD, "retry": Move.RETRY, "discard": Move.DISCARD}
        move["confirm"] = Move.CONFIRM
        numbers = []
        for number, one in self.journal.rows.items():
            try:
                after(one.state, move[what])
            except LocalError:
                continue
            numbers.append(number)
        return numbers
