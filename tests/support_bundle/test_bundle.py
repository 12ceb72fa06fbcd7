from __future__ import annotations

import io
import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.audit.trail import AuditTrail
from gateway.cli import cli
from gateway.health import report
from gateway.logs.ring import LogRing
from gateway.operator.client import OperatorClient
from gateway.operator.section import Section
from gateway.operator.sections.logs import LogsSection
from gateway.support.bundle import MAX_PART, Part, pack
from gateway.support.gather import QUESTIONS, Failure, build, further
from gateway.support.vocabulary import vocabulary
from gateway.support.words import WORDS_OF
from tests.support.fake_control import FakeControl
from tests.support.machine_tree import make
from tests.support.operator_daemon import serving

PATIENT = ("KOWALCZYK", "JADWIGA", "Kowalczykowa", "PAT471199", "471199", "19700131")
UID = "1.2.826.0.1.3680043.8.498.55566677788899900011"
HOSTILE = f" KOWALCZYK^JADWIGA^Kowalczykowa PAT471199 471199 born 19700131 {UID}"
CONFIG = f'# {HOSTILE}\n[gateway]\nname = "clinic-07" # {HOSTILE}\nae_title = "CLINIC07"\n'
WORDS = vocabulary()


def poisoned(value: Any) -> Any:
    """Every text of an answer with a patient in it."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    if isinstance(value, dict):
        return {key: poisoned(item) for key, item in value.items()}
    return value


@pytest.fixture
def machine(tmp_path: Path) -> report.MachineReport:
    return report.read([Path("/var/lib/dicom gateway")], make(tmp_path / "machine"), lambda: None)


@pytest.fixture
def ring() -> LogRing:
    ring = LogRing()
    log = logging.Logger("gateway.test", logging.DEBUG)
    log.addHandler(ring)
    log.info(
        "object stored", extra={"fields": (("object", 17), ("calling", "LINAC1"), ("association", "a1b2"))}
    )
    try:
        int(f"{HOSTILE}")
    except ValueError:
        log.exception("it broke on %s", HOSTILE)
    return ring


@pytest.fixture
def answers(tmp_path: Path, ring: LogRing) -> dict[str, Any]:
    """What a real operator API answers."""
    sections: list[Section] = [LogsSection(ring)]
    found: dict[str, Any] = {}
    asked = ("status", "deliveries", "steps", "commitments", "associations", "logs", "openapi")
    with (
        serving(FakeControl(), tmp_path / "op.sock", sections=sections) as daemon,
        OperatorClient(daemon.path) as client,
    ):
        found |= {name: client.fetch(QUESTIONS[name]) for name in asked}
        found["metrics"] = client.metrics()
    found["metrics"] += 'dicom_gateway_x{calling="LINAC1",reason="y"} 7\n'
    entry = {
        "at": 5.0,
        "who": "Anna",
        "what": "retry",
        "outcome": "done",
        "detail": "x",
        "subject": "number=1",
    }
    found["audit"] = {"entries": [entry, {**entry, "outcome": "there is none"}], "next": None, "examined": 2}
    found["audit_verify"] = {"ok": True}
    return found


def everything(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_not_one_byte_of_a_patient_gets_in(answers: dict[str, Any], machine: report.MachineReport) -> None:
    hostile = poisoned(answers)
    hostile["peers"] = {"peers": [{"name": HOSTILE, "contexts": [HOSTILE]}]}
    hostile[f"trend {HOSTILE}"] = {"name": HOSTILE, "rtt_min": [0.5], "changes": [{"reason": HOSTILE}]}
    hostile["links"] = hostile["budget"] = {"links": [{"name": HOSTILE}]}
    hostile["routes"] = hostile["held"] = [HOSTILE, {"reason": HOSTILE}]
    hostile["certificates"] = Failure(f"it broke on {HOSTILE}")
    hostile["configuration"] = {"files": [{"name": "gateway.toml", "text": CONFIG}]}
    bundle = build(hostile, machine, WORDS, now=1_795_000_000.0)
    files = everything(bundle.content)
    assert set(files) == set(WORDS_OF)
    for name, text in files.items():
        for identity in (*PATIENT, UID, UID[20:]):
            assert identity.lower() not in text.lower(), f"{identity} in {name}"
        assert "Not available: the answer was strange" not in text, name
    assert "clinic-07" in files["configuration.json"]
    assert "[uid1]" in files["status.json"]


def test_what_helps_is_in_it(answers: dict[str, Any], machine: report.MachineReport) -> None:
    config = '[gateway]\nname = "clinic-07"\n[[peer]]\nname = "oncology"\nae_title = "LINAC1"\n'
    answers["configuration"] = {"files": [{"name": "gateway.toml", "text": config}]}
    answers["peers"] = Failure("no gateway is running")
    bundle = build(answers, machine, WORDS, now=1_795_000_000.0)
    files = everything(bundle.content)
    assert {part.name: part.text for part in bundle.parts} == files
    assert "info object stored object=17 calling=LINAC1 association=a1b2" in files["log.txt"]
    assert "test_bundle.py:" in files["log.txt"]
    assert 'calling="LINAC1"' in files["metrics.txt"]
    rows = json.loads(files["deliveries.json"])["rows"]
    assert rows[0]["number"] == answers["deliveries"]["deliveries"][0]["number"]
    assert rows[0]["destination"] == "oncology"
    audit = json.loads(files["audit.json"])
    assert audit["counts"] == [
        {"what": "retry", "outcome": "done", "count": 1},
        {"what": "retry", "outcome": "not done", "count": 1},
    ]
    assert "Anna" not in files["audit.json"]
    assert files["peers.json"].startswith("Not available: no gateway is running")
    assert "Raspberry Pi Compute Module 4" in files["machine.json"]
    assert "not trusted" in files["machine.txt"]
    assert "machine.txt" in files["README.txt"]
    assert bundle.name.startswith("support-clinic-07-2026")


def test_each_link_is_asked_for_its_trend_and_told_on_a_line(
    answers: dict[str, Any], machine: report.MachineReport
) -> None:
    links = {
        "links": [{"name": "a/b"}, {"name": 7}, {"name": "c"}, "odd", *({"name": str(n)} for n in range(20))]
    }
    asked = further({"links": links})
    assert list(asked.values())[:2] == ["/v1/trends/a%2Fb?span=month", "/v1/trends/c?span=month"]
    assert len(asked) == 8
    assert further({"links": Failure("no")}) == further({}) == {}
    answers["trend c"] = {"rtt_min": [0.5, None]}
    answers["trend a/b"] = Failure("there is none")
    lines = everything(build(answers, machine, WORDS, now=0.0).content)["trends.json"].splitlines()
    assert [json.loads(line) for line in lines] == [{"rtt_min": [0.5, None]}, {"error": "there is none"}]


def test_who_did_something_is_nobody_in_the_log(
    answers: dict[str, Any], machine: report.MachineReport
) -> None:
    fields = [{"name": "who", "value": "root (uid 0)"}, {"name": "did", "value": "retry"}]
    line = {"at": 0.0, "level": "info", "event": "operator", "fields": fields, "traceback": []}
    answers["logs"] = {"lines": [line, line]}
    log = everything(build(answers, machine, WORDS, now=0.0).content)["log.txt"]
    assert "root" not in log
    assert log.count('who=[person1] did="retry"') == 2


def test_the_same_answers_make_the_same_bytes(answers: dict[str, Any], machine: report.MachineReport) -> None:
    first = build(answers, machine, WORDS, now=1_795_000_000.0)
    again = build(answers, machine, WORDS, now=1_795_000_000.0)
    assert first.content == again.content
    assert len(first.digest) == 64


def test_strange_answers_are_said_to_be_strange(machine: report.MachineReport) -> None:
    answers: dict[str, Any] = {name: ["x", 7] for name in QUESTIONS}
    answers["logs"] = Failure("no")
    answers["metrics"] = "# nothing\n"
    files = everything(build(answers, machine, WORDS, now=0.0).content)
    assert files["deliveries.json"].startswith("Not available: the answer was strange")


def test_a_part_is_bounded() -> None:
    bundle = pack("x/../y z", 0.0, [Part("log.txt", "", "x" * (MAX_PART + 10))])
    (part,) = bundle.parts
    assert "cut here" in part.text
    assert len(part.text) < MAX_PART + 100
    assert "/" not in bundle.name
    assert " " not in bundle.name


def bundle_command(socket: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["support-bundle", "--socket", str(socket), *arguments])


def test_the_command_writes_what_it_shows(tmp_path: Path, ring: LogRing) -> None:
    target = tmp_path / "bundle.zip"
    with serving(FakeControl(), tmp_path / "op.sock", sections=[LogsSection(ring)]) as daemon:
        shown = bundle_command(daemon.path, "--show")
        result = bundle_command(daemon.path, "-o", str(target), "--json")
        again = bundle_command(daemon.path, "-o", str(target))
    assert shown.exit_code == 0, shown.output
    assert "===== log.txt" in shown.stdout
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout)["parts"]) == set(WORDS_OF)
    assert target.stat().st_mode & 0o777 == 0o600
    content = target.read_bytes()
    assert len(content) == json.loads(result.stdout)["bytes"]
    for text in everything(content).values():
        assert "JADWIGA" not in text
    assert again.exit_code == 1
    assert "exists" in again.stderr
    assert target.read_bytes() == content


def test_without_a_gateway_the_machine_is_still_in_it(tmp_path: Path) -> None:
    target = tmp_path / "bundle.zip"
    result = bundle_command(tmp_path / "none.sock", "-o", str(target))
    assert result.exit_code == 0, result.output
    files = everything(target.read_bytes())
    assert files["status.json"].startswith("Not available: no gateway is running")
    assert "Memory: " in files["machine.txt"]


def test_the_trail_is_never_in_it() -> None:
    """Words that people wrote stay here: only counts leave."""
    assert AuditTrail.__module__ not in build.__code__.co_names
