"""The values of a log line's fields, each of which knows how people read it."""

from __future__ import annotations

from gateway.dicom import sop_classes
from gateway.dicom import status as dimse_status
from gateway.logs.text import harmless, size_words, time_words, without_uids


class Size(int):
    """An amount of bytes."""

    def words(self) -> str:
        """Return it as people read it."""
        return size_words(self)


class Seconds(float):
    """A length of time."""

    def words(self) -> str:
        """Return it as people read it."""
        return time_words(self)


class Rate(int):
    """Bytes per second."""

    def words(self) -> str:
        """Return it as people read it."""
        return f"{size_words(self)}/s"


class Words(str):
    """Free text, perhaps in the words of a peer: blanked out and made harmless when it is made."""

    __slots__ = ()

    def __new__(cls, text: str) -> Words:
        return super().__new__(cls, harmless(without_uids(text)))


Value = Size | Seconds | Rate | Words | str | int
Fields = tuple[tuple[str, Value], ...]


def named(uid: str) -> str:
    """A SOP class or transfer syntax by its name."""
    return harmless(sop_classes.name(uid), 80) if uid else ""


def status_fields(code: int, service: dimse_status.Service = dimse_status.Service.STORAGE) -> Fields:
    """A DIMSE status as code and in words."""
    category, _, meaning = dimse_status.words(code, service).partition(f" 0x{code:04X}")
    return (("status", f"0x{code:04X}"), ("status_words", Words(meaning.removeprefix(": ") or category)))
