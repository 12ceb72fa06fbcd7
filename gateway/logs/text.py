"""Text that is safe in a log line and on a terminal, and quantities as people read them."""

from __future__ import annotations

import re
import unicodedata

_MAX = 500
_UID_ROOT_OF_DICOM = "1.2.840.10008."
_DOTTED = re.compile(r"(?<![0-9.])[0-2](?:\.[0-9]+){2,}(?![0-9])")
# Instance UIDs have many components, or one long one (2.25 and a UUID); versions and IPv4 addresses do not.
_UID_COMPONENTS = 6
_UID_LENGTH = 16
# Invisible or able to reorder what follows: bidirectional controls, zero-width characters, surrogates.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def harmless(text: str, limit: int = _MAX) -> str:
    """Return `text` on one line, without control characters or escapes, no longer than about `limit`."""
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text)} characters)"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in _UNSAFE_CATEGORIES else c for c in text)


def without_uids(text: str) -> str:
    """Return `text` with every UID blanked out that is not one of the standard's own."""
    return _DOTTED.sub(lambda found: "(UID)" if _looks_like_an_instance(found[0]) else found[0], text)


def _looks_like_an_instance(dotted: str) -> bool:
    many = dotted.count(".") + 1 >= _UID_COMPONENTS or len(dotted) >= _UID_LENGTH
    return many and not dotted.startswith(_UID_ROOT_OF_DICOM)


def quoted(text: str) -> str:
    """Return `text` as a logfmt value: in quotes when it is empty or has blanks, quotes or equal signs."""
    if text and not any(c in text for c in ' "=\\'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def size_words(amount: float) -> str:
    """Return bytes as people read them: 512B, 24.0kB, 1.25GB (powers of ten)."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if amount >= unit:
            return f"{_three_digits(amount / unit)}{name}"
    return f"{amount:.0f}B"


def time_words(seconds: float) -> str:
    """Return a length of time as people read it: 8ms, 1.25s, 4min10s, 2h5min."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{_three_digits(seconds)}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}min{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}min"


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
