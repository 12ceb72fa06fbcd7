from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import chain
from gateway.audit.values import MAX_TEXT, AuditEntry

TIMES = st.floats(0, 2**40)
ENTRIES = st.builds(AuditEntry, TIMES, *[st.text(max_size=60)] * 6)


@given(ENTRIES, st.integers(1, 10**12), TIMES)
def test_a_sealed_line_says_what_the_entry_said(entry: AuditEntry, number: int, now: float) -> None:
    line, digest = chain.seal(number, entry, now, chain.GENESIS)
    record = chain.read_entry(line)
    assert (record.number, record.at, record.recorded_at) == (number, entry.at, now)
    for name in ("who", "what", "subject", "outcome", "detail", "address"):
        assert getattr(record, name) == getattr(entry, name)
    assert record.digest == digest == chain.expected_digest(line, chain.GENESIS)
    assert line.isascii()
    assert line.count(b"\n") == 1


@given(ENTRIES, st.data())
def test_any_changed_byte_shows(entry: AuditEntry, data: st.DataObject) -> None:
    line, digest = chain.seal(7, entry, 5.0, chain.GENESIS)
    at = data.draw(st.integers(0, len(line) - 2))
    value = data.draw(st.integers(0, 255).filter(lambda one: one != line[at]))
    changed = line[:at] + bytes([value]) + line[at + 1 :]
    try:
        record = chain.read_entry(changed)
    except chain.Unreadable:
        return
    body_is_whole = changed[: -len(b',"hash":"') - 66] == line[: -len(b',"hash":"') - 66]
    assert record.digest != chain.expected_digest(changed, chain.GENESIS) or body_is_whole
    assert record.digest == digest or record.digest != chain.expected_digest(changed, chain.GENESIS)


def test_the_digest_covers_what_came_before() -> None:
    entry = AuditEntry(1.0, "anna", "retry")
    line, digest = chain.seal(2, entry, 1.0, "a" * 64)
    assert chain.expected_digest(line, "b" * 64) != digest


def test_the_longest_entry_fits_a_line() -> None:
    texts = {name: "\U0001f600" * most for name, most in MAX_TEXT.items()}
    line, _ = chain.seal(10**12, AuditEntry(1.0, **texts), 1.0, chain.GENESIS)
    assert len(line) < chain.MAX_LINE


def test_a_header_says_what_it_said() -> None:
    assert chain.read_header(chain.header_line(17, "f" * 64)) == chain.Header(17, "f" * 64)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]\n", b"{}\n", b'{"format":2,"first":1,"previous":""}\n', b'{"n":1}\n', b"\xff\n",
        b'{"format":1,"first":"1","previous":""}\n', b"[" * 5000 + b"\n", b'{"n":null,"at":1,"recorded":1}\n',
    ],
)  # fmt: skip
def test_garbage_is_unreadable_and_nothing_else(line: bytes) -> None:
    with pytest.raises(chain.Unreadable):
        chain.read_header(line)
    with pytest.raises(chain.Unreadable):
        chain.read_entry(line)
