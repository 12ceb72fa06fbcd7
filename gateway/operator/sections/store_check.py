"""The check of the store: whether everything that is kept is still what was received."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from gateway.operator.answering import answer
from gateway.operator.http import Request, Response
from gateway.operator.routes import Route
from gateway.operator.section import Section

CheckKind = Literal["background", "requested"]
FoundWord = Literal["damaged", "missing", "unreadable", "back"]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One check of the whole store, or as far as it has come."""

    kind: Annotated[CheckKind, "background: by itself, slowly; requested: somebody asked for it"]
    started_at: float
    ended_at: Annotated[float | None, "null while it goes on"]
    sound: Annotated[bool, "nothing was found"]
    objects: Annotated[int, "read again"]
    bytes: int
    damaged: Annotated[int, "objects whose bytes are not those that were received: held, never sent"]
    missing: Annotated[int, "objects whose files are gone: held"]
    unreadable: Annotated[int, "objects that the disk does not give back: held"]
    back: Annotated[int, "objects known as damaged whose bytes are right again"]
    journal_rows: Annotated[int, "rows of the journal that were looked at"]
    journal_faults: Annotated[int, "places where the journal contradicts itself or cannot be read"]
    journal_words: Annotated[str, "the first of them; may be empty"]


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object that is not as it should be."""

    number: Annotated[int, "journal number of the object"]
    sop_class: Annotated[str, "the SOP class by name"]
    sop_class_uid: str
    sop_instance_uid: str
    found: FoundWord


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """The check of the store at this moment."""

    running: bool
    current: Annotated[CheckReport | None, "the check that goes on"]
    total_bytes: Annotated[int, "that the check that goes on has to read"]
    bytes_per_second: Annotated[float | None, "of the check that goes on, once it is known"]
    seconds_left: Annotated[float | None, "of it, at that pace"]
    last: Annotated[CheckReport | None, "the last one that came to its end"]
    next_at: Annotated[float | None, "when the next begins by itself; null: none is planned, or one goes on"]
    found: Annotated[tuple[FoundObject, ...], "by the current and the last check, the newest hundred"]
    now: Annotated[float, "the gateway's clock"]


class StoreChecker(Protocol):
    """What this section needs of the daemon."""

    def store_check(self) -> StoreCheck:
        """Tell how things stand."""

    def check_now(self) -> StoreCheck:
        """Begin to check everything, from the beginning."""


class StoreCheckSection(Section):
    """The check of the store."""

    # fmt: off
    routes = (
        Route("GET", "/v1/store-check", "store_check", "Whether everything kept is still what was received.",
              StoreCheck),
        Route("POST", "/v1/store-check", "check_store", "Check everything now, from the beginning.",
              StoreCheck),
    )
    # fmt: on

    def __init__(self, checker: StoreChecker) -> None:
        self._checker = checker

    async def store_check(self, _request: Request) -> Response:
        return answer(self._checker.store_check())

    async def check_store(self, _request: Request) -> Response:
        return answer(self._checker.check_now())
