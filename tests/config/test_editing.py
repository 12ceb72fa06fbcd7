"""Structured changes to a commented file: what is not changed stays as it was, to the letter."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.config.editing import Edit, NotEditable, edited

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "docs/examples/gateway.toml").read_text()

TEXT = """\
# The clinic's gateway.
[gateway]
name = "old"   # on the label
ae_title = 'OLD'

[[peer]]  # the centre
name = "oncology"
host = "192.0.2.30"  # do not change without the centre
port = 2762
tls = { ca = "ca.pem", key = "k.pem" }

[[route]]
called = "ARIA"
to = ["oncology"]
"""


def edit(*edits: Edit, **files: str) -> dict[str, str]:
    texts = {"g.toml": TEXT, **{f"conf.d/{name}.toml": text for name, text in files.items()}}
    return edited(texts, edits, main="g.toml")


def test_without_an_edit_every_letter_stays() -> None:
    assert edited({"g.toml": EXAMPLE}, [], main="g.toml") == {"g.toml": EXAMPLE}


def test_a_value_changes_and_its_comment_stays() -> None:
    (text,) = edit(Edit("gateway", {"name": "clinic-07"})).values()
    assert text == TEXT.replace('"old"', '"clinic-07"')


def test_an_element_is_found_by_its_name() -> None:
    (text,) = edit(Edit("peer", {"host": "192.0.2.31", "tls": {"ca": "new.pem"}}, name="oncology")).values()
    assert text == TEXT.replace("192.0.2.30", "192.0.2.31").replace("ca.pem", "new.pem")


def test_an_element_in_another_file_is_changed_there() -> None:
    more = '[[peer]]\nname = "pacs"\nport = 104\n'
    texts = edit(Edit("peer", {"port": 105}, name="pacs"), pacs=more)
    assert texts == {"g.toml": TEXT, "conf.d/pacs.toml": more.replace("104", "105")}


def test_what_is_new_goes_into_the_main_file_behind_the_others() -> None:
    (text,) = edit(
        Edit("peer", {"ae_title": "PACS", "host": "h", "port": 104, "tls": None}, name="pacs"),
        Edit("listener", {"port": 11112, "allow": ["192.0.2.0/24"]}, name="console"),
        Edit("link", {"hub": "h:443"}),
    ).values()
    values = tomllib.loads(text)
    assert text.startswith(TEXT[: TEXT.index("[[route]]")].rstrip())
    assert [peer["name"] for peer in values["peer"]] == ["oncology", "pacs"]
    assert values["listener"] == [{"name": "console", "port": 11112, "allow": ["192.0.2.0/24"]}]
    assert values["link"] == {"hub": "h:443"}
    assert values["route"] == tomllib.loads(TEXT)["route"]


def test_removing() -> None:
    (text,) = edit(
        Edit("route", {}, name="ARIA", remove=True),
        Edit("peer", {"tls": None}, name="oncology"),
        Edit("peer", {}, name="nobody", remove=True),
        Edit("gateway", {"ae_title": None}),
    ).values()
    values = tomllib.loads(text)
    assert "route" not in values
    assert "tls" not in values["peer"][0]
    assert values["gateway"] == {"name": "old"}
    assert "# do not change without the centre" in text


def test_a_key_changes_in_the_file_that_counts() -> None:
    texts = edit(Edit("gateway", {"name": "new"}), z='[gateway]\nname = "later wins"\n')
    assert texts == {"g.toml": TEXT, "conf.d/z.toml": '[gateway]\nname = "new"\n'}


def test_a_key_that_is_taken_out_is_out_everywhere() -> None:
    texts = edit(Edit("gateway", {"name": None}), z='[gateway]\nname = "later wins"\n')
    assert all("name" not in tomllib.loads(text).get("gateway", {}) for text in texts.values())


def test_tables_within_tables() -> None:
    (text,) = edit(Edit("delivery.link_backoff", {"base": 5, "ceiling": "5 min"})).values()
    assert tomllib.loads(text)["delivery"] == {"link_backoff": {"base": 5, "ceiling": "5 min"}}


def test_true_is_not_one() -> None:
    (text,) = edit(Edit("gateway", {"name": 1}), Edit("gateway", {"name": True})).values()
    assert tomllib.loads(text)["gateway"]["name"] is True


@pytest.mark.parametrize("hostile", ['"]\n[[peer]]\nname="x', "\x00\x1b[2J", "a\\", "'''", "#"])
def test_hostile_text_stays_text(hostile: str) -> None:
    (text,) = edit(Edit("gateway", {"name": hostile}), Edit("peer", {"port": 1}, name=hostile)).values()
    values = tomllib.loads(text)
    assert values["gateway"]["name"] == hostile
    assert [peer["name"] for peer in values["peer"]] == ["oncology", hostile]


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("[gateway\n", Edit("gateway", {"name": "x"})),
        ("peer = 1\n", Edit("peer", {"port": 1}, name="x")),
        ("gateway = 1\n", Edit("gateway", {"name": "x"})),
        ("a = " + "[" * 20_000, Edit("gateway", {"name": "x"})),
    ],
)
def test_what_cannot_be_edited_is_said(text: str, change: Edit) -> None:
    with pytest.raises(NotEditable):
        edited({"g.toml": text}, [change], main="g.toml")


def test_which_one_must_be_said() -> None:
    with pytest.raises(ValueError, match="which one"):
        edit(Edit("peer", {"port": 1}))


def test_it_costs_nothing_until_it_is_used() -> None:
    script = "import sys, gateway.config.editing; print('tomlkit' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == "False"
