"""Lines are found in everything TOML allows."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.toml_lines import key_lines

DOCUMENT = '''\
# a comment with [brackets] and "quotes
title = "x = 1 # no comment"

[gateway]   # trailing
name = 'single [x]'
text = """
[not.a.table]
key = 1
"""
"quoted.key" = 1
list = [
  1, # ]
  "]",
]

[[peer]]
name = "a"
tls = { certificate = "c", key = "k" }

[[peer]]
name = "b"
[peer.tls]
certificate = "c"
a.b = 3
'''


def test_every_kind_of_key_is_found_on_its_line() -> None:
    lines = key_lines(DOCUMENT)
    assert lines == {
        ("title",): 2,
        ("gateway",): 4,
        ("gateway", "name"): 5,
        ("gateway", "text"): 6,
        ("gateway", "quoted.key"): 10,
        ("gateway", "list"): 11,
        ("peer",): 16,
        ("peer", 0): 16,
        ("peer", 0, "name"): 17,
        ("peer", 0, "tls"): 18,
        ("peer", 1): 20,
        ("peer", 1, "name"): 21,
        ("peer", 1, "tls"): 22,
        ("peer", 1, "tls", "certificate"): 23,
        ("peer", 1, "tls", "a", "b"): 24,
    }


def test_arrays_inside_arrays_are_counted_afresh() -> None:
    lines = key_lines("[[a]]\n[[a.b]]\nx=1\n[[a.b]]\nx=2\n[[a]]\n[[a.b]]\nx=3\n")
    assert lines["a", 0, "b", 1, "x"] == 5
    assert lines["a", 1, "b", 0, "x"] == 8


def test_string_edges() -> None:
    text = "a = '''x''''\nb = \"\"\"\\\"\"\"\"\nc = '''\n'''\nd = \"\\\"\"\ne = ''\n"
    assert set(tomllib.loads(text)) == set("abcde")
    assert key_lines(text) == {("a",): 1, ("b",): 2, ("c",): 3, ("d",): 5, ("e",): 6}


_KEY = st.text("abc-_1", min_size=1, max_size=4)
_STRING = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=8).map(
    lambda s: '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
_VALUE = st.one_of(
    _STRING,
    st.integers().map(str),
    st.lists(_STRING, max_size=3).map(lambda items: "[\n" + ",\n".join(items) + "]"),
    st.just('"""\na = 1\n[[b]]\n"""'),
    st.just("{ a = 1, b = { c = 2 } }"),
)
_TABLE = st.dictionaries(_KEY, _VALUE, max_size=4)


@given(st.lists(st.tuples(st.sampled_from(["", "  # note ] \" '", "\n\n"]), _TABLE), max_size=5))
def test_in_generated_documents_each_line_holds_its_key(tables: list[tuple[str, dict[str, str]]]) -> None:
    text = ""
    for note, table in tables:
        text += f"[[t]]{note}\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
    parsed: dict[str, Any] = tomllib.loads(text)
    lines = key_lines(text)
    rows = text.split("\n")
    for number, table in enumerate(parsed.get("t", [])):
        assert rows[lines["t", number] - 1].startswith("[[t]]")
        for key in table:
            assert rows[lines["t", number, key] - 1].startswith(f"{key} = ")
    assert len([path for path in lines if len(path) == 3]) == sum(len(t) for t in parsed.get("t", []))
