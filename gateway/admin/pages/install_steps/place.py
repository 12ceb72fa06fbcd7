"""What every step works with: the visit, the draft, and the configuration as it is now."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, Final, Literal

from aiohttp import web

from gateway.admin.installing.answers import Answers, same
from gateway.admin.installing.draft import Draft, Mark, Said
from gateway.admin.installing.room import Installing
from gateway.admin.page import N_
from gateway.admin.pages.configuration import moment
from gateway.admin.visit import Visit
from gateway.config import ConfigErrors
from gateway.operator.client import DaemonUnreachable
from gateway.operator.configuration_facts import ConfigurationFacts

HERE: Final = "/install"
API: Final = "/v1/configuration"

STEPS: Final = (
    ("name", N_("Name")),
    ("network", N_("Network")),
    ("time", N_("Time")),
    ("certificates", N_("Certificates")),
    ("centre", N_("Centre")),
    ("console", N_("Console")),
    ("review", N_("Review and apply")),
    ("test", N_("Test run")),
    ("sheet", N_("Acceptance sheet")),
)
_NAMES: Final = [name for name, _ in STEPS]

State = Literal["done", "attention", "open"]


@dataclass(frozen=True, slots=True)
class StepView:
    """One step in the list of steps."""

    number: int
    name: str
    title: str
    state: State
    current: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A visit to the wizard."""

    visit: Visit
    draft: Draft
    shown: ConfigurationFacts
    current: Answers  # what the configuration says now

    @property
    def room(self) -> Installing:
        """Where draft and sheets are kept."""
        return self.visit.services.installing

    @property
    def changed(self) -> bool:
        """The draft says otherwise than the configuration."""
        return not same(self.current, self.draft.answers)

    @property
    def conflict(self) -> bool:
        """Somebody else has changed the configuration since these answers were begun."""
        return self.shown.state.trial is None and self.shown.digest != self.draft.base and self.changed

    @property
    def who(self) -> str:
        """Who is at it."""
        return self.visit.user.name

    async def change(self, change: Callable[[Draft], Draft]) -> Place:
        """Change the draft, and keep it."""
        return replace(self, draft=await self.room.drafts.change(change))

    async def answer(self, step: str, change: Callable[[Answers], Answers], **fields: Any) -> Place:
        """Take answers of a step, and mark it done; what was applied or tested is to be looked at again."""

        def taken(draft: Draft) -> Draft:
            answers = change(draft.answers)
            later = ("review", "test", "sheet") if answers != draft.answers else ()
            return self._marked(replace(draft, answers=answers, **fields).unmarked(*later), step)

        return await self.change(taken)

    async def done(self, step: str, state: Literal["done", "attention"] = "done") -> Place:
        """Mark a step."""
        return await self.change(lambda draft: self._marked(draft, step, state))

    def _marked(self, draft: Draft, step: str, state: Literal["done", "attention"] = "done") -> Draft:
        return draft.marked(Mark(step, state, time.time(), self.who))

    def steps(self, at: str) -> list[StepView]:
        """Return the list of steps, seen from the step `at`."""
        return [
            StepView(number, name, title, self._state(name), name == at)
            for number, (name, title) in enumerate(STEPS, start=1)
        ]

    def _state(self, name: str) -> State:
        if name == "review" and (self.shown.state.trial or self.conflict):
            return "attention"
        if name == "review" and self.changed:
            return "open"
        mark = self.draft.mark(name)
        return mark.state if mark else "open"

    def first_open(self) -> str:
        """Return the step to go on with."""
        return next((one.name for one in self.steps("") if one.state != "done"), "sheet")

    def next(self, step: str) -> web.Response:
        """Lead on to the step after `step`."""
        return self.visit.redirect(f"{HERE}/{_NAMES[min(_NAMES.index(step) + 1, len(_NAMES) - 1)]}")

    def render(self, step: str, status: int = 200, **values: Any) -> web.Response:
        """Show a step. Its template is install/STEP.html."""
        number = _NAMES.index(step)
        given = {
            "errors": {},
            **values,
            "place": self,
            "draft": self.draft,
            "answers": self.draft.answers,
            "shown": self.shown,
            "state": self.shown.state,
            "was": moment(self.shown.state),
            "trial_base": HERE,
            "steps": self.steps(step),
            "step_number": number + 1,
            "step_title": STEPS[number][1],
            "back_to": f"{HERE}/{_NAMES[number - 1]}" if number else HERE,
        }
        return self.visit.render(f"install/{step}.html", status, **given)


Handler = Callable[[Place], Awaitable[web.StreamResponse]]


def placed(handler: Handler) -> Callable[[Visit], Awaitable[web.StreamResponse]]:
    """Make a handler of a Place one of a Visit; begin a draft where there is none."""

    @wraps(handler)
    async def visited(visit: Visit) -> web.StreamResponse:
        try:
            shown = await visit.gateway.get(ConfigurationFacts, API)
        except DaemonUnreachable:
            # Most likely it is about to start with what has just been applied.
            return visit.render("install/waiting.html", state=None, was="waiting", trial_base=HERE)
        if shown.state.restarting and visit.request.method == "GET":
            state = shown.state  # it still answers, and will not in a moment
            return visit.render("install/waiting.html", state=state, was=moment(state), trial_base=HERE)
        try:
            place = await _place(visit, shown)
        except ConfigErrors:
            return visit.render("install/blocked.html", shown=shown)
        return await handler(place)

    return visited


async def _place(visit: Visit, shown: ConfigurationFacts) -> Place:
    room = visit.services.installing
    texts = {file.name: file.text for file in shown.files}
    current = await room.answers(texts, Path(shown.main), shown.digest)
    fresh = Draft(time.time(), visit.user.name, shown.digest, current, current)
    draft = await room.drafts.load() or await room.drafts.begin(fresh)
    if draft.base != shown.digest and shown.state.trial is None and not shown.state.restarting:
        if same(draft.answers, draft.base_answers):
            # Nothing was answered otherwise: the configuration of now is what there is to begin with.
            draft = await room.drafts.change(
                lambda one: replace(one, base=shown.digest, base_answers=current, answers=current)
            )
        elif same(draft.answers, current):
            draft = await room.drafts.change(
                lambda one: replace(one, base=shown.digest, base_answers=current)
            )
    return Place(visit, draft, shown, current)


def told(visit: Visit, said: Said) -> str:
    """Return a sentence that was kept, in the reader's language."""
    values = dict(zip(said.values[::2], said.values[1::2], strict=False))
    return visit.text(said.message, **values)


def said(message: str, **values: object) -> Said:
    """Keep a sentence."""
    return Said(message, tuple(str(part) for pair in values.items() for part in pair))
