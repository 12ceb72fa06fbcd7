"""The facts about the configuration: what the operator API says and takes. No patient data is in them.

A configuration holds no secrets either: files with keys are named, never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

HowName = Literal["found", "edited on the disk", "applied", "rolled back", "put back"]


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """One file of a configuration."""

    name: Annotated[str, "gateway.toml (as it is called here), or conf.d/NAME.toml"]
    text: str


@dataclass(frozen=True, slots=True)
class ConfigurationProblem:
    """One thing wrong, or worth a look, in a configuration."""

    severity: Literal["error", "warning"]
    file: Annotated[str, "name of the file; empty when it is in none"]
    line: Annotated[int | None, "counted from 1"]
    key: Annotated[str, "as a person would point at it: listener[wan].tls.key"]
    value: Annotated[str, "what was found, shortened; secrets are not shown"]
    message: str
    allowed: Annotated[str, "what would be right; may be empty"]


@dataclass(frozen=True, slots=True)
class ListenerSummary:
    """Who may call."""

    name: str
    address: str
    port: int
    tls: bool
    allow: Annotated[tuple[str, ...], "networks that may connect; none: every one"]


@dataclass(frozen=True, slots=True)
class PeerSummary:
    """Whom we call."""

    name: str
    ae_title: str
    host: str
    port: int
    tls: bool
    destination: Annotated[bool, "objects are stored here for it"]


@dataclass(frozen=True, slots=True)
class RouteSummary:
    """What goes where."""

    called: str
    calling: Annotated[tuple[str, ...], "AE titles that may send here; none: every one"]
    to: tuple[str, ...]
    mode: Literal["store", "relay"]


@dataclass(frozen=True, slots=True)
class Summary:
    """A checked configuration in short."""

    gateway: str
    ae_title: str
    state_dir: str
    operator_socket: str
    listeners: tuple[ListenerSummary, ...]
    peers: tuple[PeerSummary, ...]
    routes: tuple[RouteSummary, ...]


@dataclass(frozen=True, slots=True)
class Hazard:
    """What a change would do that nobody expects: it is applied only when its code is acknowledged."""

    code: Annotated[str, "state_dir, no_listener, operator_socket, peer:NAME"]
    subject: str
    words: str


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """A configuration in force that nobody has confirmed yet."""

    number: Annotated[int, "its version"]
    who: str
    why: str
    seconds_left: Annotated[float, "then the former configuration comes back by itself"]
    window: Annotated[float, "seconds there were to confirm in"]
    former: Annotated[int, "the version that comes back"]


@dataclass(frozen=True, slots=True)
class ConfigurationVersion:
    """One entry of the history of the configuration."""

    number: int
    at: float
    who: Annotated[str, "empty: the gateway by itself, or unknown"]
    why: str
    how: HowName
    digest: str
    confirmed: Annotated[bool, "somebody kept it, or it needed no keeping"]
    of: Annotated[int | None, "the earlier version whose files these are again"]


@dataclass(frozen=True, slots=True)
class ConfigurationState:
    """What is in force, in short: for whoever follows it."""

    version: Annotated[int | None, "number of the version in force; none: the history cannot be kept"]
    digest: Annotated[str, "SHA-256 over the files the gateway was started with"]
    restarting: Annotated[bool, "the gateway is about to start again, with another configuration"]
    trial: TrialFacts | None
    returned: Annotated[
        ConfigurationVersion | None, "the last change came to nothing: what was put back, and why"
    ]


@dataclass(frozen=True, slots=True)
class ConfigurationFacts:
    """The configuration as it is on the disk, and how it relates to what is in force."""

    state: ConfigurationState
    main: Annotated[str, "path of the main file"]
    files: tuple[ConfigurationFile, ...]
    digest: Annotated[str, "SHA-256 over the files on the disk: `based_on` of a change"]
    edited: Annotated[bool, "the files on the disk are not those the gateway was started with"]
    summary: Annotated[Summary | None, "of the files on the disk; none while they are not valid"]
    problems: tuple[ConfigurationProblem, ...]
    obstacle: Annotated[str, "why the gateway cannot change the configuration; empty when it can"]


@dataclass(frozen=True, slots=True)
class ConfigurationHistory:
    """The history, the newest first."""

    versions: tuple[ConfigurationVersion, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationVersionDetail:
    """One version with its files."""

    version: ConfigurationVersion
    files: tuple[ConfigurationFile, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationCandidate:
    """A configuration to be checked."""

    files: tuple[ConfigurationFile, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationReport:
    """What came of checking a candidate."""

    valid: bool
    digest: str
    problems: Annotated[tuple[ConfigurationProblem, ...], "errors first, then warnings, each by place"]
    summary: Summary | None
    hazards: Annotated[tuple[Hazard, ...], "against what is in force"]


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """A configuration to be put in force on trial."""

    files: tuple[ConfigurationFile, ...]
    based_on: Annotated[str, "digest of the configuration that was edited"]
    why: Annotated[str, "for the history; no patient data"]
    confirm_within: Annotated[float, "seconds, 5 to 3600; then it is put back"] = 120.0
    acknowledged: Annotated[tuple[str, ...], "codes of hazards that are meant"] = ()


@dataclass(frozen=True, slots=True)
class ConfirmRequest:
    """Which version is to be kept."""

    number: int


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """Back to an earlier version."""

    to: Annotated[int | None, "a version, on trial again; none: end the trial and take the former one"] = None
    why: str = ""
    confirm_within: Annotated[float, "seconds, 5 to 3600; then it is put back"] = 120.0
    acknowledged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """One key of a section of the configuration."""

    name: str
    kind: Annotated[Literal["text", "flag", "whole", "choice", "table"], "what to show for it in a form"]
    many: Annotated[Literal["one", "list", "map"], "one value, a list, or a table of free keys"]
    choices: tuple[str, ...]
    allowed: str
    meaning: str
    required: bool
    default: Annotated[str, "as one writes it in TOML; empty when there is none"]


@dataclass(frozen=True, slots=True)
class SectionFacts:
    """One section of the configuration."""

    path: Annotated[str, "gateway, peer, peer.tls"]
    many: Annotated[bool, "there may be several: [[peer]]"]
    meaning: str
    keys: tuple[KeyFacts, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationSchema:
    """Every section and key there is."""

    sections: tuple[SectionFacts, ...]
