"""Reading what a person typed, within bounds. What is not acceptable is said in words, beside its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from aiohttp import web

from gateway.admin.page import N_


class FormError(Exception):
    """A field of a form is not acceptable. `field` is its name, the text says what is wrong in English.

    The text is a message of the catalogue with `values` for its placeholders, so that it can be shown in the
    language of the reader.
    """

    def __init__(self, field: str, message: str, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.field = field
        self.message = message
        self.values = values


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was brought along. `name` is what the browser calls it: text, never a path."""

    name: str
    content: BinaryIO

    def read(self, limit: int) -> bytes:
        """Return the content. FormError when it is more than `limit` bytes."""
        content = self.content.read(limit + 1)
        if len(content) > limit:
            raise FormError("", N_("This file is too large."))
        return content


class Form:
    """The fields of one request. Names that nobody asks for are ignored."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def text(self, name: str, *, max_length: int = 200, required: bool = True, lines: bool = False) -> str:
        """Return a field without the space around it.

        FormError: missing although required, longer than `max_length`, or with characters that are not
        printable (`lines` allows line breaks and tabs).
        """
        value = self._fields.get(name, "")
        if not isinstance(value, str):
            raise FormError(name, N_("A text is expected here."))
        value = value.replace("\r\n", "\n").strip()
        if required and not value:
            raise FormError(name, N_("Please fill this in."))
        if len(value) > max_length:
            raise FormError(name, N_("At most %(most)s characters are possible."), most=max_length)
        allowed = "\n\t" if lines else ""
        if not all(letter.isprintable() or letter in allowed for letter in value):
            raise FormError(name, N_("Please use printable characters only."))
        return value

    def secret(self, name: str, *, max_length: int = 1024) -> str:
        """Return a password exactly as typed. FormError: missing or longer than `max_length`."""
        value = self._fields.get(name, "")
        if not isinstance(value, str) or not value:
            raise FormError(name, N_("Please fill this in."))
        if len(value) > max_length:
            raise FormError(name, N_("At most %(most)s characters are possible."), most=max_length)
        return value

    def number(self, name: str, *, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number. FormError: not one, or not from `low` to `high`."""
        value = self._fields.get(name, "")
        value = value.strip() if isinstance(value, str) else ""
        if not value and default is not None:
            return default
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise FormError(name, N_("Please enter a whole number."))
        if not low <= int(value) <= high:
            raise FormError(name, N_("A number from %(low)s to %(high)s is expected."), low=low, high=high)
        return int(value)

    def choice(self, name: str, allowed: Mapping[str, Any] | tuple[str, ...]) -> str:
        """Return a field that is one of `allowed`. FormError: it is none."""
        value = self._fields.get(name, "")
        if not isinstance(value, str) or value not in allowed:
            raise FormError(name, N_("Please choose one of these."))
        return value

    def flag(self, name: str) -> bool:
        """Tell whether a box is ticked."""
        return name in self._fields

    def all(self, name: str, *, most: int = 1000) -> tuple[str, ...]:
        """Return every value of a field that may come many times. FormError: more than `most`."""
        getall = getattr(self._fields, "getall", None)
        values = getall(name, []) if getall else [self._fields[name]] if name in self._fields else []
        if len(values) > most:
            raise FormError(name, N_("At most %(most)s can be chosen at once."), most=most)
        return tuple(value for value in values if isinstance(value, str))

    def file(self, name: str, *, required: bool = True) -> Upload | None:
        """Return a file. FormError: none, although required."""
        value = self._fields.get(name)
        if isinstance(value, web.FileField) and value.filename:
            return Upload(value.filename[-200:], cast(BinaryIO, value.file))
        if required:
            raise FormError(name, N_("Please choose a file."))
        return None
