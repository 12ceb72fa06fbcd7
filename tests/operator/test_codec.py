from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from gateway.operator import codec, facts


@dataclass(frozen=True, slots=True)
class Inner:
    """Inside."""

    kind: Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class Outer:
    """Outside."""

    number: int
    ratio: float
    flag: bool
    inner: tuple[Inner, ...]
    note: Annotated[str | None, "a note"] = None


GOOD = {"number": 1, "ratio": 2, "flag": True, "inner": [{"kind": "a"}], "note": None}


def test_encoding_and_decoding_are_inverse() -> None:
    value = Outer(1, 2.0, True, (Inner("a"), Inner("b")), "n")
    assert codec.decode(Outer, codec.encode(value), strict=True) == value


def test_a_whole_number_will_do_for_a_float() -> None:
    assert codec.decode(Outer, GOOD).ratio == 2.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"number": "1"}, "number: a whole number"),
        ({"number": True}, "number: a whole number"),
        ({"flag": 1}, "flag: true or false"),
        ({"inner": {}}, "inner: a list"),
        ({"inner": [[]]}, r"inner\[0\]: an object"),
        ({"inner": [{}]}, r"inner\[0\].kind: is missing"),
        ({"inner": [{"kind": "c"}]}, r"inner\[0\].kind: one of a, b"),
        ({"inner": [{"kind": []}]}, r"inner\[0\].kind: one of a, b"),
        ({"surprise": 1}, "unknown key 'surprise'"),
        ({"note": 5}, "note: text"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        codec.decode(Outer, {**GOOD, **change}, strict=True)


@pytest.mark.parametrize("data", [None, 5, "x", [], {}])
def test_something_else_entirely_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"expected|missing"):
        codec.decode(Outer, data)


def test_a_client_understands_a_newer_daemon() -> None:
    newer = {**GOOD, "inner": [{"kind": "later", "more": 1}], "surprise": 1}
    assert codec.encode(codec.decode(Outer, newer).inner[0]) == {"kind": "later"}


def test_schemas_are_collected_once_with_their_descriptions() -> None:
    components: dict[str, codec.Json] = {}
    assert codec.schema(Outer, components) == {"$ref": "#/components/schemas/Outer"}
    assert set(components) == {"Outer", "Inner"}
    outer = components["Outer"]
    assert outer["required"] == ["number", "ratio", "flag", "inner"]
    assert outer["properties"]["note"] == {
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "description": "a note",
    }
    assert components["Inner"]["properties"]["kind"] == {"type": "string", "enum": ["a", "b"]}


def test_every_fact_has_a_schema() -> None:
    components: dict[str, codec.Json] = {}
    for kind in (facts.Status, facts.Story, facts.EchoReport, facts.SendReport, facts.DeliveryPage):
        codec.schema(kind, components)
    assert all(schema["description"] for schema in components.values())
