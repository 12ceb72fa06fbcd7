"""The lease: as long as somebody looks, and no longer."""

from __future__ import annotations

import asyncio

from gateway.trends.watch import Probing, Watch


class FakeProbe:
    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.ended = asyncio.Event()
        self.rooms = 0
        self.fail = asyncio.Event()

    async def run(self) -> None:
        self.running.set()
        try:
            await self.fail.wait()
            raise RuntimeError("a defect")
        finally:
            self.ended.set()

    def make_room(self) -> None:
        self.rooms += 1


class Scene:
    def __init__(self, lease: float) -> None:
        self.made: list[dict[str, FakeProbe]] = []
        self.watch = Watch(self._make, lease)

    def _make(self) -> dict[str, Probing]:
        self.made.append({"oncology": FakeProbe(), "archive": FakeProbe()})
        return dict(self.made[-1])


async def test_a_lease_that_runs_out_ends_the_probes() -> None:
    scene = Scene(0.05)
    assert not scene.watch.watching
    assert scene.watch.renew() == 0.05
    probe = scene.made[0]["oncology"]
    async with asyncio.timeout(5):
        await probe.running.wait()
        assert scene.watch.watching
        await probe.ended.wait()
    assert not scene.watch.watching


async def test_renewed_it_goes_on_with_the_same_probes() -> None:
    scene = Scene(0.2)
    loop = asyncio.get_running_loop()
    scene.watch.renew()
    await scene.made[0]["oncology"].running.wait()
    began = loop.time()
    while loop.time() < began + 0.5:
        await asyncio.sleep(0.05)
        scene.watch.renew()
    assert len(scene.made) == 1
    assert not scene.made[0]["oncology"].ended.is_set()
    await scene.watch.close()
    assert scene.made[0]["archive"].ended.is_set()


async def test_work_makes_room_at_its_destination_only() -> None:
    scene = Scene(60)
    scene.watch.make_room("oncology")  # nobody watches
    scene.watch.renew()
    scene.watch.make_room("oncology")
    scene.watch.make_room("somebody else")
    assert [probe.rooms for probe in scene.made[0].values()] == [1, 0]
    await scene.watch.close()


async def test_a_defect_is_the_process_s_business() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    scene = Scene(60)
    scene.watch.renew()
    scene.made[0]["oncology"].fail.set()
    async with asyncio.timeout(5):
        await scene.made[0]["oncology"].ended.wait()
        await asyncio.sleep(0)
    assert told == ["a defect in watch oncology"]
    await scene.watch.close()
