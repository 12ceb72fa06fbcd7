"""Answers written into a configuration are read back as they were answered, and leave the rest alone."""

from __future__ import annotations

import ipaddress
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admin.installing.answers import Answers, Centre, Console, Tls, same
from gateway.admin.installing.reading import answers_of, read
from gateway.admin.installing.writing import candidate, edits
from gateway.config import load

MAIN = "gateway.toml"
FRESH = """\
# Made at the factory.
[gateway]
name = "new-gateway"  # to be changed
ae_title = "GATEWAY"

[operator]
socket = "/run/operator.sock"

[admin]
port = 8443
"""
FULL = Path(__file__).parents[3] / "docs/examples/gateway.toml"

names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
# Every sign that an AE title may have, quotes and brackets too.
titles = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\"), min_size=1, max_size=16
)
ports = st.integers(1, 65535)
hosts = st.sampled_from(["192.0.2.7", "ois.example.org", "fd00::7", "10.1.2.3", "LINAC-1"])
networks = st.sampled_from(["192.0.2.0/24", "10.0.0.0/8", "fd00::/64", "10.9.8.7/32"])
paths = st.from_regex(r"/[a-z'\"# ]{1,12}\.pem", fullmatch=True)
tls = st.builds(Tls, paths, paths, paths, server_name=st.sampled_from(["", "aria.example.org"]))


@st.composite
def answered(draw: st.DrawFn) -> Answers:
    """Any answers that the steps let pass."""
    own = draw(titles)
    known = draw(st.lists(titles.filter(lambda one: one != own), min_size=3, max_size=7, unique=True))
    called = known[: draw(st.integers(1, len(known) - 2))]
    left = [one for one in known if one not in called]
    taken = draw(st.lists(names, min_size=6, max_size=6, unique=True))
    centres = []
    for name in taken[: draw(st.integers(1, 3))]:
        title = draw(st.sampled_from(called))
        centres.append(
            Centre(
                name,
                title,
                draw(hosts),
                draw(ports),
                tuple(draw(st.lists(st.sampled_from(called), min_size=1, unique=True))),
                draw(st.none() | tls),
                draw(st.sampled_from(["", own + "X"[: 16 - len(own)]])) if len(own) < 16 else "",
                draw(st.sampled_from(["on-request", "always", "query", "never"])),
            )
        )
    consoles = []
    for place, title in enumerate(left[: draw(st.integers(0, 3))]):
        down = draw(st.booleans())
        consoles.append(
            Console(title, taken[3 + place], draw(hosts), draw(ports), True) if down else Console(title)
        )
    return Answers(
        gateway=draw(names),
        ae_title=own,
        address=draw(st.sampled_from(["192.0.2.10", "10.1.1.1", "127.0.0.1", "fd00::1"])),
        port=draw(ports),
        allow=tuple(draw(st.lists(networks, unique=True, max_size=3))),
        centres=tuple(centres),
        consoles=tuple(consoles),
        callers=draw(st.sampled_from(["listed", "everybody"])),
    )


def written(text: str, before: Answers, after: Answers) -> str:
    return candidate({MAIN: text}, before, after, MAIN)[MAIN]


def understood(text: str) -> Answers:
    return read({MAIN: text}, Path("/etc/dicom-gateway") / MAIN)


@settings(max_examples=30, deadline=None)
@given(answered())
def test_what_is_answered_is_what_the_configuration_says(after: Answers) -> None:
    """On a fresh box. With no console there is nobody to list, and a title without a host leaves no trace."""
    before = understood(FRESH)
    text = written(FRESH, before, after)
    assert same(understood(text), after), text
    assert written(text, understood(text), after) == text  # nothing is left to do


@settings(max_examples=15, deadline=None)
@given(answered(), answered())
def test_answers_can_be_changed_again(first: Answers, second: Answers) -> None:
    text = written(FRESH, understood(FRESH), first)
    second = replace(second, listener=first.listener)
    again = written(text, understood(text), second)
    assert same(understood(again), second), again


@settings(max_examples=10, deadline=None)
@given(answered())
def test_comments_and_what_the_wizard_does_not_know_survive(after: Answers) -> None:
    text = FULL.read_text()
    before = understood(text)
    new = written(text, before, replace(after, listener=before.listener))
    old_tables, new_tables = tomllib.loads(text), tomllib.loads(new)
    for section in old_tables:
        if section not in ("gateway", "listener", "peer", "route"):
            assert new_tables[section] == old_tables[section]
    # What stands between the last route and the next section goes with that route, when it goes.
    rest = text[text.index("[spool]") :].splitlines()
    assert [line for line in rest if line not in new] == []
    (wan,) = [one for one in new_tables["listener"] if one["name"] == "wan"]
    assert wan == next(one for one in old_tables["listener"] if one["name"] == "wan")


def test_nothing_answered_otherwise_changes_nothing() -> None:
    for text in (FRESH, FULL.read_text()):
        before = understood(text)
        assert list(edits(before, before)) == []
        assert written(text, before, before) == text


def test_a_full_configuration_fills_the_answers() -> None:
    answers = understood(FULL.read_text())
    assert (answers.gateway, answers.ae_title) == ("clinic-07", "CLINIC07")
    assert (answers.listener, answers.address, answers.port) == ("console", "192.0.2.10", 11112)
    assert answers.allow == ("192.0.2.0/24",)
    assert [one.name for one in answers.centres] == ["oncology", "archive"]
    assert {one.called for one in answers.centres} == {("ARIA",)}
    oncology = answers.centres[0]
    assert oncology.tls is not None
    assert oncology.tls.server_name == "aria.example.org"
    assert [(one.ae_title, one.host, one.down) for one in answers.consoles] == [
        ("LINAC1", "192.0.2.20", True),
        ("LINAC2", "", False),
    ]
    assert answers.callers == "listed"


def test_keys_that_are_not_asked_for_stay_with_a_centre_that_is_changed() -> None:
    text = FRESH + (
        '\n[[peer]]\nname = "oncology"  # the OIS\nae_title = "ARIA"\nhost = "192.0.2.30"\nport = 104\n'
        'max_associations = 2\n[[route]]\ncalled = "ARIA"\nto = ["oncology"]\nmpps = "queue"\n'
    )
    before = understood(text)
    moved = replace(before, centres=(replace(before.centres[0], port=11112),))
    new = written(text, before, moved)
    assert "max_associations = 2" in new
    assert 'mpps = "queue"' in new
    assert "# the OIS" in new
    assert new.replace("port = 11112", "port = 104") == text


def test_routes_with_different_callers_are_left_as_they_are() -> None:
    text = FRESH + (
        '\n[[peer]]\nname = "a"\nae_title = "A"\nhost = "192.0.2.30"\nport = 104\n'
        '[[peer]]\nname = "b"\nae_title = "B"\nhost = "192.0.2.31"\nport = 104\n'
        '[[route]]\ncalled = "A"\nto = ["a"]\ncalling = ["L1", "L2"]\n'
        '[[route]]\ncalled = "B"\nto = ["b"]\ncalling = ["L1"]\n'
    )
    before = understood(text)
    assert before.callers == "as-is"
    more = replace(before, consoles=(*before.consoles, Console("L3")))
    assert written(text, before, more) == text
    assert load_callers(written(text, before, replace(more, callers="listed"))) == [
        ["L1", "L2", "L3"],
        ["L1", "L2", "L3"],
    ]
    assert load_callers(written(text, before, replace(before, callers="everybody"))) == [None, None]


def load_callers(text: str) -> list[list[str] | None]:
    return [route.get("calling") for route in tomllib.loads(text)["route"]]


def test_a_centre_that_goes_takes_its_route_along_and_a_console_its_way_down() -> None:
    text = FULL.read_text()
    before = understood(text)
    less = replace(before, centres=before.centres[:1], consoles=before.consoles[1:])
    tables = tomllib.loads(written(text, before, less))
    # What is reached over a link is no matter of the wizard, and stays as it is.
    assert [one["name"] for one in tables["peer"]] == ["oncology", "registry"]
    assert [(one["called"], one["to"], one["calling"]) for one in tables["route"]] == [
        ("ARIA", ["oncology"], ["LINAC2"]),
        ("REGISTRY", ["registry"], ["LINAC1", "LINAC2"]),
    ]


def test_files_beside_the_main_one_are_changed_where_the_thing_is_written(tmp_path: Path) -> None:
    texts = {
        MAIN: FRESH,
        "conf.d/centre.toml": '[[peer]]\nname = "a"\nae_title = "A"\nhost = "192.0.2.30"\nport = 104\n'
        '[[route]]\ncalled = "A"\nto = ["a"]\n',
    }
    before = read(texts, tmp_path / MAIN)
    after = replace(before, centres=(replace(before.centres[0], host="192.0.2.31"),))
    new = candidate(texts, before, after, MAIN)
    assert new[MAIN] == FRESH
    assert 'host = "192.0.2.31"' in new["conf.d/centre.toml"]


@pytest.mark.parametrize("mode", ["store", "relay"])
def test_a_single_centre_is_no_console_however_it_is_reached(mode: str) -> None:
    text = FRESH + (
        '\n[[peer]]\nname = "oncology"\nae_title = "ARIA"\nhost = "192.0.2.30"\nport = 104\n'
        f'[[route]]\ncalled = "ARIA"\nto = ["oncology"]\nmode = "{mode}"\n'
    )
    assert [one.name for one in understood(text).centres] == ["oncology"]


def test_the_example_is_read_the_same_with_and_without_texts() -> None:
    config = load(FULL, check_files=False)
    assert answers_of(config) == read({FULL.name: FULL.read_text()}, FULL)
    assert all(ipaddress.ip_network(one) for one in answers_of(config).allow)
