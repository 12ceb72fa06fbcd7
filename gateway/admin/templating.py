"""Templates: what each can use. Autoescape is on; an unknown name is an error, not an empty place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from gettext import NullTranslations
from pathlib import Path
from typing import Any

import jinja2

from gateway.admin import words

FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a template is rendered for."""

    lang: str
    catalogue: NullTranslations
    csrf: str


# Macros that are imported have no context of their own; whom they speak to is told this way.
_READER: ContextVar[Reader] = ContextVar("reader")


class Templates:
    """The templates in a folder, compiled on first use."""

    def __init__(self, static: Callable[[str], str], folder: Path = FOLDER) -> None:
        """`static` gives the address of a file in static/."""
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"],
        )
        self.environment.install_gettext_callables(  # type: ignore[attr-defined]  # of the extension
            _gettext,
            _ngettext,
            newstyle=True,
        )
        self.environment.globals |= {
            "static": static,
            "csrf_token": lambda: _READER.get().csrf,
            "lang": lambda: _READER.get().lang,
        }
        self.environment.filters |= {
            "when": _spoken(words.when),
            "clock": _spoken(words.clock),
            "date": _spoken(words.date),
            "ago": _spoken(words.ago),
            "span": _spoken(words.span),
            "bytes": _spoken(words.size),
            "rate": _spoken(words.rate),
            "number": _spoken(words.number),
            "percent": _spoken(words.percent),
            "iso": words.iso,
        }

        self.environment.tests["coming"] = words.is_coming

    def render(self, name: str, reader: Reader, values: Mapping[str, Any]) -> str:
        """Return a template as text. jinja2.TemplateError is a defect of the template."""
        with speaking_to(reader):
            return self.environment.get_template(name).render(values)


@contextlib.contextmanager
def speaking_to(reader: Reader) -> Iterator[None]:
    """What is translated or formatted within the block is for `reader`."""
    token = _READER.set(reader)
    try:
        yield
    finally:
        _READER.reset(token)


def _gettext(text: str) -> str:
    return _READER.get().catalogue.gettext(text)


def _ngettext(one: str, many: str, count: int) -> str:
    return _READER.get().catalogue.ngettext(one, many, count)


def _spoken(function: Callable[..., str]) -> Callable[..., str]:
    def filtered(*arguments: Any, **named: Any) -> str:
        return function(_READER.get().lang, *arguments, **named)

    return filtered
