"""Each kind of value: what it takes, what it refuses, how it is written."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.kinds import (
    HOST,
    NAME,
    Address,
    ByteSize,
    Choice,
    Duration,
    FileMode,
    FileName,
    Flag,
    Kind,
    Located,
    Network,
    Number,
    Place,
    PlaceKind,
    PriorityName,
    RateKind,
    StatusCode,
    TimeOfDay,
    Title,
    Whole,
)
from gateway.config.sop_class_key import SopClass
from gateway.model import AETitle, Priority

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (PlaceKind(listen=False), "hub.example.org:443", Place("hub.example.org", 443)),
        (PlaceKind(listen=False), "[2001:db8::1]:8443", Place("2001:db8::1", 8443)),
        (PlaceKind(listen=True), "0.0.0.0:0", Place("0.0.0.0", 0)),
        (PlaceKind(listen=True), "[::]:443", Place("::", 443)),
        (Flag(), True, True),
        (Whole(1, 10), 10, 10),
        (Number(0, 1), 1, 1.0),
        (ByteSize(), 65536, 65536),
        (ByteSize(), "64 KiB", 65536),
        (ByteSize(), "64kib", 65536),
        (ByteSize(), "1.5 GB", 1_500_000_000),
        (Duration(), 30, 30.0),
        (Duration(), 0.5, 0.5),
        (Duration(), "7 d", 604_800.0),
        (Duration(), "1 h 30 min", 5400.0),
        (Duration(), "250 ms", 0.25),
        (RateKind(), 0, 0),
        (RateKind(), "100 kB", 100_000),
        (TimeOfDay(), "00:00", 0),
        (TimeOfDay(), "7:30", 450),
        (TimeOfDay(), "23:59", 1439),
        (TimeOfDay(), "24:00", 0),
        (Choice("a", "b"), "b", "b"),
        (NAME, "clinic-07.a_b", "clinic-07.a_b"),
        (HOST, "ois.example.org", "ois.example.org"),
        (HOST, "2001:db8::1", "2001:db8::1"),
        (Address(), "192.0.2.10", "192.0.2.10"),
        (Address(), "2001:DB8::0001", "2001:db8::1"),
        (Title(), " ARIA ", AETitle("ARIA")),
        (FileMode(), "0660", 0o660),
        (FileMode(), "600", 0o600),
        (StatusCode(), 0xC000, 0xC000),
        (PriorityName(), "record", Priority.RECORD),
        (SopClass(), CT, CT),
        (SopClass(), "CT Image Storage", CT),
        (SopClass(), "ct image storage", CT),
        (SopClass(), "CTImageStorage", CT),
        (SopClass(), "1.3.46.670589.11", "1.3.46.670589.11"),
        (FileName(), Located("tls/a.pem", Path("/etc/gw")), Path("/etc/gw/tls/a.pem")),
        (FileName(), Located("/abs/a.pem", Path("/etc/gw")), Path("/abs/a.pem")),
    ],
)
def test_what_is_taken(kind: Kind[Any], raw: object, value: object) -> None:
    assert kind.parse(raw) == value


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (PlaceKind(listen=False), "hub.example.org"),
        (PlaceKind(listen=False), "hub.example.org:0"),
        (PlaceKind(listen=False), "hub.example.org:65536"),
        (PlaceKind(listen=False), "2001:db8::1:443"),
        (PlaceKind(listen=False), "[hub.example.org]:443"),
        (PlaceKind(listen=False), "not a host:443"),
        (PlaceKind(listen=False), 443),
        (PlaceKind(listen=True), "hub.example.org:443"),
        (Flag(), 1),
        (Whole(1, 10), True),
        (Whole(1, 10), 11),
        (Whole(1, 10), "1"),
        (Whole(1, 10), 1.0),
        (Number(0, 1), float("nan")),
        (Number(0, 1), True),
        (ByteSize(), "64"),
        (ByteSize(), "64 M"),
        (ByteSize(), "0.3 B"),
        (ByteSize(10), 9),
        (ByteSize(0, 10), "1 KiB"),
        (ByteSize(), True),
        (ByteSize(), "-1 KiB"),
        (Duration(), "7 weeks"),
        (Duration(), "1h 30"),
        (Duration(), 0),
        (Duration(), float("inf")),
        (Duration(), float("nan")),
        (Duration(), []),
        (RateKind(), 999),
        (RateKind(), "2 GB"),
        (TimeOfDay(), "24:01"),
        (TimeOfDay(), "12:60"),
        (TimeOfDay(), "12"),
        (TimeOfDay(), 730),
        (Choice("a"), "A"),
        (NAME, "two words"),
        (NAME, ""),
        (NAME, "-a"),
        (NAME, "x" * 65),
        (HOST, "http://x"),
        (HOST, "1.2.3.999"),
        (HOST, "a..b"),
        (HOST, ""),
        (Address(), "localhost"),
        (Network(), "192.0.2.0/33"),
        (Title(), "SEVENTEEN LETTERS"),
        (Title(), "a\\b"),
        (Title(), ""),
        (FileMode(), "0999"),
        (FileMode(), 660),
        (FileName(), ""),
        (FileName(), "a\0b"),
        (FileName(), "-----BEGIN PRIVATE KEY-----"),
        (FileName(), 3),
        (PriorityName(), "urgent"),
        (PriorityName(), 0),
        (SopClass(), "Holiday Photo Storage"),
        (StatusCode(), 0),
    ],
)
def test_what_is_refused(kind: Kind[Any], raw: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        kind.parse(raw)
    assert kind.allowed


def test_a_network_with_host_bits_is_told_which_network_is_meant() -> None:
    with pytest.raises(ValueError, match=r'"192\.0\.2\.0/24" is the network'):
        Network().parse("192.0.2.7/24")


def test_a_misspelt_sop_class_is_recognized() -> None:
    with pytest.raises(ValueError, match='did you mean "RT Beams Treatment Record Storage"'):
        SopClass().parse("RT Beam Treatment Record Storage")


@given(st.integers(0, 1 << 50))
def test_sizes_are_written_as_they_are_read(value: int) -> None:
    kind = ByteSize()
    written = kind.written(value)
    assert kind.parse(written.strip('"') if written.startswith('"') else int(written)) == value


@given(st.one_of(st.integers(1, 10**8), st.integers(1, 999).map(lambda ms: ms / 1000)))
def test_durations_are_written_as_they_are_read(value: float) -> None:
    kind = Duration()
    assert kind.parse(kind.written(value).strip('"')) == pytest.approx(value, rel=1e-6)


@given(st.text(max_size=40))
def test_no_text_makes_a_quantity_fail_in_another_way(text: str) -> None:
    for kind in (ByteSize(), Duration()):
        with contextlib.suppress(ValueError):
            assert kind.parse(text) >= 0


@pytest.mark.parametrize("text", ["192.0.2.1:443", "[2001:db8::1]:443"])
def test_a_place_is_written_as_it_is_read(text: str) -> None:
    assert str(PlaceKind(listen=True).parse(text)) == text
