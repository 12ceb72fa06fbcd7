"""What a section of the operator API is: routes, and a method for each of their operations."""

from __future__ import annotations

from typing import ClassVar

from gateway.operator.routes import Route


class Section:
    """Base of all sections. An operation `name` is answered by `async def name(self, request, **values)`."""

    routes: ClassVar[tuple[Route, ...]] = ()

    problems: ClassVar[tuple[tuple[type[Exception], int, str], ...]] = ()
    """Errors of its own: exception, HTTP status, what to do next (see answering.STATUS_OF)."""
