"""The demonstration itself: what happens in which order, and when it counts as done.

Everything waits for what really happened (an answer, an arrival, a state the gateway reports). Time is
waited for in two places only, both for the person who watches: between two objects of the console, and
before the link returns. Plain output needs neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import shutil
import signal
import tempfile
import time
import webbrowser
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console as Terminal
from rich.console import RenderableType

from gateway.demo import centre as centre_room
from gateway.demo import view
from gateway.demo.console import Console, ConsoleError
from gateway.demo.daemon import Daemon, DaemonFailed
from gateway.demo.lab.laboratory import LaboratoryFailed
from gateway.demo.ledger import GROUPS, Answer, Arrival, Ledger
from gateway.demo.page import Page, PageFailed, choose_port
from gateway.demo.pki import Authority
from gateway.demo.scene import Chapter, Scene
from gateway.demo.stage import Line, Setting, Stage, direct, through_hub
from gateway.demo.synthetic import Sizes, SyntheticObject, Treatment

_CBCT_EVERY = 5  # patients
_SHORT = {"record": "records", "image": "images", "bulk": "CBCT"}
_LOOK_EVERY = 0.15  # seconds between two looks at the gateway; the page is redrawn as often
_PATIENCE = 45.0  # seconds without any arrival at the centre

# While the demo stays: a patient from time to time, and a link that fails now and then. Seconds.
_NEXT_PATIENT = 12.0
_LINK_HOLDS = 60.0
_LINK_IS_CUT = 25.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it


@dataclass(frozen=True, slots=True)
class Pace:
    """Waits for the eye."""

    between_objects: float = 0.04
    before_return: float = 2.0


@dataclass(frozen=True, slots=True)
class Showing:
    """What is shown beside the terminal."""

    page: bool = True  # the local admin page runs
    address: str = "127.0.0.1"  # where it is served
    stay: bool = False  # go on after the proof, until interrupted
    browser: bool = False  # open it in a browser
    hub: bool = False  # through a hub, and over a satellite where that can be had


@dataclass(frozen=True, slots=True)
class Script:
    """How much is sent. One patient has one treatment record; some have a CBCT, a registration and a log."""

    records: int  # two at least: one before the cut, one in which it happens
    images: int  # portal images of all patients together
    cbct_slices: int  # of one CBCT
    pace: Pace

    @property
    def cut_in(self) -> int:
        """The patient (from 0) in whose middle the link is cut."""
        return max(1, self.records // 4)

    def has_cbct(self, patient: int) -> bool:
        """Say whether `patient` gets a CBCT: the first, the one with the cut, and every fifth from there."""
        late = patient - self.cut_in
        return self.cbct_slices > 0 and (patient == 0 or (late >= 0 and late % _CBCT_EVERY == 0))

    def images_of(self, patient: int) -> int:
        """How many portal images `patient` gets."""
        return self.images // self.records + (patient < self.images % self.records)

    def planned(self) -> dict[str, int]:
        """How many objects of each group there will be."""
        volumes = sum(map(self.has_cbct, range(self.records)))
        return {
            "record": self.records,
            "image": self.images + 2 * volumes,
            "bulk": self.cbct_slices * volumes,
        }

    def patient(self, number: int) -> list[SyntheticObject]:
        """Make what the console sends for one patient, in order; the record comes last."""
        treatment = Treatment(number + 1, sizes=Sizes(cbct_slices=self.cbct_slices))
        objects = []
        if self.has_cbct(number):
            objects += [treatment.make("cbct", 1, index) for index in range(self.cbct_slices)]
            objects += [treatment.make("registration"), treatment.make("private")]
        objects += [treatment.make("rt-image", 1, index) for index in range(self.images_of(number))]
        objects.append(treatment.make("beams-record"))
        return objects


def run(terminal: Terminal, script: Script, showing: Showing, *, live: bool, keep: bool) -> int:
    """Run the demo; return the exit code: 0 only when everything is proved.

    The folder is removed at the end, unless `keep` or when something failed and it may tell why.
    """
    view.introduce(terminal, hub=showing.hub)
    directory = Path(tempfile.mkdtemp(prefix="dicom-gateway-demo-"))
    code = 1
    try:
        with contextlib.closing(_view(terminal, live=live)) as shown:
            ending = asyncio.run(_until_interrupted(_Story(script, showing, directory, shown)))
        if ending is None:
            terminal.print("Interrupted; everything is stopped.")
            code = INTERRUPTED
        else:
            if not showing.stay:
                terminal.print(ending.table)
            code = 0 if ending.proved else 1
    except (DaemonFailed, PageFailed, ConsoleError, LaboratoryFailed) as error:
        terminal.print(
            f"The demo failed: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
    finally:
        if keep or code == 1:
            terminal.print(f"Kept: {directory}", highlight=False, soft_wrap=True)
        else:
            shutil.rmtree(directory)
    return code


def _view(terminal: Terminal, *, live: bool) -> view.LiveView | view.PlainView:
    return view.LiveView(terminal) if live else view.PlainView(terminal)


@dataclass(frozen=True, slots=True)
class _Ending:
    table: RenderableType
    proved: bool


async def _until_interrupted(story: _Story) -> _Ending | None:
    """Tell the story; a signal ends it in order, so that nothing is left running.

    Returns its ending; None when the signal came before that.
    """
    task = asyncio.ensure_future(story.tell())
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if not task.cancelling():  # a second Ctrl-C must not disturb the clearing up; that is bounded in time
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        return story.ending
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


class _Story:
    def __init__(self, script: Script, showing: Showing, directory: Path, shown: view.View) -> None:
        self.ending: _Ending | None = None
        self._script = script
        self._showing = showing
        self._directory = directory
        self._shown = shown
        self._ledger = Ledger(script.planned())
        self._scene = Scene(self._ledger)
        self._start = time.monotonic()
        self._peak = (0, 0)  # objects and bytes that waited, at most
        self._missed: list[str] = []
        self._news = asyncio.Event()

    async def tell(self) -> _Ending:
        """Tell it from beginning to end."""
        authority = Authority(self._directory / "pki", now=datetime.datetime.now(datetime.UTC))
        loop = asyncio.get_running_loop()

        def arrived(arrival: Arrival) -> None:
            self._ledger.arrived(arrival)
            loop.call_soon_threadsafe(self._news.set)

        address = self._showing.address
        port = choose_port(address)
        setting = Setting(self._directory, authority, arrived, (address, port))
        build = through_hub if self._showing.hub else direct
        async with build(setting) as stage, self._page(stage.daemon, address, port):
            if self._showing.hub:
                self._shown.say(f"The line between the clinic and the hub: {stage.words}.")
                self._shown.say("")
            try:
                async with asyncio.TaskGroup() as group:
                    watching = group.create_task(self._watch(stage.daemon, stage.line))
                    ending = self.ending = await self._chapters(stage)
                    watching.cancel()
            except ExceptionGroup as group:
                raise group.exceptions[0] from group
            if self._showing.stay:
                await self._stay(stage, ending)
        return ending

    @contextlib.asynccontextmanager
    async def _page(self, daemon: Daemon, address: str, port: int) -> AsyncIterator[None]:
        """Serve the page, and say where, as long as the block runs."""
        if not self._showing.page:
            yield
            return
        async with Page(daemon.config, address=address, port=port) as page:
            self._shown.say(f"The page of this gateway: {page.url}   set-up code: {page.setup_code}")
            self._shown.say("Its certificate is its own: your browser will ask whether to trust it.")
            self._shown.say("")
            if self._showing.browser:
                await asyncio.to_thread(webbrowser.open, page.url)
            yield

    async def _stay(self, stage: Stage, ending: _Ending) -> None:
        """Show the proof, then go on treating patients over a link that fails, until interrupted."""
        self._shown.close()
        self._shown.show(ending.table)
        self._shown.say(
            "The page stays open: a patient comes every few seconds, and the link fails now and then. "
            "Ctrl-C ends the demonstration."
        )
        console = self._console(stage)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fail_now_and_then(stage.line))
            number = self._script.records
            while True:
                await asyncio.sleep(_NEXT_PATIENT)
                await self._treat(stage, console, number)
                number += 1

    async def _fail_now_and_then(self, link: Line) -> None:
        while True:
            await asyncio.sleep(_LINK_HOLDS)
            link.cut()
            await asyncio.sleep(_LINK_IS_CUT)
            link.restore()

    def _console(self, stage: Stage) -> Console:
        return Console(
            stage.daemon.port,
            called_ae=centre_room.AE_TITLE,
            link_up=lambda: stage.line.up,
            pause=self._script.pace.between_objects,
        )

    async def _watch(self, daemon: Daemon, link: Line) -> None:
        """Ask the gateway how things are, and redraw, again and again."""
        while True:
            await self._look(daemon, link)
            self._news.set()
            await asyncio.sleep(_LOOK_EVERY)

    async def _look(self, daemon: Daemon, link: Line) -> None:
        self._scene.observe(await daemon.status())
        self._peak = max(self._peak, (sum(self._scene.waiting.values()), self._scene.waiting_bytes))
        self._scene.advance(time.monotonic() - self._start, link_up=link.up)
        self._shown.update(self._scene)

    async def _chapters(self, stage: Stage) -> _Ending:
        script, daemon, link = self._script, stage.daemon, stage.line
        console = self._console(stage)
        self._chapter(1, "The link is up", "Patients are treated, and everything passes through at once.")
        for number in range(script.cut_in):
            await self._treat(stage, console, number)
        await self._until("the first patients' objects had arrived", self._ledger.settled)

        def cut() -> None:
            link.cut()
            self._chapter(
                2, "The link is cut", "In the middle of a patient. The console is answered as before."
            )

        await self._treat(stage, console, script.cut_in, halfway=cut)
        for number in range(script.cut_in + 1, script.records):
            await self._treat(stage, console, number)
        await asyncio.sleep(script.pace.before_return)

        returned = time.monotonic()
        self._chapter(3, "The link is back", "Treatment records first, then images, then the CBCT.")
        link.restore()
        await self._until("everything had arrived", self._ledger.settled)
        await self._look(daemon, link)  # what was seen last may be from before the last object came
        await self._until("the gateway had every answer", self._nothing_waits)
        self._chapter(
            4, "The end", "Everything that the console sent is compared with what the centre holds."
        )
        await self._look(daemon, link)
        return self._ending(returned, stage)

    def _chapter(self, number: int, title: str, text: str) -> None:
        self._scene.chapter = Chapter(number, title, text)
        self._shown.chapter(self._scene.chapter)

    async def _treat(
        self, stage: Stage, console: Console, patient: int, halfway: Callable[[], None] | None = None
    ) -> None:
        """Let the console treat one patient; call `halfway` when half of the objects are answered."""
        loop = asyncio.get_running_loop()
        objects = await asyncio.to_thread(self._script.patient, patient)
        answers = 0

        def answered(answer: Answer) -> None:
            nonlocal answers
            answers += 1
            self._ledger.answered(answer)
            if halfway is not None and answers == len(objects) // 2:
                loop.call_soon_threadsafe(halfway)

        def treat() -> None:
            with stage.at_console():
                console.treat(objects, answered)

        try:
            await asyncio.to_thread(treat)
        except asyncio.CancelledError:
            console.stop()
            raise

    def _nothing_waits(self) -> bool:
        return not any(self._scene.waiting.values()) and not self._scene.held

    async def _until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for `condition`, looking whenever there is news.

        When nothing has arrived at the centre for too long, the wait ends, and the end of the story says so.
        """
        clock = asyncio.get_running_loop().time
        arrivals = len(self._ledger.arrivals)
        try:
            async with asyncio.timeout(_PATIENCE) as limit:
                while not condition():
                    self._news.clear()
                    await self._news.wait()
                    if arrivals != len(self._ledger.arrivals):
                        arrivals = len(self._ledger.arrivals)
                        limit.reschedule(clock() + _PATIENCE)
        except TimeoutError:
            self._missed.append(f"gave up waiting until {what}")

    def _ending(self, returned: float, stage: Stage) -> _Ending:
        ledger = self._ledger
        proof = ledger.proof()
        missing = [*self._missed, *view.complaints(proof)]
        if not self._nothing_waits():
            missing.append("the gateway still has something waiting or held")
        up, down = ledger.slowest(link_up=True), ledger.slowest(link_up=False)
        last = {group: ledger.last_arrival(group, returned) for group in GROUPS}
        facts = [
            (
                "Slowest answer to the console",
                f"{view.wait(up)} with the link up, {view.wait(down)} with it cut",
            ),
            ("Waiting when the link came back", f"{self._peak[0]} objects, {self._peak[1] / 1e6:.1f} MB"),
            (
                "Complete after the link came back",
                ", ".join(f"{name} {view.wait(last[group])}" for group, name in _SHORT.items()),
            ),
        ]
        facts += stage.facts(sum(arrival.size for arrival in ledger.arrivals))
        facts.append(("The demonstration took", view.wait(time.monotonic() - self._start)))
        if any(row.again for row in proof.rows):
            facts.append(
                ("Sent twice", "the answer was lost with the link; same bytes, the centre keeps one")
            )
        return _Ending(view.verdict(proof, facts=facts, complaints=missing), not missing)
