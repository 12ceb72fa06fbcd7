from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.errors import PeerError, SpoolFailure
from gateway.notices import Notice, OperatorActed
from gateway.operator.api import ApiLimits
from gateway.operator.client import ApiProblem, OperatorClient
from gateway.operator.control import Busy
from gateway.operator.http import HttpLimits
from gateway.operator.openapi import document
from gateway.operator.routes import ROUTES, Route
from tests.support.fake_control import FILE, FakeControl, delivery, step
from tests.support.operator_daemon import OperatorDaemon, serving

OURSELVES = f"(uid {os.getuid()})"
ARGUMENTS = {
    "deliveries": {"number": "2"},
    "destinations": {"name": "oncology"},
    "peers": {"name": "oncology"},
    "steps": {"number": "2"},
}
BODIES: dict[str, Any] = {
    "hold": {"reason": "why"},
    "discard": {"reason": "why"},
    "discard_step": {"reason": "why"},
    "retry_held": {},
    "send": FILE,
}


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def daemon(control: FakeControl, tmp_path: Path) -> Iterator[OperatorDaemon]:
    limits = ApiLimits(max_sent_bytes=1_000_000)
    with serving(
        control, tmp_path / "op.sock", limits=limits, http_limits=HttpLimits(max_body_bytes=2000)
    ) as daemon:
        yield daemon


@pytest.fixture
def client(daemon: OperatorDaemon) -> Iterator[OperatorClient]:
    with OperatorClient(daemon.path, timeout=10) as client:
        yield client


class Answer:
    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}

    def json(self) -> Any:
        return json.loads(self.body)


def ask(path: Path, raw: bytes) -> Answer:
    """Send bytes as they are, and read until the end."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while data := sock.recv(65536):
            answer += data
    return Answer(answer)


def request(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("route", [r for r in ROUTES if r.operation != "events"], ids=lambda r: r.operation)
def test_every_answer_is_as_the_document_says(daemon: OperatorDaemon, route: Route) -> None:
    described = document()
    path = route.path
    for name, value in ARGUMENTS.get(path.split("/")[2] if path.count("/") > 2 else "", {}).items():
        path = path.replace(f"{{{name}}}", value)
    body = BODIES.get(route.operation, b"")
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = ask(daemon.path, request(route.method, path, raw))
    assert answer.status == 200, answer.body
    content = described["paths"][route.path][route.method.lower()]["responses"]["200"]["content"]
    assert answer.headers["content-type"].split(";")[0] in content
    if not isinstance(route.answer, str):
        schema = {**content["application/json"]["schema"], "components": described["components"]}
        jsonschema.validate(answer.json(), schema, cls=jsonschema.Draft202012Validator)


def test_curl_understands_it(daemon: OperatorDaemon) -> None:
    command = ["curl", "-sS", "--fail", "--unix-socket", str(daemon.path), "http://localhost/v1/status"]
    assert (
        json.loads(subprocess.run(command, capture_output=True, check=True, timeout=10).stdout)["level"]
        == "ok"
    )


def test_lists_are_filtered_and_paged(client: OperatorClient, control: FakeControl) -> None:
    control.rows.append(delivery(4, state="held"))
    first = client.deliveries(limit=2)
    assert [row["number"] for row in first["deliveries"]] == [1, 2]
    second = client.deliveries(limit=2, after=first["next"])
    assert [row["number"] for row in second["deliveries"]] == [3, 4]
    assert second["next"] is None
    assert [
        row["number"] for row in client.deliveries(state="held", destination="oncology")["deliveries"]
    ] == [4]


def test_transactions_and_steps_are_filtered_and_paged(client: OperatorClient) -> None:
    first = client.commitments(limit=2)
    assert [row["number"] for row in first["commitments"]] == [3, 2]
    second = client.commitments(limit=2, before=first["next"])
    assert ([row["number"] for row in second["commitments"]], second["next"]) == ([1], None)
    first = client.steps(limit=2)
    assert ([row["number"] for row in first["steps"]], first["next"]) == ([1, 2], 2)
    assert [row["number"] for row in client.steps(after=2)["steps"]] == [3]
    assert [row["number"] for row in client.steps(state="held", destination="oncology")["steps"]] == [3]


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_actions_on_steps_carry_who_asked(client: OperatorClient, control: FakeControl, action: str) -> None:
    reason = "because" if action == "discard" else None
    client.act_on_step(2, action, reason=reason)
    ((done, number, told, who),) = control.done
    assert (done, number, told) == (action, 2, reason or "")
    assert str(who).endswith(OURSELVES)


def test_what_cannot_be_done_to_a_step_names_the_command_for_steps(
    client: OperatorClient, control: FakeControl
) -> None:
    control.messages.append(step(4, state="done"))
    for number, status in ((99, 404), (4, 409)):
        with pytest.raises(ApiProblem) as caught:
            client.act_on_step(number, "retry")
        assert caught.value.details.status == status
        assert "dicom-gateway steps list" in caught.value.details.next_step


@pytest.mark.parametrize("action", ["retry", "release", "hold", "discard"])
def test_actions_carry_who_asked(client: OperatorClient, control: FakeControl, action: str) -> None:
    reason = "because" if action in ("hold", "discard") else None
    client.act(2, action, reason=reason)
    ((done, number, told, who),) = control.done
    assert (done, number, told) == (action, 2, reason or "")
    assert str(who).endswith(OURSELVES)


def test_destinations_are_steered_and_held_ones_tried_again(
    client: OperatorClient, control: FakeControl
) -> None:
    assert client.steer("oncology", "pause")["paused"] is True
    assert client.steer("oncology", "resume")["paused"] is False
    client.steer("oncology", "retry")
    assert client.retry_held("oncology", "conflict") == {"count": 2}
    assert [entry[0] for entry in control.done] == ["pause", "resume", "retry", "retry-held"]
    assert all(str(entry[-1]).endswith(OURSELVES) for entry in control.done)


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (request("GET", "/v1/nothing"), 404, "nothing at this path"),
        (request("GET", "/v1/deliveries/99"), 404, "no delivery 99"),
        (request("GET", "/v1/deliveries/0"), 400, "number"),
        (request("GET", "/v1/deliveries/" + "9" * 30), 400, "number"),
        (request("GET", "/v1/deliveries/..%2f..%2fetc"), 404, "nothing"),
        (request("GET", "/v1/deliveries?state=lost"), 400, "one of queued"),
        (request("GET", "/v1/deliveries?limit=1001"), 400, "1 to 1000"),
        (request("GET", "/v1/deliveries?number=1"), 400, "unknown query field"),
        (request("GET", "/v1/deliveries?" + "&".join(["a=1"] * 17)), 400, "too many fields"),
        (request("GET", "/v1/deliveries?destination=nobody"), 404, "nobody"),
        (request("GET", "/v1/steps?state=lost"), 400, "one of queued, held, done"),
        (request("GET", "/v1/steps?destination=nobody"), 404, "nobody"),
        (request("POST", "/v1/steps/1/discard", b'{"reason": " "}'), 400, "say why"),
        (request("GET", "/v1/commitments?before=0"), 400, "before"),
        (request("GET", "/v1/commitments?limit=1001"), 400, "1 to 1000"),
        (request("PUT", "/v1/status"), 405, "not possible"),
        (request("POST", "/v1/deliveries/1/hold"), 400, "not JSON"),
        (request("POST", "/v1/deliveries/1/hold", b"{"), 400, "not JSON"),
        (request("POST", "/v1/deliveries/1/hold", b"\xff\xfe"), 400, "not JSON"),
        (request("POST", "/v1/deliveries/1/hold", b"[" * 2000), 400, "not JSON"),
        (request("POST", "/v1/deliveries/1/hold", b"[]"), 400, "an object is expected"),
        (request("POST", "/v1/deliveries/1/hold", b'{"reason": 1}'), 400, "text is expected"),
        (request("POST", "/v1/deliveries/1/hold", b'{"reason": " "}'), 400, "say why"),
        (request("POST", "/v1/deliveries/1/hold", b'{"reason": "a\\nb"}'), 400, "one line"),
        (request("POST", "/v1/deliveries/1/hold", b'{"reason": "a\\u001b[2J"}'), 400, "one line"),
        (request("POST", "/v1/deliveries/1/hold", b'{"reason":"' + b"x" * 501 + b'"}'), 400, "500 char"),
        (request("POST", "/v1/deliveries/1/hold", b'{"reason": "a", "who": "root"}'), 400, "unknown key"),
        (request("POST", "/v1/deliveries/1/hold", b"x" * 2001), 413, "longer than 2000"),
        (request("POST", "/v1/peers/oncology/send"), 411, "length"),
        (request("POST", "/v1/peers/oncology/send", b"", "Content-Length: 1000001"), 413, "at most"),
        (request("POST", "/v1/peers/oncology/send", b"x" * 500), 422, "not a DICOM file"),
        (request("POST", "/v1/peers/oncology/send", b"x", "Transfer-Encoding: chunked"), 400, "not HTTP"),
        (b"complete nonsense\r\n\r\n", 400, "not HTTP"),
        (request("GET", "/v1/status", b"", "X: " + "y" * 20_000), 431, "longer than 16384"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_as_problem_details(
    daemon: OperatorDaemon, raw: bytes, status: int, words: str
) -> None:
    answer = ask(daemon.path, raw)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    details = answer.json()
    assert details["status"] == status
    assert words in details["detail"]
    assert details["next_step"]


def test_what_the_state_forbids_is_a_conflict(client: OperatorClient, control: FakeControl) -> None:
    control.rows.append(delivery(9, state="released"))
    with pytest.raises(ApiProblem, match="released") as caught:
        client.act(9, "retry")
    assert caught.value.details.status == 409


@pytest.mark.parametrize(
    ("error", "status"), [(Busy("b"), 503), (PeerError("p"), 502), (SpoolFailure("s"), 500)]
)
def test_each_family_of_errors_has_its_status(
    client: OperatorClient, control: FakeControl, error: Exception, status: int
) -> None:
    control.crash = error
    with pytest.raises(ApiProblem, match=str(error)) as caught:
        client.status()
    assert caught.value.details.status == status


def test_a_defect_is_logged_told_and_survived(
    client: OperatorClient, control: FakeControl, caplog: pytest.LogCaptureFixture
) -> None:
    control.crash = ZeroDivisionError("secret inside")
    with caplog.at_level(logging.ERROR), pytest.raises(ApiProblem) as caught:
        client.status()
    assert caught.value.details.status == 500
    assert "secret" not in caught.value.details.detail
    assert "ZeroDivisionError" in caplog.text
    control.crash = None
    assert client.status()["level"] == "ok"


def test_a_refusal_is_read_although_the_file_is_not_taken(client: OperatorClient) -> None:
    pieces = (b"x" * 100_000 for _ in range(9))
    with pytest.raises(ApiProblem, match="nobody") as caught:
        client.send("nobody", 900_000, pieces)
    assert caught.value.details.status == 404
    assert client.status()["level"] == "ok"


def test_a_file_passes_through_as_it_is(client: OperatorClient, control: FakeControl) -> None:
    assert client.send("oncology", len(FILE), [FILE[:100_000], FILE[100_000:]])["status"] == "0x0000"
    assert control.sent == [FILE]


def test_names_with_slashes_stay_names(client: OperatorClient) -> None:
    with pytest.raises(ApiProblem) as caught:
        client.echo("../../status")
    assert caught.value.details.status == 404


@pytest.mark.parametrize("action", ["echo", "send"])
def test_a_name_cannot_write_lines_into_the_log(
    daemon: OperatorDaemon, control: FakeControl, action: str
) -> None:
    told: list[Notice] = []
    control.notices.subscribe(told.append)
    ask(daemon.path, request("POST", f"/v1/peers/x%0aERROR%1b[2J/{action}", b"x"))
    (acted,) = told
    assert isinstance(acted, OperatorActed)
    assert acted.subject.startswith("name=x")
    assert acted.subject.isprintable()


def test_head_has_no_body(daemon: OperatorDaemon) -> None:
    answer = ask(daemon.path, request("HEAD", "/v1/status"))
    assert (answer.status, answer.body) == (405, b"")


def test_the_socket_is_removed_at_the_end(control: FakeControl, tmp_path: Path) -> None:
    with serving(control, tmp_path / "op.sock"):
        assert (tmp_path / "op.sock").exists()
    assert not (tmp_path / "op.sock").exists()
