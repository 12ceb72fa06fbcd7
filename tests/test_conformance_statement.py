"""docs/conformance-statement.md says what the code does: classes, services, statuses, times, limits.

Each table marked `<!-- table: NAME -->` is compared with the code in both directions: a row that nothing in
the code stands for fails the test, and so does something in the code that has no row.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

import gateway
from gateway.app import Gateway
from gateway.association import tls
from gateway.association.acceptor import AcceptorLimits
from gateway.commitment import asker, giving_back, querying, reporter
from gateway.commitment.decisions import RESEND
from gateway.config import limits as config_limits
from gateway.config import load, relaying, schema
from gateway.config.section import Section
from gateway.config.shape import Key, keys
from gateway.dicom import pdu, sop_classes
from gateway.dicom.commitment import FAILURE_REASONS, PUSH_MODEL
from gateway.dicom.data_set import SYNTAXES
from gateway.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.dicom.limits import DEFAULT_MAX_PDU_LENGTH, MAX_CONTEXTS
from gateway.dicom.negotiation import APPLICATION_CONTEXT, AssociateRequest, refusal
from gateway.pathtest.templates import KINDS
from gateway.procedure_steps import sender
from gateway.reachability import ReachabilityLimits
from gateway.relay import patience
from gateway.relay.mirror import IMPLICIT_VR_LITTLE_ENDIAN
from gateway.relay.patience import PatienceLimits, RelayTimeouts, adapted
from gateway.services.mpps import MODALITY_PERFORMED_PROCEDURE_STEP

_PAGE = (Path(__file__).parents[1] / "docs" / "conformance-statement.md").read_text()


def _table(name: str) -> list[list[str]]:
    """The rows of a table, without its heading."""
    found = re.search(rf"<!-- table: {re.escape(name)} -->\n\n((?:\|.*\n)+)", _PAGE)
    assert found, f"the statement has no table {name!r}"
    rows = [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in found[1].splitlines()]
    return rows[2:]


def test_classes_of_a_path_test() -> None:
    in_code = [[sop_classes.name(kind.sop_class_uid), kind.sop_class_uid, f"`{kind.key}`"] for kind in KINDS]
    assert _table("path-test-classes") == in_code


# --- what is stored, and in which order it leaves --------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "classes"),
    [("record-classes", sop_classes.RECORD_CLASSES), ("bulk-classes", sop_classes.BULK_CLASSES)],
)
def test_the_classes_of_each_priority(table: str, classes: Iterable[str]) -> None:
    said = [(name, uid) for name, uid in _table(table)]
    assert len(said) == len(set(said))
    assert set(said) == {(sop_classes.name(uid), uid) for uid in classes}


# --- parameters ------------------------------------------------------------------------------------------


def _written(key: Key) -> str:
    return "required" if key.required else f"`{key.written()}`" if key.written() else "none"


def _parameters(section: type[Section]) -> dict[str, str]:
    """Every key and its default; those of a table inside with the table's name before them."""
    found = {}
    for key in keys(section):
        if key.section is None:
            found[f"`{key.name}`"] = _written(key)
        elif isinstance(key.default, Section):
            found |= {f"`{key.name}.{inner.name}`": _written(inner) for inner in keys(key.section)}
    return found


@pytest.mark.parametrize(
    ("table", "section"),
    [
        ("timeouts", config_limits.Timeouts),
        ("limits", config_limits.Limits),
        ("delivery", config_limits.Delivery),
        ("relay", relaying.Relay),
        ("commitment", relaying.Commitment),
        ("procedure_steps", relaying.ProcedureSteps),
        ("route", schema.Route),
        ("peer", schema.Peer),
    ],
)
def test_every_parameter_and_its_default(table: str, section: type[Section]) -> None:
    said = {row[0]: row[1] for row in _table(table)}
    assert said == _parameters(section)


def test_how_patience_grows_with_the_round_trip() -> None:
    said = {}
    for step, *numbers in _table("patience"):
        said[step] = tuple(float(number.removesuffix(" s")) for number in numbers)
    base, near, bounds = RelayTimeouts(), adapted(RelayTimeouts(), 1.0), PatienceLimits()
    steps = [field.name for field in dataclasses.fields(bounds)]
    assert said == {
        step: (getattr(base, step), getattr(near, step) - getattr(base, step), getattr(bounds, step))
        for step in steps
    }
    assert patience.SPARE == 2  # a lost packet is allowed for in the numbers of the table


def test_how_soon_a_peer_that_is_down_is_tried_again() -> None:
    waits = ReachabilityLimits()
    assert [waits.wait(number) for number in (1, 2, 3, 4, 5)] == [1, 2, 4, 8, 15]
    assert waits.jitter == 0.1
    assert "after 1 s,\nthen 2, 4, 8 and at most 15 s (10 % more or less)" in _PAGE


# --- common facts ----------------------------------------------------------------------------------------


def test_who_the_gateway_says_it_is() -> None:
    facts = {row.split(" | ")[0]: row.split(" | ")[1] for row in _common()}
    assert facts["application context name"] == APPLICATION_CONTEXT
    assert facts["implementation class UID"] == IMPLEMENTATION_CLASS_UID
    assert facts["implementation version name"] == IMPLEMENTATION_VERSION_NAME
    assert facts["maximum length received"].split()[0] == str(DEFAULT_MAX_PDU_LENGTH)
    assert facts["presentation contexts of one association"] == f"up to {MAX_CONTEXTS}"
    assert f"`max_operations` ({AcceptorLimits().max_operations})" in facts["asynchronous operations window"]
    assert f"DICOM Edge Gateway {gateway.__version__}, " in _PAGE


def _common() -> list[str]:
    found = re.search(r"#### 3\.3\.1 Common to all\n\n((?:\|.*\n)+)", _PAGE)
    assert found
    return [row.strip("| ") for row in found[1].splitlines()[2:]]


def test_the_tls_profile() -> None:
    assert f"`{tls._TLS12_CIPHERS}`" in _PAGE
    assert "TLS 1.2 at least, TLS 1.3" in _PAGE
    assert "ssl.TLSVersion.TLSv1_2" in inspect.getsource(tls._prepared)


# --- services --------------------------------------------------------------------------------------------

_SERVICES = {  # the registry's services, and the rows of the overview that they stand for
    "VerificationService": "Verification (PS3.4 A)",
    "StorageService": "Storage of every storage SOP class, private and future ones too (PS3.4 B)",
    "CommitmentService": "Storage Commitment Push Model (PS3.4 J)",
    "CommitmentResults": "Storage Commitment Push Model (PS3.4 J)",
    "ProcedureStepService": "Modality Performed Procedure Step (PS3.4 F.7), where a route queues it",
}

_CONFIG = """
[gateway]
name = "clinic"
ae_title = "CLINIC"
state_dir = "{folder}/state"

[operator]
socket = "{folder}/operator.sock"

[[listener]]
name = "console"
address = "127.0.0.1"
port = 0

[[peer]]
name = "oncology"
ae_title = "ARIA"
host = "127.0.0.1"
port = 1

[[route]]
called = "ARIA"
to = ["oncology"]
mpps = "queue"
"""


async def test_the_services_of_a_whole_gateway(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(_CONFIG.format(folder=tmp_path))
    whole = Gateway(load(path))
    await whole.start()
    try:
        registry = whole.listeners[0]._services
        served = {type(service).__name__ for service in registry._services}
        relays = registry._relaying is not None
    finally:
        await whole.stop()
    overview = re.search(r"Network services:\n\n((?:\|.*\n)+)", _PAGE)
    assert overview
    rows = [row.strip("| ").split(" | ") for row in overview[1].splitlines()[2:]]
    said = {row[0] for row in rows if row[2].startswith("yes")}
    assert said == {_SERVICES[name] for name in served}
    assert served == _SERVICES.keys()
    assert relays == any(row[1:] == ["relayed", "relayed"] for row in rows)


def test_the_presentation_contexts_of_our_own() -> None:
    said = {(row[1], row[2]): row[3].split("; ") for row in _table("contexts")}
    assert all(name == sop_classes.name(uid) for name, uid, *_ in _table("contexts"))
    assert len(said) == len(_table("contexts"))

    def names(syntaxes: Iterable[str]) -> list[str]:
        return [sop_classes.name(uid) for uid in syntaxes]

    push, steps = PUSH_MODEL, MODALITY_PERFORMED_PROCEDURE_STEP
    assert said == {
        (sop_classes.VERIFICATION, "SCP"): ["the first that is proposed"],
        (sop_classes.VERIFICATION, "SCU"): names([IMPLICIT_VR_LITTLE_ENDIAN]),
        (push, "SCP, asked by consoles"): names(SYNTAXES),
        (push, "SCP, reporting to consoles"): names(reporter._CONTEXTS[0].transfer_syntaxes),
        (push, "SCU, asking destinations"): names(asker.CONTEXTS[0].transfer_syntaxes),
        (push, "SCU, reported to by destinations"): names(SYNTAXES),
        (steps, "SCP, where queued"): [*names([IMPLICIT_VR_LITTLE_ENDIAN]), "the first that is proposed"],
        (steps, "SCU, where queued"): ["that of the step", *names([sender.IMPLICIT_LE, sender.EXPLICIT_LE])],
        (querying.STUDY_ROOT_FIND, "SCU, verifying what was delivered"): names(
            querying.ALWAYS[0].transfer_syntaxes
        ),
        (giving_back.STUDY_ROOT_GET, "SCU, verifying what was delivered"): names(
            querying.ALWAYS[1].transfer_syntaxes
        ),
    }


# --- statuses --------------------------------------------------------------------------------------------

_ANSWERS = {  # the services of the table, and the modules in which their answers are decided
    "Verification": ("gateway.services.verification",),
    "Storage": ("gateway.services.storage",),
    "Storage Commitment": (
        "gateway.services.commitment",
        "gateway.commitment.results",
        "gateway.dicom.commitment",
    ),
    "Storage, of what is fetched back": ("gateway.association.fetching",),
    "Procedure step, queued": ("gateway.services.mpps",),
    "UPS guard": ("gateway.services.ups_guard",),
    "Relay": ("gateway.relay.failure", "gateway.relay.inspected", "gateway.relay.session"),
    "any": (
        "gateway.association.acceptor",
        "gateway.association.asking",
        "gateway.association.sending",
        "gateway.services.registry",
    ),
}
_NO_ANSWERS = {  # what these modules know of statuses they are told, or give as failure reasons
    "gateway.commitment.contents",
    "gateway.commitment.decisions",
    "gateway.commitment.querying",
    "gateway.procedure_steps.decisions",
    "gateway.procedure_steps.outcomes",  # its 0x0110 is in the table with the queue it speaks for
}
_ROOMS = (
    "gateway.association",
    "gateway.commitment",
    "gateway.procedure_steps",
    "gateway.relay",
    "gateway.services",
)
_NOT_STATUSES = {0x0000, 0x8000, 0xF000, 0xFFFF}  # success; the response bit; message IDs
_REASONS_ONLY = {0x0119}  # a failure reason, never a status of ours


def _statuses(module_name: str) -> set[int]:
    """Status codes that a module writes: its own hexadecimal constants, imported ones, those in functions."""
    module = importlib.import_module(module_name)
    source = inspect.getsource(module)
    tree = ast.parse(source)
    found: set[int] = set()

    def literal(node: ast.AST | None) -> None:
        if isinstance(node, ast.Constant) and re.fullmatch(
            "0x[0-9A-F]{4}", ast.get_source_segment(source, node) or ""
        ):
            found.add(node.value)  # type: ignore[arg-type]

    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            literal(statement.value)
        elif isinstance(statement, ast.ImportFrom):
            values = (getattr(module, alias.asname or alias.name, None) for alias in statement.names)
            names = (alias.name for alias in statement.names)
            found |= {
                value
                for name, value in zip(names, values, strict=True)
                if name.isupper() and type(value) is int and 0x0100 <= value <= 0xFFFF
            }
        else:
            for node in ast.walk(statement):
                literal(node)
    return found - _NOT_STATUSES


def test_every_status_that_is_answered() -> None:
    said: dict[str, set[int]] = {}
    for service, status, _ in _table("answers"):
        said.setdefault(service, set()).add(int(status, 16))
    for codes in said.values():
        codes.discard(0x0000)
    decided = {
        service: set[int]().union(*(_statuses(module) for module in modules)) - _REASONS_ONLY
        for service, modules in _ANSWERS.items()
    }
    assert said == decided


def test_no_other_module_answers_a_status_of_its_own() -> None:
    known = {module for modules in _ANSWERS.values() for module in modules} | _NO_ANSWERS
    others = {
        found.name: _statuses(found.name)
        for found in pkgutil.walk_packages(gateway.__path__, "gateway.")
        if found.name.startswith(_ROOMS) and found.name not in known
    }
    assert {name: codes for name, codes in others.items() if codes} == {}


def test_the_failure_reasons_of_storage_commitment() -> None:
    rows = {int(reason, 16): (words, what) for reason, words, what in _table("failure-reasons")}
    assert {reason: words for reason, (words, _) in rows.items()} == dict(FAILURE_REASONS)
    sent_again = {reason for reason, (_, what) in rows.items() if "once more" in what}
    assert sent_again == set(RESEND)


# --- rejections ------------------------------------------------------------------------------------------


def _rejections() -> set[tuple[int, int, int]]:
    """Every A-ASSOCIATE-RJ in the code: written out as numbers, or made from the constants of routing."""
    found = set()
    for path in Path(gateway.__path__[0]).rglob("*.py"):
        source = path.read_text()
        written = re.findall(r"(?:Rejection\(|answer = \()(\d), (\d), (\d)\b", source)
        found |= {(int(a), int(b), int(c)) for a, b, c in written}
    for calling, called in (("", "GATEWAY"), ("CONSOLE", "")):
        refused = refusal(AssociateRequest(called, calling, ()))
        assert refused is not None
        found.add((refused.result, refused.source, refused.diagnostic))
    return found


def test_every_rejection_of_an_association() -> None:
    said = {
        tuple(int(number) for number in numbers.split(", "))
        for numbers, _ in _table("rejections")
        if numbers != "as the far end"
    }
    assert said == _rejections()
    assert all(pdu.reject_words(*numbers) for numbers in said)
