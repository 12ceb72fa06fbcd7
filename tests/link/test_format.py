"""gateway/link/FORMAT.md says what the code does: types, classes, codes, numbers."""

from __future__ import annotations

import re
from pathlib import Path

import gateway.link
from gateway.link import layout
from gateway.link.control import MAX_WAITING
from gateway.link.frames import Code
from gateway.link.hello import BASE, MAX_KEEPALIVE, VERSION
from gateway.link.limits import MAX_ENCODED, MAX_FRAME, LinkLimits
from gateway.link.upgrade import PATH, SUBPROTOCOL
from gateway.link.values import BLOCK, INLINE, RefusalKind, Stage

PAGE = (Path(gateway.link.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")


def rows(pattern: str) -> list[tuple[str, ...]]:
    """The cells of all table rows whose first cell matches."""
    found = [
        tuple(one.strip() for one in line.strip("|").split("|"))
        for line in PAGE.splitlines()
        if line[:1] == "|"
    ]
    return [row for row in found if re.fullmatch(pattern, row[0])]


def test_every_type_of_frame_is_in_the_table() -> None:
    told = {row[1]: int(row[0], 16) for row in rows(r"0x[0-9a-f]{2}")}
    known = {
        name: value
        for name, value in vars(layout).items()
        if name.isupper() and isinstance(value, int) and "_" not in name and name != "OPTIONAL"
    }
    assert told == known
    assert f"0x{layout.OPTIONAL:02x}" in PAGE


def test_every_goodbye_is_in_its_table() -> None:
    section = PAGE.split("## Goodbye")[1].split("\n## ")[0]
    told = dict(re.findall(r"^\| (\d+) \| ([a-z ]+) \|", section, re.MULTILINE))
    assert told == {str(code.value): code.name.lower().replace("_", " ") for code in Code}


def test_every_kind_of_receipt_and_stage_is_told() -> None:
    section = PAGE.split("**RECEIPT**")[1].split("**WITHDRAW**")[0]
    kinds = {int(one) for one in re.findall(r"^\| (\d) \|", section, re.MULTILINE)}
    assert kinds == {layout.RECEIPT_HAVE, layout.RECEIPT_ALREADY, *RefusalKind}
    report = PAGE.split("**REPORT**")[1].split("**SEEN**")[0]
    assert re.search(r"stage 1 the destination has stored", report)
    assert [int(one) for one in re.findall(r"(?:stage |, )(\d)\b", report)] == [one.value for one in Stage]


def test_every_flag_is_told() -> None:
    told = {int(row[0]) for row in rows(r"\d+") if len(row) == 2}
    assert told == {
        layout.OFFER_INLINE,
        layout.OFFER_SEEN_BEFORE,
        layout.OFFER_AT_ONCE,
        layout.DATA_FIRST,
        layout.DATA_LAST,
        layout.DATA_INLINE,
    }
    assert "ACCEPT** (flag 1" in PAGE
    assert layout.ACCEPT_PLAIN == layout.STREAM_FIN == 1
    assert layout.DATA_CLASS == 3


def test_the_numbers_are_those_of_the_code() -> None:
    for number in (BLOCK, INLINE, MAX_FRAME, MAX_ENCODED, MAX_WAITING):
        assert str(number) in PAGE
    assert f"Version {VERSION}." in PAGE
    assert f"`GET {PATH}`, subprotocol `{SUBPROTOCOL}`" in PAGE
    least = {row[0]: row[2] for row in rows(r"payload|transfers|streams|reports|record, image.*")}
    assert f"at least {BASE.max_payload}" in least["payload"]
    assert f"at least {BASE.max_transfers}" in least["transfers"]
    assert f"at least {BASE.max_streams}" in least["streams"]
    assert f"at least {BASE.max_reports}" in least["reports"]
    windows = f"at least {BASE.record_window}, and {BASE.stream_window} for a stream"
    assert windows in next(value for name, value in least.items() if name.startswith("record"))
    assert f"at most {MAX_KEEPALIVE};" in PAGE
    limits = LinkLimits()
    assert f"PING every {limits.busy_ping:.0f} s" in PAGE
    assert f"`keepalive` ({limits.keepalive:.0f} s" in PAGE
    assert f"three round trips and {limits.grace:.0f} s" in PAGE
    assert f"within {limits.hello_timeout:.0f} s" in PAGE


def test_the_defaults_can_be_said_in_a_hello() -> None:
    limits = LinkLimits()
    assert limits.payload <= BASE.max_payload <= limits.max_payload
    for name in ("record_window", "image_window", "bulk_window", "stream_window"):
        assert BASE.__getattribute__(name) <= getattr(limits, name) <= limits.max_window
