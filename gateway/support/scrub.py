"""Takes out of any text what could identify a patient. Pure.

No list of patterns can know a name or a patient ID when it sees one. So it is the other way round: a word
stays only if this program itself uses it (the vocabulary is read from its source), or if the configuration
names it (AE titles, peers, hosts). Everything else becomes a placeholder that is the same for the same word
within one bundle: `[w3]` for words, `[n3]` for numbers, `[uid3]` for instance UIDs. What stays besides words:
small numbers, numbers with a unit, statuses like 0xA700, IP addresses, UIDs that the standard defines.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Any

UID_ROOT_OF_DICOM = "1.2.840.10008."
_MAX_TEXT = 20_000  # characters of one text; longer ones are cut
_MAX_DEPTH = 40
_SHORT_WORDS = frozenset(("a", "s", "I"))
_TYPOGRAPHY = frozenset("–—…“”‘’→·×°±≥≤")

# In this order: the first that matches at a place wins.
_TOKEN = re.compile(
    r"(?P<address>(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.:]{0,40})"
    r"|(?P<dotted>\d+(?:\.\d+){2,})"
    r"|(?P<status>0x[0-9A-Fa-f]{1,4}\b)"
    r"|(?P<quantity>\d{1,6}(?:\.\d{1,3})?(?:ms|s|min|h|d|B|kB|MB|GB|TB|kB/s|MB/s|B/s)\b)"
    r"|(?P<fraction>\d{1,2}\.\d{1,6}\b)"
    r"|(?P<word>\w+)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_FRAME = re.compile(r"(?:.*?/)??(gateway/[\w/]+\.py|[\w.-]+\.py):(\d{1,6}) in ([\w<>]+)")


class Scrubber:
    """Scrubs the texts of one bundle: the same word gets the same placeholder everywhere."""

    def __init__(self, vocabulary: Collection[str], names: Iterable[str] = ()) -> None:
        """`names`: what the configuration names; they stay as a whole, wherever they stand by themselves."""
        self._vocabulary = vocabulary
        self._names = frozenset(name for name in names if name)
        parts = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
        self._name = re.compile(rf"(?<![\w.-])(?:{parts})(?![\w-])(?!\.\w)") if parts else None
        self._placeholders: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    @property
    def replaced(self) -> int:
        """How many different words, numbers and UIDs were replaced so far."""
        return len(self._placeholders)

    def text(self, text: str) -> str:
        """Return `text` without what could identify a patient."""
        text = text[:_MAX_TEXT]
        if self._name is None:
            return self._tokens(text)
        parts: list[str] = []
        end = 0
        for found in self._name.finditer(text):
            parts += [self._tokens(text[end : found.start()]), found[0]]
            end = found.end()
        return "".join([*parts, self._tokens(text[end:])])

    def name(self, text: str) -> str:
        """Return a name if the configuration has it, else a placeholder for the whole."""
        return text if not text or text in self._names else self._placeholder("w", text)

    def person(self, text: str) -> str:
        """Return a placeholder for whoever did something, even if the program knows the word."""
        return self._placeholder("person", text) if text else text

    def frame(self, line: str) -> str:
        """Return a line of a traceback: places in a program stay."""
        found = _FRAME.fullmatch(line)
        return f"{found[1]}:{found[2]} in {found[3]}" if found else self.text(line)

    def json(self, value: Any, depth: int = 0) -> Any:
        """Return JSON with every text scrubbed, keys too. Numbers stay: facts count, they do not name."""
        if isinstance(value, str):
            return self.text(value)
        if depth > _MAX_DEPTH:
            return None
        if isinstance(value, list | tuple):
            return [self.json(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {self.text(str(key)): self.json(item, depth + 1) for key, item in value.items()}
        return value

    def _tokens(self, text: str) -> str:
        return _TOKEN.sub(self._token, text)

    def _token(self, found: re.Match[str]) -> str:
        text = found[0]
        match found.lastgroup:
            case "address":
                # Without a digit it may as well be two names: ADA::DEE.
                good = _is_address(text) and any(map(str.isdigit, text))
                return text if good else self._tokens_without_colons(text)
            case "dotted":
                return self._dotted(text)
            case "status" | "quantity" | "fraction":
                return text
            case "word":
                return self._word(text)
            case _:
                return (
                    text
                    if (text.isascii() and text.isprintable()) or text in "\n\t" or text in _TYPOGRAPHY
                    else "?"
                )

    def _tokens_without_colons(self, text: str) -> str:
        return ":".join(self._tokens(part) if part else "" for part in text.split(":"))

    def _word(self, word: str) -> str:
        if word.isascii() and word.isdigit():
            return word if len(word) <= 2 else self._placeholder("n", word)
        if word in _SHORT_WORDS or (len(word) > 1 and word in self._vocabulary):
            return word
        return self._placeholder("w", word)

    def _dotted(self, text: str) -> str:
        if text.startswith(UID_ROOT_OF_DICOM) or _is_address(text):
            return text
        parts = text.split(".")
        if len(parts) <= 4 and all(len(part) <= 2 for part in parts):
            return text  # a version
        return self._placeholder("uid", text)

    def _placeholder(self, kind: str, text: str) -> str:
        key = (kind, text)
        if key not in self._placeholders:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._placeholders[key] = f"[{kind}{self._counts[kind]}]"
        return self._placeholders[key]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
