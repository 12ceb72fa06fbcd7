"""The daemon's side of the certificates: questions to a child process, one at a time, bounded.

What needs cryptography would cost the daemon megabytes for the rest of its life; the child is gone after each
question.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.operator import certificate_facts as facts
from gateway.operator import codec
from gateway.operator.sections.certificates import (
    CertificateError,
    CertificatesBusy,
    InTheWay,
    NoSuchIdentity,
    NotAcceptable,
)

_log = logging.getLogger(__name__)

_MAX_ANSWER: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """What one child may take, and how many questions may wait. Seconds and counts."""

    time_limit: float = 60.0  # an RSA key on a small board takes some ten
    max_waiting: int = 4
    fresh: float = 600.0  # a listing is good for so long when no file changed


_ERRORS: Final[dict[str, type[CertificateError]]] = {
    "not-found": NoSuchIdentity,
    "conflict": InTheWay,
    "invalid": NotAcceptable,
}


@dataclass(frozen=True, slots=True)
class Use:
    """Files that a part of the configuration names."""

    kind: str  # "listener", "peer" or "link"
    name: str
    certificate: Path
    key: Path
    ca: Path


class CertificateRoom:
    """Implements sections.certificates.CertificatesPort."""

    def __init__(
        self,
        state_dir: Path,
        uses: Sequence[Use],
        *,
        limits: RoomLimits | None = None,
        wall_clock: Callable[[], float] = time.time,
        clock_doubt: str | None = None,
        child: Sequence[str] = ("-m", "gateway.certificates"),
    ) -> None:
        """`uses`: what the running configuration names; `child`: arguments of the interpreter.

        `clock_doubt`: why the clock is not trusted, empty when it is; None: look each time.
        """
        self._store = state_dir / "certificates"
        self._uses = tuple(uses)
        self._limits = limits or RoomLimits()
        self._wall_clock = wall_clock
        self._clock_doubt = clock_doubt
        self._child = tuple(child)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._listed: tuple[object, float, facts.Certificates] | None = None

    async def list(self) -> facts.Certificates:
        """Everything there is; read again only when a file changed, or after some minutes."""
        stamp = await asyncio.to_thread(self._stamp)
        now = self._wall_clock()
        known = self._listed
        if known is not None and known[0] == stamp and 0 <= now - known[1] < self._limits.fresh:
            return known[2]
        listed = await self._ask(facts.Certificates, "list")
        self._listed = (stamp, now, listed)
        return listed

    async def identity(self, name: str) -> facts.IdentityFacts:
        """One identity. NoSuchIdentity."""
        for identity in (await self.list()).identities:
            if identity.name == name:
                return identity
        raise NoSuchIdentity(f"there is no identity {name[:40]!r}")

    async def ask(self, name: str, wanted: facts.CertificateWanted, *, who: str) -> facts.IdentityFacts:
        """Make a key and a request. NotAcceptable; InTheWay while another request waits."""
        return await self._ask(facts.IdentityFacts, "ask", name, wanted, who)

    async def discard(self, name: str) -> facts.IdentityFacts:
        """Forget a request and its key. NoSuchIdentity."""
        return await self._ask(facts.IdentityFacts, "discard", name)

    async def check(self, name: str, answer: facts.CertificateAnswer) -> facts.CertificateCheck:
        """Say what installing would do."""
        return await self._ask(facts.CertificateCheck, "check", name, answer)

    async def install(
        self, name: str, answer: facts.CertificateAnswer, *, who: str
    ) -> facts.CertificateCheck:
        """Install what an authority answered, unless the check finds an error."""
        return await self._ask(facts.CertificateCheck, "install", name, answer, who)

    async def check_authorities(self, name: str, answer: facts.AuthoritiesAnswer) -> facts.CertificateCheck:
        """Say what trusting these authorities would do."""
        return await self._ask(facts.CertificateCheck, "check-authorities", name, answer)

    async def trust(self, name: str, answer: facts.AuthoritiesAnswer, *, who: str) -> facts.CertificateCheck:
        """Trust these authorities, unless the check finds an error."""
        return await self._ask(facts.CertificateCheck, "trust", name, answer, who)

    async def activate(self, name: str, number: int) -> facts.IdentityFacts:
        """Use another version. NoSuchIdentity; NotAcceptable."""
        return await self._ask(facts.IdentityFacts, "activate", name, facts.VersionWanted(number))

    async def remove(self, name: str) -> facts.Certificates:
        """Remove an identity that nothing uses. NoSuchIdentity; InTheWay while it is used."""
        return await self._ask(facts.Certificates, "remove", name)

    # --- the child -----------------------------------------------------------------------------------

    async def _ask(
        self, kind: type[codec.T], do: str, name: str = "", body: object = None, who: str = ""
    ) -> codec.T:
        if self._waiting >= self._limits.max_waiting:
            raise CertificatesBusy("certificates are being worked on; try again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                told = await self._run(self._question(do, name, body, who))
        finally:
            self._waiting -= 1
        if "error" in told:
            raise _ERRORS.get(str(told.get("kind")), CertificateError)(str(told["error"]))
        return codec.decode(kind, told["answer"])

    def _question(self, do: str, name: str, body: object, who: str) -> bytes:
        now = self._wall_clock()
        uses = [
            {
                "kind": use.kind,
                "name": use.name,
                "certificate": str(use.certificate),
                "key": str(use.key),
                "ca": str(use.ca),
            }
            for use in self._uses
        ]
        asked = {
            "store": str(self._store),
            "now": now,
            "clock_doubt": self._clock_doubt,
            "uses": uses,
            "do": do,
            "name": name,
            "who": who,
            "body": codec.encode(body),
        }
        return json.dumps(asked).encode()

    async def _run(self, question: bytes) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._child,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback may quote what was pasted
        )
        try:
            async with asyncio.timeout(self._limits.time_limit):
                raw = await _exchange(process, question)
                code = await process.wait()
        except TimeoutError:
            raise CertificateError("working on the certificates took too long, and was given up") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if code != 0:
            _log.error("the process that works on certificates ended with %d", code)
            raise CertificateError("the certificates could not be worked on: the process that does it died")
        told = json.loads(raw)
        if not isinstance(told, dict):
            raise CertificateError("the certificates could not be worked on: a strange answer")
        return told

    def _stamp(self) -> object:
        """What changes when any of the files does. Blocking."""
        files = [path for use in self._uses for path in (use.certificate, use.key, use.ca)]
        with suppress(OSError):
            for entry in os.scandir(self._store):
                files += [
                    Path(entry.path, part)
                    for part in ("current", "current/certificate.pem", "versions", "pending")
                ]
        return tuple(_file_stamp(path) for path in files)


def _file_stamp(path: Path) -> tuple[str, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_mtime_ns, found.st_ino


async def _exchange(process: asyncio.subprocess.Process, question: bytes) -> bytes:
    """Write the question, read the answer, within bounds."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the child has no pipes")
    with suppress(BrokenPipeError, ConnectionResetError):  # it died; its exit code says so
        process.stdin.write(question)
        await process.stdin.drain()
    process.stdin.close()
    answer = bytearray()
    while piece := await process.stdout.read(65536):
        answer += piece
        if len(answer) > _MAX_ANSWER:
            process.kill()
            break
    return bytes(answer)
