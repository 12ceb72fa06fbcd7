"""The configuration through the operator API: see, check, change on trial, keep, go back."""

from __future__ import annotations

from typing import Protocol

from gateway.operator import configuration_facts as facts
from gateway.operator.answering import answer, read_body, who
from gateway.operator.configuration_errors import (
    ChangedMeanwhile,
    NoSuchVersion,
    NotAcceptable,
    NotAcknowledged,
    NotChecked,
    NotPossibleNow,
    NotValid,
    NotWritable,
    TooManyChecks,
)
from gateway.operator.http import Request, Response
from gateway.operator.routes import Parameter, Route
from gateway.operator.section import Section

MAX_BODY = 1 << 20  # bytes: files of half a mebibyte together, with what JSON adds to them

_VERSION = Parameter("number", "number of the version", "number")
_AGAIN = "Look at the configuration as it is now, and make the change again."
_STATE = "`dicom-gateway config show` says what is in force and what is on trial."


class ConfigurationControl(Protocol):
    """What this needs of the daemon (gateway.configuring.keeper)."""

    async def state(self) -> facts.ConfigurationState: ...

    async def show(self) -> facts.ConfigurationFacts: ...

    async def versions(self) -> facts.ConfigurationHistory: ...

    async def version(self, number: int) -> facts.ConfigurationVersionDetail: ...

    def schema(self) -> facts.ConfigurationSchema: ...

    async def check(self, candidate: facts.ConfigurationCandidate) -> facts.ConfigurationReport: ...

    async def apply(self, wanted: facts.ApplyRequest, who: str) -> facts.ConfigurationState: ...

    async def rollback(self, wanted: facts.RollbackRequest, who: str) -> facts.ConfigurationState: ...

    async def confirm(self, number: int) -> facts.ConfigurationState: ...


class ConfigurationSection(Section):
    """One method for each operation of the route table, by its name."""

    # fmt: off
    routes = (
        Route("GET", "/v1/configuration", "configuration", "The configuration as it is on the disk.",
              facts.ConfigurationFacts, errors=(503,)),
        Route("GET", "/v1/configuration/state", "configuration_state", "What is in force, and on trial.",
              facts.ConfigurationState),
        Route("GET", "/v1/configuration/schema", "configuration_schema", "Every section and key there is.",
              facts.ConfigurationSchema),
        Route("GET", "/v1/configuration/versions", "configuration_versions", "The history, newest first.",
              facts.ConfigurationHistory),
        Route("GET", "/v1/configuration/versions/{number}", "configuration_version",
              "One version with its files.",
              facts.ConfigurationVersionDetail, (_VERSION,), errors=(404,)),
        Route("POST", "/v1/configuration/check", "check_configuration", "Check a candidate as a whole.",
              facts.ConfigurationReport, body=facts.ConfigurationCandidate, errors=(413, 422, 503),
              audited=False),
        Route("POST", "/v1/configuration/apply", "apply_configuration",
              "Put a configuration in force on trial, and start again with it.",
              facts.ConfigurationState, body=facts.ApplyRequest, errors=(409, 413, 422, 503)),
        Route("POST", "/v1/configuration/confirm", "confirm_configuration", "Keep what is on trial.",
              facts.ConfigurationState, body=facts.ConfirmRequest, errors=(409,)),
        Route("POST", "/v1/configuration/rollback", "rollback_configuration",
              "Back to an earlier version on trial, or end the trial with the former one.",
              facts.ConfigurationState, body=facts.RollbackRequest, errors=(404, 409, 422, 503)),
    )
    # fmt: on

    problems = (
        (NoSuchVersion, 404, "`dicom-gateway config history` names the versions."),
        (ChangedMeanwhile, 409, _AGAIN),
        (NotAcknowledged, 409, "Change less, or acknowledge what it does."),
        (NotPossibleNow, 409, _STATE),
        (NotWritable, 409, "systemd/README.md says who owns the configuration's folder."),
        (NotAcceptable, 422, "See /v1/openapi.json for what is allowed."),
        (NotValid, 422, "`dicom-gateway config check` shows every problem with its place."),
        (TooManyChecks, 503, "Try again in a moment."),
        (NotChecked, 503, "Try again in a moment."),
    )

    def __init__(self, control: ConfigurationControl) -> None:
        self._control = control

    async def configuration(self, _request: Request) -> Response:
        return answer(await self._control.show())

    async def configuration_state(self, _request: Request) -> Response:
        return answer(await self._control.state())

    async def configuration_schema(self, _request: Request) -> Response:
        return answer(self._control.schema())

    async def configuration_versions(self, _request: Request) -> Response:
        return answer(await self._control.versions())

    async def configuration_version(self, _request: Request, number: int) -> Response:
        return answer(await self._control.version(number))

    async def check_configuration(self, request: Request) -> Response:
        return answer(
            await self._control.check(await read_body(request, facts.ConfigurationCandidate, limit=MAX_BODY))
        )

    async def apply_configuration(self, request: Request) -> Response:
        wanted = await read_body(request, facts.ApplyRequest, limit=MAX_BODY)
        state = await self._control.apply(wanted, await who(request))
        request.note = _note(state, wanted.why)
        return answer(state)

    async def confirm_configuration(self, request: Request) -> Response:
        wanted = await read_body(request, facts.ConfirmRequest)
        request.note = f"version {wanted.number}"
        return answer(await self._control.confirm(wanted.number))

    async def rollback_configuration(self, request: Request) -> Response:
        wanted = await read_body(request, facts.RollbackRequest)
        state = await self._control.rollback(wanted, await who(request))
        to = "the former configuration" if wanted.to is None else f"version {wanted.to}"
        request.note = f"to {to}" + (f": {wanted.why.strip()}" if wanted.why.strip() else "")
        return answer(state)


def _note(state: facts.ConfigurationState, why: str) -> str:
    version = f"version {state.trial.number}" if state.trial else "a version"
    return f"{version}: {why.strip()}" if why.strip() else version
