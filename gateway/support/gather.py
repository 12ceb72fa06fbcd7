"""What goes into a bundle: which questions are asked of the gateway, and what of the answers is kept.

Whoever asks (the command line, the page) hands over the answers as JSON, or the words of a failure; from
there on everything is the same for both, and pure but for reading the program's own vocabulary.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from gateway import __version__
from gateway.health.english import english
from gateway.health.report import MachineReport
from gateway.operator import codec
from gateway.support.bundle import Bundle, Part, pack
from gateway.support.redaction import names, redacted
from gateway.support.scrub import Scrubber
from gateway.support.words import ABOUT, WORDS_OF

QUESTIONS: Mapping[str, str] = {
    "status": "/v1/status",
    "held": "/v1/held",
    "deliveries": "/v1/deliveries?limit=500",
    "steps": "/v1/steps?limit=500",
    "commitments": "/v1/commitments?limit=500",
    "associations": "/v1/associations",
    "peers": "/v1/peers",
    "routes": "/v1/routes",
    "links": "/v1/links",
    "budget": "/v1/budget",
    "configuration": "/v1/configuration",
    "certificates": "/v1/certificates",
    "logs": "/v1/logs?limit=1000",
    "audit": "/v1/audit?limit=1000",
    "audit_verify": "/v1/audit/verify",
    "openapi": "/v1/openapi.json",
    "metrics": "/metrics",
}
"""Name -> path of the operator API. What identifies patients (records, objects) is never asked for."""


_TREND = "trend "  # before the name of a peer
_MOST_TRENDS = 8


def further(answers: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the questions that follow from the answers so far: how each link was in the last month."""
    links = answers.get("links")
    found = links.get("links", ()) if isinstance(links, dict) else ()
    names = [one["name"] for one in found if isinstance(one, dict) and isinstance(one.get("name"), str)]
    return {
        f"{_TREND}{name}": f"/v1/trends/{quote(name, safe='')}?span=month" for name in names[:_MOST_TRENDS]
    }


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that was not answered."""

    words: str


Answers = Mapping[str, Any]
"""Name of a question -> JSON (text for metrics), or a Failure."""

_DELIVERY_KEYS = (
    "number", "object_number", "destination", "state", "priority", "sop_class", "size", "calling_ae",
    "received_at", "updated_at", "attempts", "not_before",
)  # fmt: skip
_STEP_KEYS = (
    "number", "kind", "destination", "state", "waits_for", "size", "attempts", "uncertain", "not_before",
    "status", "received_at", "updated_at",
)  # fmt: skip
_COMMITMENT_KEYS = (
    "number", "destinations", "state", "open", "committed", "failed", "attempts", "not_before", "received_at",
    "finished_at",
)  # fmt: skip
_NEVER = frozenset(("pem", "request", "text"))  # keys of certificates: long, and of no help


@dataclass(slots=True)
class _Work:
    """One bundle in the making."""

    answers: Answers
    scrubber: Scrubber
    parts: list[Part] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        self.parts.append(Part(name, WORDS_OF[name], text if text.endswith("\n") else text + "\n"))

    def add_json(self, name: str, question: str, shape: Callable[[Any], Any]) -> None:
        """Add what `shape` keeps of an answer; an answer that is not there says why."""
        answer = self.answers.get(question, Failure("it was not asked"))
        if isinstance(answer, Failure):
            self.add(name, f"Not available: {self.scrubber.text(answer.words)}")
            return
        try:
            text = json.dumps(shape(answer), indent=1, ensure_ascii=False)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            text = f"Not available: the answer was strange ({type(error).__name__})."
        self.add(name, text)


def build(answers: Answers, machine: MachineReport, vocabulary: frozenset[str], *, now: float) -> Bundle:
    """Return the bundle. `now` is its time; `vocabulary`: see gateway.support.vocabulary."""
    configuration = _configuration(answers.get("configuration"))
    work = _Work(answers, Scrubber(vocabulary, _known(configuration)))
    scrubbed = work.scrubber.json
    work.add("machine.txt", _machine_words(machine))
    work.add("machine.json", json.dumps(codec.encode(machine), indent=1))
    work.add_json("status.json", "status", scrubbed)
    work.add_json(
        "deliveries.json", "deliveries", lambda page: scrubbed(_page(page["deliveries"], _DELIVERY_KEYS))
    )
    work.add_json("held.json", "held", scrubbed)
    work.add_json("steps.json", "steps", lambda page: scrubbed(_page(page["steps"], _STEP_KEYS)))
    work.add_json(
        "commitments.json", "commitments", lambda page: scrubbed(_page(page["commitments"], _COMMITMENT_KEYS))
    )
    work.add_json("associations.json", "associations", scrubbed)
    work.add_json("peers.json", "peers", scrubbed)
    work.add_json("routes.json", "routes", scrubbed)
    work.add_json("links.json", "links", scrubbed)
    work.add_json("budget.json", "budget", scrubbed)
    work.add("trends.json", _trends(work))
    work.add_json("configuration.json", "configuration", lambda _: configuration)
    work.add_json("certificates.json", "certificates", _certificates)
    work.add_json("audit.json", "audit", lambda page: scrubbed(_audit(page, answers.get("audit_verify"))))
    work.add("log.txt", _log(work))
    work.add("metrics.txt", _metrics(work))
    work.add_json("api.json", "openapi", lambda document: {"version": scrubbed(document["info"]["version"])})
    gateway = str(configuration.get("gateway", {}).get("name", "gateway")) if configuration else "gateway"
    about = ABOUT.format(
        version=__version__,
        made=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)),
        replaced=work.scrubber.replaced,
        files="\n".join(f"  {part.name:<20} {part.words}" for part in work.parts),
    )
    return pack(gateway, now, [Part("README.txt", WORDS_OF["README.txt"], about), *work.parts])


def _trends(work: _Work) -> str:
    """Return the trend of each link on a line of its own: long columns of numbers."""
    lines = []
    for question, answer in work.answers.items():
        if question.startswith(_TREND):
            told = {"error": answer.words} if isinstance(answer, Failure) else answer
            lines.append(json.dumps(work.scrubber.json(told), separators=(",", ":")))
    return "\n".join(lines) or "No link has been seen yet."


def _configuration(answer: Any) -> dict[str, Any]:
    """Return the values of all files, merged as far as sections go; empty when there are none."""
    merged: dict[str, Any] = {}
    if isinstance(answer, Failure) or not isinstance(answer, dict):
        return merged
    for file in answer.get("files", ()):
        try:
            values = redacted(str(file["text"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # a file that is no TOML keeps the gateway from starting, not us from helping
        for key, value in values.items():
            if isinstance(value, list) and isinstance(merged.get(key), list):
                merged[key] = [*merged[key], *value]
            elif isinstance(value, dict) and isinstance(merged.get(key), dict):
                merged[key] = {**merged[key], **value}
            else:
                merged[key] = value
    return merged


def _known(configuration: dict[str, Any]) -> list[str]:
    """Return what the configuration names, each no longer than a name is."""
    return [name for name in dict.fromkeys(names(configuration)) if 2 <= len(name) <= 128][:2000]


def _machine_words(machine: MachineReport) -> str:
    lines = []
    for title, finding in machine.findings():
        lines.append(f"{title}: {finding.verdict}: {english(finding.words)}")
        if finding.next_step is not None:
            lines.append(f"  {english(finding.next_step)}")
    return "\n".join(lines)


def _page(rows: list[dict[str, Any]], keys: tuple[str, ...]) -> dict[str, Any]:
    """Return counts, and of each row only what is known to name nobody."""
    counts = Counter((str(row.get("destination", "")), row["state"]) for row in rows)
    return {
        "counts": [
            {"destination": destination, "state": state, "count": count}
            for (destination, state), count in sorted(counts.items())
        ],
        "rows": [{key: row[key] for key in keys if key in row} for row in rows],
    }


def _certificates(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {key: _certificates(value) for key, value in answer.items() if key not in _NEVER}
    return [_certificates(item) for item in answer] if isinstance(answer, list) else answer


def _audit(page: dict[str, Any], verdict: Any) -> dict[str, Any]:
    """Return how often what was done; not by whom, and none of the words that people wrote."""
    entries = page["entries"]
    counts = Counter((one["what"], "done" if one["outcome"] == "done" else "not done") for one in entries)
    return {
        "entries": len(entries),
        "people": len({one["who"] for one in entries}),
        "newest_at": entries[0]["at"] if entries else None,
        "counts": [
            {"what": what, "outcome": outcome, "count": count}
            for (what, outcome), count in sorted(counts.items())
        ],
        "whole": verdict.get("ok") if isinstance(verdict, dict) else None,
    }


def _log(work: _Work) -> str:
    page = work.answers.get("logs", Failure("it was not asked"))
    if isinstance(page, Failure):
        return f"Not available: {work.scrubber.text(page.words)}"
    return "\n".join(_log_line(work.scrubber, line) for line in page["lines"]) or "Nothing was logged."


def _log_line(scrubber: Scrubber, line: dict[str, Any]) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(line["at"]))
    fields = [
        f"{scrubber.text(one['name'])}={_field(scrubber, one['name'], one['value'])}"
        for one in line["fields"]
    ]
    head = " ".join([f"{moment}Z", scrubber.text(line["level"]), scrubber.text(line["event"]), *fields])
    return "\n".join([head, *(f"    | {scrubber.frame(frame)}" for frame in line["traceback"])])


_COUNTS = frozenset(
    ("object", "delivery", "transaction", "step", "count", "attempts", "objects", "failures", "accepted",
     "records_missing", "refused", "unanswered", "committed", "failed", "resent", "held", "dropped")
)  # fmt: skip
_IDS = frozenset(("association", "far"))


def _field(scrubber: Scrubber, name: str, value: str) -> str:
    """Return the value of a field: numbers that the gateway counts by itself stay, and its own short ids."""
    if name in _COUNTS and value.isascii() and value.isdigit():
        return value
    if name in _IDS and len(value) <= 12 and value.isascii() and value.isalnum():
        return value
    if name in ("calling", "called"):
        return scrubber.name(value)
    if name == "who":
        return scrubber.person(value)
    return json.dumps(scrubber.text(value), ensure_ascii=False)


def _metrics(work: _Work) -> str:
    text = work.answers.get("metrics", Failure("it was not asked"))
    if isinstance(text, Failure):
        return f"Not available: {work.scrubber.text(text.words)}"
    return "\n".join(_metric(work.scrubber, line) for line in str(text).splitlines()[:5000])


def _metric(scrubber: Scrubber, line: str) -> str:
    """Return a sample with its labels scrubbed; the numbers count, they do not name."""
    name, brace, rest = line.partition("{")
    if line.startswith("#") or not brace:
        head, _, value = line.rpartition(" ")
        return f"{scrubber.text(head)} {value}" if _is_number(value) else scrubber.text(line)
    labels, _, value = rest.rpartition("} ")
    if not _is_number(value):
        return scrubber.text(line)
    return f"{scrubber.text(name)}{{{scrubber.text(labels)}}} {value}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
