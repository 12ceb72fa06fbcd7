"""Which language a page is in: chosen by the person, else by the browser, else by the configuration.

The catalogues are the .po files that translators edit, each read once, when the first person wants its
language: there is no compiled copy that could be older than its source, and a page in one language neither
waits for the others nor keeps them in memory.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES: Mapping[str, str] = {"en": "English", "fr": "Français", "es": "Español", "pt": "Português"}
"""Code -> the name that those who speak it know it by. English is what the sources are written in."""

DOMAIN = "admin"
LOCALE = Path(__file__).parent / "locale"

MAX_HEADER = 500  # characters of Accept-Language that are looked at


class Languages:
    """The catalogues of all languages."""

    def __init__(self, folder: Path = LOCALE) -> None:
        self._folder = folder

    def catalogue(self, lang: str) -> gettext.NullTranslations:
        """Return what translates into `lang`; English, for a language without a catalogue."""
        return _read(self._folder, lang if lang in LANGUAGES else "en")


@cache
def _read(folder: Path, code: str) -> gettext.NullTranslations:
    path = folder / code / "LC_MESSAGES" / f"{DOMAIN}.po"
    if code == "en" or not path.is_file():
        return gettext.NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def choose(chosen: str, accepted: str, default: str) -> str:
    """Return the language for somebody: the `chosen` one, else the best of `accepted` (RFC 9110 12.5.4)."""
    if chosen in LANGUAGES:
        return chosen
    for code in _by_preference(accepted[:MAX_HEADER]):
        if code in LANGUAGES:
            return code
    return default if default in LANGUAGES else "en"


def _by_preference(header: str) -> list[str]:
    weighted: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, weight = part.partition(";q=")
        code = tag.strip().lower().partition("-")[0]
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if code and 0 < quality <= 1:
            weighted.append((quality, code))
    return [code for _, code in sorted(weighted, key=lambda pair: -pair[0])]  # sorted is stable: order counts
