"""Certificates: what is used and until when, a request for an authority, and what came back from it.

A key is made by the gateway and never leaves it: no operation takes one or gives one.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final, Protocol

from gateway.errors import LocalError
from gateway.operator.answering import answer, problem, read_body, who
from gateway.operator.certificate_facts import (
    AuthoritiesAnswer,
    CertificateAnswer,
    CertificateCheck,
    Certificates,
    CertificateWanted,
    IdentityFacts,
    VersionWanted,
)
from gateway.operator.http import Request, Response
from gateway.operator.routes import Parameter, Route
from gateway.operator.section import Section

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class CertificatesPort(Protocol):
    """What this section asks of the daemon. Errors are those named in `problems_of`."""

    async def list(self) -> Certificates: ...

    async def identity(self, name: str) -> IdentityFacts: ...

    async def ask(self, name: str, wanted: CertificateWanted, *, who: str) -> IdentityFacts: ...

    async def discard(self, name: str) -> IdentityFacts: ...

    async def check(self, name: str, answer: CertificateAnswer) -> CertificateCheck: ...

    async def install(self, name: str, answer: CertificateAnswer, *, who: str) -> CertificateCheck: ...

    async def check_authorities(self, name: str, answer: AuthoritiesAnswer) -> CertificateCheck: ...

    async def trust(self, name: str, answer: AuthoritiesAnswer, *, who: str) -> CertificateCheck: ...

    async def activate(self, name: str, number: int) -> IdentityFacts: ...

    async def remove(self, name: str) -> Certificates: ...


class CertificateError(LocalError):
    """It could not be done; the text says why."""


class NoSuchIdentity(CertificateError):
    """There is no identity, request or version of that name or number."""


class InTheWay(CertificateError):
    """Something else has to be done first."""


class NotAcceptable(CertificateError):
    """What was asked for cannot be done with these values."""


class CertificatesBusy(CertificateError):
    """Too many questions wait already."""


_IDENTITY = Parameter(
    "name", "name of the identity: small letters, digits and hyphens", "name", max_length=32
)
_BASE: Final = "/v1/certificates/{name}"


class CertificatesSection(Section):
    """Takes and gives certificates; the work is done by a child process of the daemon."""

    # fmt: off
    routes: ClassVar[tuple[Route, ...]] = (
        Route("GET", "/v1/certificates", "certificates", "Certificates in use, and those kept here.",
              Certificates, errors=(503,)),
        Route("GET", _BASE, "identity", "One identity, with its request and its versions.",
              IdentityFacts, (_IDENTITY,), errors=(404, 422, 503)),
        Route("POST", _BASE + "/request", "request_certificate", "Make a key and a request for an authority.",
              IdentityFacts, (_IDENTITY,), body=CertificateWanted, errors=(409, 422, 503)),
        Route("POST", _BASE + "/discard-request", "discard_request", "Forget a request, and its key.",
              IdentityFacts, (_IDENTITY,), errors=(404, 422, 503)),
        Route("POST", _BASE + "/check", "check_certificate", "Say what installing this would do.",
              CertificateCheck, (_IDENTITY,), body=CertificateAnswer, errors=(422, 503), audited=False),
        Route("POST", _BASE + "/install", "install_certificate", "Install what an authority answered.",
              CertificateCheck, (_IDENTITY,), body=CertificateAnswer, errors=(409, 422, 503)),
        Route("POST", _BASE + "/check-authorities", "check_authorities", "Say what trusting these would do.",
              CertificateCheck, (_IDENTITY,), body=AuthoritiesAnswer, errors=(422, 503), audited=False),
        Route("POST", _BASE + "/authorities", "trust_authorities", "Trust these authorities.",
              CertificateCheck, (_IDENTITY,), body=AuthoritiesAnswer, errors=(409, 422, 503)),
        Route("POST", _BASE + "/activate", "activate_certificate", "Use another version, from now on.",
              IdentityFacts, (_IDENTITY,), body=VersionWanted, errors=(404, 422, 503)),
        Route("POST", _BASE + "/remove", "remove_identity", "Remove an identity that nothing uses.",
              Certificates, (_IDENTITY,), errors=(404, 409, 422, 503)),
    )
    # fmt: on
    problems: ClassVar[tuple[tuple[type[Exception], int, str], ...]] = (
        (NoSuchIdentity, 404, "`dicom-gateway cert list` names them."),
        (InTheWay, 409, "`dicom-gateway cert show NAME` says how things are."),
        (NotAcceptable, 422, "Correct what is named, and try again."),
        (CertificatesBusy, 503, "Try again in a moment."),
    )

    def __init__(self, port: CertificatesPort) -> None:
        self._port = port

    async def certificates(self, _request: Request) -> Response:
        return answer(await self._port.list())

    async def identity(self, _request: Request, name: str) -> Response:
        return answer(await self._port.identity(name))

    async def request_certificate(self, request: Request, name: str) -> Response:
        wanted = await read_body(request, CertificateWanted)
        made = await self._port.ask(_checked(name), wanted, who=await who(request))
        if made.request is not None:
            request.note = f"{made.request.key}, public key {made.request.key_sha256[:16]}"
        return answer(made)

    async def discard_request(self, _request: Request, name: str) -> Response:
        return answer(await self._port.discard(_checked(name)))

    async def check_certificate(self, request: Request, name: str) -> Response:
        return answer(await self._port.check(_checked(name), await read_body(request, CertificateAnswer)))

    async def install_certificate(self, request: Request, name: str) -> Response:
        given = await read_body(request, CertificateAnswer)
        done = await self._port.install(_checked(name), given, who=await who(request))
        if done.ok and done.chain:
            request.note = f"SHA-256 {done.chain[0].sha256}"
        return _done(done)

    async def check_authorities(self, request: Request, name: str) -> Response:
        given = await read_body(request, AuthoritiesAnswer)
        return answer(await self._port.check_authorities(_checked(name), given))

    async def trust_authorities(self, request: Request, name: str) -> Response:
        given = await read_body(request, AuthoritiesAnswer)
        done = await self._port.trust(_checked(name), given, who=await who(request))
        if done.ok:
            request.note = "SHA-256 " + ", ".join(one.sha256[:16] for one in done.authorities[:4])
        return _done(done)

    async def activate_certificate(self, request: Request, name: str) -> Response:
        wanted = await read_body(request, VersionWanted)
        request.note = f"version {wanted.number}"
        return answer(await self._port.activate(_checked(name), wanted.number))

    async def remove_identity(self, _request: Request, name: str) -> Response:
        return answer(await self._port.remove(_checked(name)))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NotAcceptable("a name has 1 to 32 small letters, digits or hyphens")
    return name


def _done(done: CertificateCheck) -> Response:
    """Return what was installed; a refusal is a problem, with the errors in words."""
    if done.ok:
        return answer(done)
    words = "; ".join(one.words for one in done.findings if one.level == "error")
    return problem(409, words or "nothing was installed", "The check of the same answer tells all findings.")
