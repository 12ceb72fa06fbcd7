"""A language for alerts: the catalogue of the page, and its way to write times and amounts."""

from __future__ import annotations

import gettext

from gateway.admin import words


class CatalogueSpeaker:
    """Speaks one language (alerts.texts.Speaker)."""

    def __init__(self, lang: str, catalogue: gettext.NullTranslations) -> None:
        self._lang = lang
        self._catalogue = catalogue

    def text(self, message: str, **values: object) -> str:
        """Return `message` translated, with its values."""
        return self._catalogue.gettext(message) % values

    def ntext(self, singular: str, plural: str, count: int, **values: object) -> str:
        """Return the form that fits `count`, which is %(count)s in it."""
        said = self._catalogue.ngettext(singular, plural, count)
        return said % {"count": words.number(self._lang, count), **values}

    def when(self, at: float) -> str:
        """Return a time with its zone."""
        return words.when(self._lang, at)

    def bytes(self, amount: float) -> str:
        """Return an amount of bytes."""
        return words.size(self._lang, amount)

    def span(self, seconds: float) -> str:
        """Return a length of time."""
        return words.span(self._lang, seconds)
