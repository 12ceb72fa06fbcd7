"""The client of the operator API, for the command line and the tests: blocking, and small to import.

One connection to the daemon's Unix socket, kept for as many requests as come. Every failure is one of two:
DaemonUnreachable (no answer at all) or ApiProblem (an answer that says what is wrong, and what to do next).
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlencode

from gateway.errors import GatewayError
from gateway.operator import codec, facts
from gateway.operator.routes import DICOM

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 120.0  # seconds; an echo through every phase's own timeout takes less
_PIECE = 256 * 1024


class DaemonUnreachable(GatewayError):
    """Nobody answers on the socket; the text says which one, and how to start the daemon."""


class ApiProblem(GatewayError):
    """The daemon answered with a problem."""

    def __init__(self, details: facts.ProblemDetails) -> None:
        super().__init__(details.detail)
        self.details = details


class OperatorClient:
    """Asks the daemon on `path`. Use it as a context manager."""

    def __init__(self, path: Path, *, timeout: float = ANSWER_TIMEOUT) -> None:
        self.path = path
        self._timeout = timeout
        self._connection: _UnixConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; the next request opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # what is

    def status(self) -> codec.Json:
        """Return the JSON of facts.Status."""
        return self._ask("GET", "/v1/status")

    def deliveries(self, **filters: str | int | None) -> codec.Json:
        """Return the JSON of facts.DeliveryPage. Filters: those of GET /v1/deliveries."""
        return self._ask("GET", "/v1/deliveries" + _query(filters))

    def story(self, number: int) -> codec.Json:
        """Return the JSON of facts.Story."""
        return self._ask("GET", f"/v1/deliveries/{number}")

    def commitments(self, **filters: int | None) -> codec.Json:
        """Return the JSON of facts.CommitmentPage. Filters: before, limit."""
        return self._ask("GET", "/v1/commitments" + _query(filters))

    def steps(self, **filters: str | int | None) -> codec.Json:
        """Return the JSON of facts.StepPage. Filters: state, destination, after, limit."""
        return self._ask("GET", "/v1/steps" + _query(filters))

    def audit(self, **filters: str | int | None) -> codec.Json:
        """Return the JSON of AuditPage. Filters: since, until, who, what, q, before, limit."""
        return self._ask("GET", "/v1/audit" + _query(filters))

    def verify_audit(self, digest: str | None = None) -> codec.Json:
        """Check the audit trail; return the JSON of AuditVerdict."""
        return self._ask("GET", "/v1/audit/verify" + _query({"digest": digest}))

    def store_check(self) -> codec.Json:
        """Return the JSON of sections.store_check.StoreCheck."""
        return self._ask("GET", "/v1/store-check")

    def check_store(self) -> codec.Json:
        """Have everything checked from now on; return the JSON of StoreCheck."""
        return self._ask("POST", "/v1/store-check")

    def associations(self) -> codec.Json:
        """Return the JSON of facts.Associations."""
        return self._ask("GET", "/v1/associations")

    def fetch(self, path: str) -> codec.Json:
        """Return what is at a path with its query, as JSON."""
        return self._ask("GET", path)

    def configuration(self) -> codec.Json:
        """Return the JSON of configuration_facts.ConfigurationFacts."""
        return self._ask("GET", "/v1/configuration")

    def configuration_state(self) -> codec.Json:
        """Return the JSON of configuration_facts.ConfigurationState."""
        return self._ask("GET", "/v1/configuration/state")

    def configuration_versions(self) -> codec.Json:
        """Return the JSON of configuration_facts.ConfigurationHistory."""
        return self._ask("GET", "/v1/configuration/versions")

    def configuration_version(self, number: int) -> codec.Json:
        """Return the JSON of configuration_facts.ConfigurationVersionDetail."""
        return self._ask("GET", f"/v1/configuration/versions/{number}")

    def check_configuration(self, files: list[dict[str, str]]) -> codec.Json:
        """Return the JSON of configuration_facts.ConfigurationReport about files with `name` and `text`."""
        return self._ask("POST", "/v1/configuration/check", {"files": files})

    def certificates(self, what: str, name: str = "", body: dict[str, Any] | None = None) -> codec.Json:
        """Return the JSON of what an operation of sections.certificates answers; `list` without a name."""
        if what == "list":
            return self._ask("GET", "/v1/certificates")
        path = f"/v1/certificates/{quote(name, safe='')}"
        if what == "identity":
            return self._ask("GET", path)
        paths = {"ask": "request", "discard": "discard-request"}
        return self._ask("POST", f"{path}/{paths.get(what, what)}", body)

    def metrics(self) -> str:
        """Return the metrics in the Prometheus text format."""
        response = self._request("GET", "/metrics")
        return response.read().decode()

    def events(self) -> Iterator[tuple[str, codec.Json]]:
        """Yield (kind, data) of every event from now on, until the daemon ends. Uses the connection up."""
        response = self._request("GET", "/v1/events", headers={"Accept": "text/event-stream"})
        kind = ""
        try:
            for raw in response:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield kind, json.loads(line.removeprefix("data: "))
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            self.close()

    def export(self, number: int, target: BinaryIO) -> int:
        """Write the object of a delivery as a Part 10 file to `target`; return its length."""
        response = self._request("GET", f"/v1/deliveries/{number}/export")
        written = 0
        try:
            while piece := response.read(_PIECE):
                target.write(piece)
                written += len(piece)
        except http.client.HTTPException as error:
            raise self._unreachable(error) from error
        if response.length:
            raise DaemonUnreachable(
                "the daemon stopped in the middle of the file; what was written is not whole"
            )
        return written

    # what is done

    def act(self, number: int, action: str, *, reason: str | None = None) -> codec.Json:
        """Retry, hold, release or discard a delivery; return the JSON of facts.DeliveryFacts."""
        body = None if reason is None else {"reason": reason}
        return self._ask("POST", f"/v1/deliveries/{number}/{action}", body)

    def act_on_step(self, number: int, action: str, *, reason: str | None = None) -> codec.Json:
        """Retry or discard a message of a procedure step; return the JSON of facts.StepFacts."""
        body = None if reason is None else {"reason": reason}
        return self._ask("POST", f"/v1/steps/{number}/{action}", body)

    def retry_held(self, destination: str | None = None, cause: str | None = None) -> codec.Json:
        """Put held deliveries back into the queue; return the JSON of facts.Retried."""
        return self._ask("POST", "/v1/deliveries/retry-held", {"destination": destination, "cause": cause})

    def apply_configuration(self, wanted: dict[str, Any]) -> codec.Json:
        """Put a configuration on trial (ApplyRequest); return the JSON of ConfigurationState."""
        return self._ask("POST", "/v1/configuration/apply", wanted)

    def confirm_configuration(self, number: int) -> codec.Json:
        """Keep the version on trial; return the JSON of ConfigurationState."""
        return self._ask("POST", "/v1/configuration/confirm", {"number": number})

    def rollback_configuration(self, wanted: dict[str, Any]) -> codec.Json:
        """Go back (RollbackRequest); return the JSON of ConfigurationState."""
        return self._ask("POST", "/v1/configuration/rollback", wanted)

    def steer(self, destination: str, action: str) -> codec.Json:
        """Pause, resume or retry a destination; return the JSON of facts.DestinationFacts."""
        return self._ask("POST", f"/v1/destinations/{quote(destination, safe='')}/{action}")

    def echo(self, peer: str) -> codec.Json:
        """Verify a peer; return the JSON of facts.EchoReport."""
        return self._ask("POST", f"/v1/peers/{quote(peer, safe='')}/echo")

    def test_path(self, peer: str, wanted: Mapping[str, object] | None = None) -> Iterator[codec.Json]:
        """Test the way to a peer; yield the JSON of each sections.path_test.PathLine as it comes."""
        response = self._request("POST", f"/v1/peers/{quote(peer, safe='')}/test", dict(wanted or {}))
        whole = False
        try:
            for raw in response:
                yield json.loads(raw)
            whole = True
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error
        finally:
            if not whole:  # given up half way: the daemon ends the test when we hang up
                self.close()

    def links(self) -> codec.Json:
        """Return the JSON of sections.trends.Links."""
        return self._ask("GET", "/v1/links")

    def watch_links(self) -> codec.Json:
        """Have the destinations watched for a while; return the JSON of sections.trends.WatchLease."""
        return self._ask("POST", "/v1/links/watch")

    def trend(self, peer: str, span: str = "day") -> codec.Json:
        """Return the JSON of sections.trends.Trend."""
        return self._ask("GET", f"/v1/trends/{quote(peer, safe='')}" + _query({"span": span}))

    def budget(self) -> codec.Json:
        """Return the JSON of sections.trends.Budget."""
        return self._ask("GET", "/v1/budget")

    def path_tests(self, peer: str) -> codec.Json:
        """Return the JSON of sections.path_test.PathReports."""
        return self._ask("GET", f"/v1/peers/{quote(peer, safe='')}/tests")

    def send(self, peer: str, size: int, pieces: Iterable[bytes]) -> codec.Json:
        """Pass a Part 10 file of `size` bytes to a peer; return the JSON of facts.SendReport."""
        headers = {"Content-Type": DICOM, "Content-Length": str(size)}
        return self._ask("POST", f"/v1/peers/{quote(peer, safe='')}/send", pieces, headers)

    def _ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> codec.Json:
        response = self._request(method, path, body, headers)
        try:
            return json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error

    def _request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        sent = dict(headers or {"Accept": "application/json"})
        payload: Any = body
        if isinstance(body, dict):
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        if self._connection is None:
            self._connection = _UnixConnection(self.path, self._timeout)
        connection = self._connection
        try:
            try:
                connection.request(method, path, payload, sent)
            except (BrokenPipeError, ConnectionResetError):
                # The daemon may have answered before it took the whole body, and closed: read that answer.
                if connection.sock is None:
                    raise
            response = connection.getresponse()
            if response.status != 200:
                raise _problem(response)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error
        return response

    def _unreachable(self, error: Exception) -> DaemonUnreachable:
        if isinstance(error, FileNotFoundError):
            words = f"no gateway is running: there is no socket {self.path}"
        elif isinstance(error, ConnectionRefusedError):
            words = f"no gateway is running: nobody answers on the socket {self.path}"
        elif isinstance(error, PermissionError):
            words = f"you may not use the socket {self.path}: it is for its owner and its group"
        elif isinstance(error, TimeoutError):
            words = f"the gateway on {self.path} does not answer in time"
        else:
            words = f"the connection to the gateway on {self.path} broke: {error or type(error).__name__}"
        return DaemonUnreachable(words)


def _query(filters: Mapping[str, str | int | None]) -> str:
    given = {name: value for name, value in filters.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _problem(response: http.client.HTTPResponse) -> ApiProblem:
    raw = response.read(65536)
    try:
        details = codec.decode(facts.ProblemDetails, json.loads(raw))
    except ValueError:
        details = facts.ProblemDetails("about:blank", response.reason, response.status, response.reason, "")
    return ApiProblem(details)


class _UnixConnection(http.client.HTTPConnection):
    """http.client over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_TIMEOUT)
            sock.connect(os.fspath(self._path))
            sock.settimeout(self.timeout)
        except BaseException:
            sock.close()
            raise
        self.sock = sock
