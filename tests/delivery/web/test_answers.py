from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.web.answers import FAILED, PROCESSING, REFERENCED, Said, Unreadable, read


def item(uid: object, tag: str = "", reason: object = None) -> dict[str, Any]:
    found: dict[str, Any] = {"00081155": {"vr": "UI", "Value": [uid]}}
    if tag:
        found[tag] = {"vr": "US", "Value": [reason]}
    return found


def answer(stored: list[Any] | None = None, failed: list[Any] | None = None) -> bytes:
    content = {REFERENCED: {"vr": "SQ", "Value": stored or []}, FAILED: {"vr": "SQ", "Value": failed or []}}
    return json.dumps(content).encode()


def test_each_object_is_told_of() -> None:
    said = read(
        answer(
            [item("1.1"), item("1.2", "00081196", 0xB000)],
            [item("1.3", "00081197", 0xA900), item("1.4"), item("1.5", "00081197", "272")],
        )
    )
    assert said == {
        "1.1": Said(True, 0),
        "1.2": Said(True, 0xB000),
        "1.3": Said(False, 0xA900),
        "1.4": Said(False, PROCESSING),
        "1.5": Said(False, 0x0110),
    }


def test_who_is_in_both_lists_has_failed() -> None:
    assert read(answer([item("1.1")], [item("1.1", "00081197", 0xC000)])) == {"1.1": Said(False, 0xC000)}


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b'{"00081199": {"vr": "SQ"}}', b"[{}]"])
def test_an_answer_may_say_nothing(body: bytes) -> None:
    assert read(body) == {}


@pytest.mark.parametrize("uid", [None, 5, "1" * 65, ["1.2"]])
def test_an_item_without_an_identity_is_nobody_s(uid: object) -> None:
    assert read(answer([item(uid), item("1.2")])) == {"1.2": Said(True, 0)}


@pytest.mark.parametrize(
    "body",
    [
        b"<NativeDicomModel/>",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'"x"',
        b'{"00081199": 5}',
        b'{"00081199": {"Value": 5}}',
        b'{"00081199": {"Value": [5]}}',
        b'{"00081198": {"Value": [{"00081155": {"Value": ["1.2"]}, "00081197": {"Value": ["x"]}}]}}',
        b'{"00081198": {"Value": [{"00081155": {"Value": ["1.2"]}, "00081197": {"Value": [70000]}}]}}',
        b'{"00081198": {"Value": [{"00081155": {"Value": ["1.2"]}, "00081197": {"Value": [1e999]}}]}}',
        answer([item(f"1.{number}") for number in range(4097)]),
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("1.2"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([FAILED, REFERENCED, "00081155", "00081196", "00081197", "Value", "vr"]), inner
        )
    ),
    max_leaves=20,
)


@given(_JSON.map(json.dumps).map(str.encode) | st.binary(max_size=50))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    try:
        said = read(body)
    except Unreadable:
        return
    assert all(isinstance(uid, str) and 0 <= one.status <= 0xFFFF for uid, one in said.items())
