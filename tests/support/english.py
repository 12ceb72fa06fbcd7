"""A voice for tests of what is said: English, as the sources have it."""

from __future__ import annotations


class English:
    """Says messages as they are written, with their placeholders filled."""

    lang = "en"

    def text(self, message: str, **values: object) -> str:
        return message % values if values else message

    def ntext(self, one: str, many: str, count: int, **values: object) -> str:
        return (one if count == 1 else many) % {"count": count, **values}
