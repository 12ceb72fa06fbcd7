"""What the engineer answers, as frozen values. They know no form, no file and no TOML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal

MAX_CENTRES: Final = 8
MAX_CONSOLES: Final = 16
MAX_NETWORKS: Final = 16
MAX_TITLES: Final = 8
"""AE titles by which consoles call one centre."""

CommitmentPolicy = Literal["on-request", "always", "query", "never"]
Callers = Literal["listed", "everybody", "as-is"]


@dataclass(frozen=True, slots=True)
class Tls:
    """Which files secure the way to a centre, and the name its certificate must carry (empty: its host)."""

    certificate: str
    key: str
    ca: str
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Centre:
    """A system that gets what consoles send."""

    name: str
    ae_title: str
    host: str
    port: int
    called: tuple[str, ...]  # what consoles call to reach it
    tls: Tls | None = None
    calling_ae: str = ""  # ours towards it; empty: the gateway's own
    commitment: CommitmentPolicy = "on-request"


@dataclass(frozen=True, slots=True)
class Console:
    """A system at a linac. Without a host, nothing is ever sent down to it: only its AE title is known."""

    ae_title: str
    name: str = ""
    host: str = ""
    port: int = 0
    down: bool = False  # what the centre sends to its AE title is passed on to it


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything that is asked and written into the configuration."""

    gateway: str = ""
    ae_title: str = ""
    listener: str = "console"  # name of the listener on the treatment LAN
    address: str = ""  # empty: not answered yet
    port: int = 0
    allow: tuple[str, ...] = ()  # networks; none: everybody
    listener_tls: bool = False  # only told: the wizard leaves it as it is
    centres: tuple[Centre, ...] = field(default=())
    consoles: tuple[Console, ...] = field(default=())
    callers: Callers = "listed"  # who may send: the consoles above, everybody, or as the routes say now

    def centre(self, name: str) -> Centre | None:
        """Return the centre of that name."""
        return next((one for one in self.centres if one.name == name), None)

    def console(self, ae_title: str) -> Console | None:
        """Return the console with that AE title."""
        return next((one for one in self.consoles if one.ae_title == ae_title), None)

    def titles(self) -> tuple[str, ...]:
        """Return the AE titles that may send, in order."""
        return tuple(dict.fromkeys(one.ae_title for one in self.consoles))

    def called(self) -> dict[str, tuple[str, ...]]:
        """Return what consoles may call, and the names of the centres that get what is sent there."""
        found: dict[str, tuple[str, ...]] = {}
        for centre in self.centres:
            for title in centre.called:
                found[title] = (*found.get(title, ()), centre.name)
        return found


def same(one: Answers, other: Answers) -> bool:
    """Say whether both would make the same configuration. Order does not count."""
    return _settled(one) == _settled(other)


def _settled(answers: Answers) -> Answers:
    # A title without a host that is not listed anywhere leaves no trace in a configuration.
    listed = answers.callers == "listed" and bool(answers.centres)
    kept = [one for one in answers.consoles if one.host or listed]
    consoles = tuple(sorted(kept, key=lambda one: one.ae_title))
    callers: Callers = answers.callers if consoles and answers.centres else "listed"
    centres = [replace(one, called=tuple(sorted(one.called))) for one in answers.centres]
    return replace(
        answers,
        centres=tuple(sorted(centres, key=lambda one: one.name)),
        consoles=consoles,
        callers=callers,
    )
