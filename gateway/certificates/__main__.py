"""The child process: one question as JSON on stdin, one answer as JSON on stdout.

{"store": PATH, "now": SECONDS, "clock_doubt": WORDS, "uses": [...], "do": OPERATION, ...arguments}
{"answer": FACTS}  or  {"error": WORDS, "kind": "not-found" | "conflict" | "invalid" | "io"}
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from gateway.certificates.store import Store, StoreError
from gateway.certificates.work import Use, Work
from gateway.health.clock import read
from gateway.health.english import english
from gateway.health.machine import Machine
from gateway.operator import certificate_facts as facts
from gateway.operator import codec

MAX_QUESTION: Final = 1 << 20


def answer(question: dict[str, Any]) -> object:
    """Return the facts that a question asks for. StoreError."""
    work = Work(
        Store(Path(question["store"])),
        [Use(**use) for use in question["uses"]],
        now=question["now"],
        clock_doubt=_doubt() if question["clock_doubt"] is None else question["clock_doubt"],
    )
    name, who, body = question.get("name", ""), question.get("who", ""), question.get("body")
    match question["do"]:
        case "list":
            return work.list()
        case "ask":
            return work.ask(name, codec.decode(facts.CertificateWanted, body), who)
        case "discard":
            return work.discard(name)
        case "check":
            return work.check(name, codec.decode(facts.CertificateAnswer, body))
        case "install":
            return work.install(name, codec.decode(facts.CertificateAnswer, body), who)
        case "check-authorities":
            return work.check_authorities(name, codec.decode(facts.AuthoritiesAnswer, body))
        case "trust":
            return work.trust(name, codec.decode(facts.AuthoritiesAnswer, body), who)
        case "activate":
            return work.activate(name, codec.decode(facts.VersionWanted, body).number)
        case "remove":
            return work.remove(name)
        case other:
            raise StoreError("invalid", f"no such operation: {other}")


def _doubt() -> str:
    """Return why dates cannot be judged here, in words; empty when the clock is trusted."""
    clock = read(Machine())
    return "" if clock.trusted else english(clock.finding.words)


def main() -> int:
    """Answer one question."""
    os.umask(0o077)
    try:
        told: dict[str, Any] = {
            "answer": codec.encode(answer(json.loads(sys.stdin.buffer.read(MAX_QUESTION))))
        }
    except StoreError as error:
        told = {"error": str(error), "kind": error.kind}
    except ValueError as error:
        told = {"error": str(error), "kind": "invalid"}
    except OSError as error:
        told = {"error": f"the folder of the certificates: {error.strerror}", "kind": "io"}
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
