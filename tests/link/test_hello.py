"""The hello: what it says, what it may not say, and what the fingerprint stands for."""

from __future__ import annotations

import contextlib
from dataclasses import fields, replace
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.linking import LinkBounds
from gateway.link.frames import FrameError
from gateway.link.hello import BASE, Capabilities, Hello, Role, decode_hello
from gateway.link.limits import LinkLimits
from tests.support.link_wire import hellos

HELLO = Hello(Role.SITE, b"s" * 16, 0, 0, Capabilities.of(LinkLimits(), frozenset({"zstd"})), "gateway 1")


@given(hellos)
def test_what_is_said_is_understood(hello: Hello) -> None:
    message = hello.encode()
    assert message[:2] == b"\x01\x00"
    assert decode_hello(message[2:]) == hello


@given(hellos, st.binary(min_size=1, max_size=30))
def test_what_a_later_version_appends_is_skipped(hello: Hello, more: bytes) -> None:
    assert decode_hello(hello.encode()[2:] + more) == hello


@given(hellos, st.data())
def test_a_hello_that_is_cut_short_is_refused(hello: Hello, data: st.DataObject) -> None:
    body = hello.encode()[2:]
    with pytest.raises(FrameError, match="too short"):
        decode_hello(body[: data.draw(st.integers(0, len(body) - 1))])


@given(st.binary(max_size=150))
def test_arbitrary_bytes_are_a_hello_or_a_reason(body: bytes) -> None:
    with contextlib.suppress(FrameError):
        assert decode_hello(decode_hello(body).encode()[2:]).takes == decode_hello(body).takes


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        (replace(HELLO, reports_seen=5), "of no hub"),
        (replace(HELLO, speaks=2), "contradict"),
        (replace(HELLO, takes=replace(HELLO.takes, lowest=0), speaks=0), "contradict"),
        (replace(HELLO, takes=replace(HELLO.takes, features=frozenset({"a b"}))), "feature words"),
        (replace(HELLO, takes=replace(HELLO.takes, max_payload=70_000)), "cannot be"),
        (replace(HELLO, takes=replace(HELLO.takes, keepalive=0)), "cannot be"),
        (replace(HELLO, takes=replace(HELLO.takes, keepalive=3601)), "cannot be"),
        (replace(HELLO, takes=replace(HELLO.takes, image_window=2**31)), "image window"),
    ],
)
def test_what_cannot_be_is_refused(hello: Hello, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        decode_hello(hello.encode()[2:])


@pytest.mark.parametrize(
    "name",
    [
        "max_payload",
        "record_window",
        "image_window",
        "bulk_window",
        "stream_window",
        "max_transfers",
        "max_streams",
        "max_reports",
    ],
)
def test_nobody_takes_less_than_the_base(name: str) -> None:
    least = replace(HELLO, takes=replace(BASE))
    decode_hello(least.encode()[2:])
    less = replace(BASE, **{name: getattr(BASE, name) - 1})
    with pytest.raises(FrameError, match=name.replace("_", " ")):
        decode_hello(replace(HELLO, takes=less).encode()[2:])


def test_another_magic_or_role_is_refused() -> None:
    body = HELLO.encode()[2:]
    with pytest.raises(FrameError, match="not the gateway link"):
        decode_hello(b"HTTP" + body[4:])
    with pytest.raises(FrameError, match="unknown role 3"):
        decode_hello(body[:7] + b"\3" + body[8:])


def test_the_fingerprint_changes_with_all_that_is_taken_and_with_the_spool() -> None:
    others = [
        replace(HELLO, spool=b"t" * 16),
        replace(HELLO, takes=replace(HELLO.takes, features=frozenset())),
        replace(HELLO, takes=replace(HELLO.takes, highest=2)),
        replace(HELLO, takes=replace(HELLO.takes, stream_window=HELLO.takes.stream_window + 1)),
    ]
    assert len({HELLO.fingerprint, *(one.fingerprint for one in others)}) == 5
    same = [replace(HELLO, software="2", reports_seen=9, assumes=1)]
    assert {one.fingerprint for one in same} == {HELLO.fingerprint}


def test_the_limits_of_this_program_can_be_said() -> None:
    assert decode_hello(HELLO.encode()[2:]) == HELLO


def _extremes() -> list[LinkLimits]:
    """Limits in which one key of the configuration has its least or greatest value."""
    hints = get_type_hints(LinkBounds, include_extras=True)
    kinds = {name: kind.__metadata__[0] for name, kind in hints.items() if hasattr(kind, "__metadata__")}
    ends = [(name, value) for name, kind in kinds.items() for value in (kind.low, kind.high)]
    return [replace(LinkLimits(), **{name: value}) for name, value in ends]


def test_whatever_the_configuration_allows_can_be_said() -> None:
    extremes = _extremes()
    assert len(extremes) == 2 * len(fields(LinkLimits))
    for limits in extremes:
        takes = Capabilities.of(limits, frozenset())
        assert decode_hello(replace(HELLO, takes=takes).encode()[2:]).takes == takes
