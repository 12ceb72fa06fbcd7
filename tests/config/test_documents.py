"""The reference and the example say what the schema says, and every default is the room's own."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway import settings
from gateway.association.acceptor import AcceptorLimits
from gateway.association.requestor import RequestorTimeouts
from gateway.association.stream import StreamLimits
from gateway.commitment.policy import CommitmentPolicy
from gateway.config import Config, load
from gateway.config.linking import LinkBounds
from gateway.config.reference import reference
from gateway.config.schema import Gateway
from gateway.config.section import Section
from gateway.config.shape import Key, find, keys
from gateway.delivery.policy import DeliveryPolicy
from gateway.dicom.upper_layer import UpperLayerLimits
from gateway.link.limits import LinkLimits
from gateway.listener import ListenerLimits
from gateway.logs.refusals import RefusalLimits
from gateway.model import AETitle
from gateway.procedure_steps.policy import StepPolicy
from gateway.relay.dialer import RelayPolicy
from gateway.relay.session import SessionLimits
from gateway.services.commitment import CommitmentLimits
from gateway.services.mpps import ProcedureStepLimits
from gateway.spool import SpoolLimits
from tests.support.certs import Authority

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/gateway.toml"
HUB = ROOT / "docs/examples/hub.toml"
BARE = Config(gateway=Gateway(name="x", ae_title=AETitle("X")))


def all_keys(section: type[Section] = Config, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Key]:
    """Return every key of the schema by path."""
    found: dict[tuple[str, ...], Key] = {}
    for key in keys(section):
        found[(*path, key.name)] = key
        if key.section is not None:
            found |= all_keys(key.section, (*path, key.name))
    return found


def example_with_defaults(example: Path = EXAMPLE) -> str:
    """Return an example with every commented setting switched on."""
    return re.sub(r"^#(?=[a-z_]+ = )", "", example.read_text(), flags=re.MULTILINE)


def written_keys(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], list[Any]]:
    """Return every key path of a TOML document with the values it has."""
    found: dict[tuple[str, ...], list[Any]] = {}
    if isinstance(value, dict):
        for name, inner in value.items():
            found.setdefault((*path, name), []).append(inner)
            for key, values in written_keys(inner, (*path, name)).items():
                found.setdefault(key, []).extend(values)
    elif isinstance(value, list):
        for inner in value:
            for key, values in written_keys(inner, path).items():
                found.setdefault(key, []).extend(values)
    return found


def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == reference()


def test_every_key_is_explained() -> None:
    for path, key in all_keys().items():
        assert key.doc, path
        assert key.allowed, path


def test_the_example_shows_every_key() -> None:
    """What only a hub has is in the example of a hub."""
    written = set(written_keys(tomllib.loads(example_with_defaults())))
    of_a_hub = written_keys(tomllib.loads(example_with_defaults(HUB)))
    written |= {
        path
        for path in of_a_hub
        if path[0] == "site" or path[:2] in (("link", "listen"), ("link", "each_site"))
    }
    assert set(all_keys()) <= written


@pytest.mark.parametrize("example", [EXAMPLE, HUB], ids=["gateway", "hub"])
def test_commented_settings_of_the_example_are_the_defaults(example: Path) -> None:
    plain = written_keys(tomllib.loads(example.read_text()))
    both = written_keys(tomllib.loads(example_with_defaults(example)))
    compared = 0
    for path, key in all_keys().items():
        if key.section is not None or key.kind is None or (path[0] == "admin" and key.default is None):
            continue  # the page's own certificate: shown, and without a default
        if path not in both:
            continue
        commented = both[path][:]
        for value in plain.get(path, []):
            commented.remove(value)
        for value in commented:
            is_list = key.container == "list"
            shown = frozenset(map(key.kind.parse, value)) if is_list else key.kind.parse(value)
            assert shown == key.default, path
            compared += 1
    assert compared > (60 if example == EXAMPLE else 5)


@pytest.mark.parametrize("example", [EXAMPLE, HUB], ids=["gateway", "hub"])
def test_the_example_loads_as_it_is_and_with_every_default_switched_on(tmp_path: Path, example: Path) -> None:
    (tmp_path / "tls").mkdir()
    centre = Authority.create(tmp_path / "tls", "centre")
    for name in ("gateway", "hub"):
        centre.issue(name, days=365).key.chmod(0o600)
    secret = tmp_path / "tls/archive.secret"
    secret.touch(mode=0o600)
    secret.write_text("a word")
    texts = (example.read_text(), example_with_defaults(example))
    for text in texts:
        path = tmp_path / "gateway.toml"
        path.write_text(text)
        config = load(path, check_files=False)
        assert config.warnings == ()
        # The folders of a real installation are not this test's to look at.
        local = re.sub(r'^#?(state_dir|socket) = ".*"$', r'\1 = "local"', text, flags=re.MULTILINE)
        path.write_text(local)
        assert load(path).warnings == ()


def test_a_key_is_found_where_it_is_and_nowhere_else() -> None:
    key = find(Config, ("peer", 0, "tls", "server_name"))
    assert key is not None
    assert key.attribute == "server_name"
    assert find(Config, ("peer", 0, "tls", "nothing")) is None
    assert find(Config, ("spool", "quota", "deeper")) is None
    assert find(Config, ("route", 0, "priorities", "CT Image Storage")) is not None


def numbers(section: Any) -> list[tuple[str, Any]]:
    values = ((field.name, getattr(section, field.name)) for field in dataclasses.fields(section))
    return [(name, value) for name, value in values if isinstance(value, int | float)]


@pytest.mark.parametrize(
    ("made", "room"),
    [
        (settings.spool_limits(BARE), SpoolLimits()),
        (settings.delivery_policy(BARE), DeliveryPolicy()),
        (settings.requestor_timeouts(BARE), RequestorTimeouts()),
        (settings.listener_limits(BARE), ListenerLimits()),
        (settings.listener_limits(BARE).stream, StreamLimits()),
        (settings.listener_limits(BARE).acceptor, AcceptorLimits()),
        (settings.listener_limits(BARE).upper_layer, UpperLayerLimits()),
        (settings.relay_policy(BARE), RelayPolicy()),
        (LinkLimits(**dict(numbers(LinkBounds()))), LinkLimits()),
        (settings.session_limits(BARE), SessionLimits()),
        (settings.commitment_policy(BARE), CommitmentPolicy()),
        (settings.commitment_limits(BARE), CommitmentLimits()),
        (settings.step_policy(BARE), StepPolicy()),
        (settings.step_limits(BARE), ProcedureStepLimits()),
        (RefusalLimits(per_minute=BARE.log.refusals_per_minute), RefusalLimits()),
    ],
)
def test_without_a_word_in_the_configuration_a_room_has_its_own_defaults(made: object, room: object) -> None:
    assert made == room


@pytest.mark.parametrize(
    ("section", "room"),
    [(BARE.delivery, DeliveryPolicy), (BARE.relay, SessionLimits), (LinkBounds(), LinkLimits)],
    ids=["delivery", "relay", "link"],
)
def test_every_limit_of_a_room_has_a_key(section: Any, room: Any) -> None:
    keys = {field.name.removesuffix("_bytes") for field in dataclasses.fields(section)}
    assert {field.name.removesuffix("_bytes") for field in dataclasses.fields(room)} <= keys


def test_every_limit_of_the_spool_has_a_key() -> None:
    """Another value under every key of the three sections that reach the spool changes every limit."""
    other = {
        name: dataclasses.replace(section, **{field: value + 1 for field, value in numbers(section)})
        for name in ("spool", "commitment", "procedure_steps")
        for section in [getattr(BARE, name)]
    }
    changed = settings.spool_limits(dataclasses.replace(BARE, **other))
    same = [
        field.name
        for field in dataclasses.fields(SpoolLimits)
        if getattr(changed, field.name) == getattr(SpoolLimits(), field.name)
    ]
    # There is no quota by default, and nothing to add to; the longest pause is that of the delivery.
    assert sorted(same) == ["max_retry_seconds", "quota_bytes"]


def test_a_process_that_imports_the_configuration_does_not_carry_pydantic_or_cryptography() -> None:
    script = (
        "import sys, gateway.config; "
        "heavy = {'pydantic', 'pydantic_core', 'cryptography', 'pydicom', 'gateway.config.loader'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"
