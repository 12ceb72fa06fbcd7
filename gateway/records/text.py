"""Texts in the character set that a data set names (PS3.5 6.1, PS3.3 C.12.1.1.2). Pure.

Every byte becomes something: what cannot be decoded is shown as the replacement character.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

MAX_TEXT = 64
"""Characters kept of a text: the most that LO and each group of PN may have (PS3.5 6.2)."""

_SINGLE: Final = {
    "": "ascii",
    "ISO_IR 6": "ascii",
    "ISO_IR 13": "shift_jis",  # JIS X 0201: the single bytes of Shift JIS
    "ISO_IR 100": "latin-1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "tis_620",
    "ISO_IR 192": "utf_8",
    "ISO_IR 203": "iso8859_15",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
"""Defined terms for the whole repertoire, and the codec of each."""

_ESCAPES: Final = {
    b"\x1b(B": ("ascii", b""),
    b"\x1b(J": ("shift_jis", b""),  # ISO-IR 14, JIS X 0201 romaji
    b"\x1b)I": ("shift_jis", b""),  # ISO-IR 13, JIS X 0201 katakana
    b"\x1b-A": ("latin-1", b""),
    b"\x1b-B": ("iso8859_2", b""),
    b"\x1b-C": ("iso8859_3", b""),
    b"\x1b-D": ("iso8859_4", b""),
    b"\x1b-F": ("iso8859_7", b""),
    b"\x1b-G": ("iso8859_6", b""),
    b"\x1b-H": ("iso8859_8", b""),
    b"\x1b-L": ("iso8859_5", b""),
    b"\x1b-M": ("iso8859_9", b""),
    b"\x1b-T": ("tis_620", b""),
    b"\x1b-b": ("iso8859_15", b""),
    b"\x1b$B": ("iso2022_jp", b"\x1b$B"),  # JIS X 0208: two bytes of seven bits, so the codec is told
    b"\x1b$(D": ("iso2022_jp_2", b"\x1b$(D"),  # JIS X 0212
    b"\x1b$)C": ("euc_kr", b""),
    b"\x1b$)A": ("gb2312", b""),
}
"""Escape sequences of code extensions: the codec of what follows, and what the codec wants before it."""

_ESCAPE: Final = re.compile(rb"\x1b(?:\$[()][A-D]|[$][B]|[()\-.][A-Za-z])")
_RESETS: Final = re.compile(rb"([\\^=])")
"""After these the first character set is active again (PS3.5 6.1.2.5.3)."""


def decode(value: bytes, character_set: str) -> str:
    """Return a text value. `character_set`: the value of (0008,0005), with its backslashes."""
    first = character_set.split("\\")[0].strip()
    codec = _SINGLE.get(first.replace("ISO 2022 IR ", "ISO_IR "), "ascii")
    return "".join(_runs(value, codec))


def _runs(value: bytes, first: str) -> Iterator[str]:
    codec, prefix, at = first, b"", 0
    for escape in _ESCAPE.finditer(value):
        yield _run(value[at : escape.start()], codec, prefix, first)
        at = escape.end()
        codec, prefix = _ESCAPES.get(escape.group(), ("ascii", b""))
    yield _run(value[at:], codec, prefix, first)


def _run(value: bytes, codec: str, prefix: bytes, first: str) -> str:
    """Decode what stands between two escapes."""
    if prefix:  # two bytes of seven bits a character: what looks like a delimiter is half of one
        return (prefix + value).decode(codec, "replace")
    head, *rest = _RESETS.split(value, maxsplit=1)
    return head.decode(codec, "replace") + b"".join(rest).decode(first, "replace")


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """Return one short printable line: no control, format or bidirectional characters, no long runs."""
    shown = "".join(
        c if unicodedata.category(c)[0] not in "CZ" else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}"
        for c in text[: 4 * limit]
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
