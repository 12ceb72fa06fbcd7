"""Reading a form so that everything wrong with it is said at once, each beside its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.admin.forms import Form, FormError
from gateway.admin.page import N_
from gateway.admin.visit import Visit
from gateway.config.kinds import HOST, NAME, Address, Kind, Network, Title

WRONG_TITLE = N_("An AE title has 1 to 16 letters, digits and signs, no backslash.")
WRONG_NAME = N_("Please use 1 to 64 letters, digits, dots, hyphens and underscores, no spaces.")
WRONG_HOST = N_("Please enter a host name or an IP address, like ois.example.org or 192.0.2.20.")
WRONG_NETWORK = N_("This is no network: %(text)s. Write it like 192.0.2.0/24, or a single address.")
WRONG_ADDRESS = N_("This is no IP address.")


class Fields:
    """One form. `errors`: field -> what is wrong, in the reader's language."""

    def __init__(self, visit: Visit, form: Form) -> None:
        self._visit = visit
        self._form = form
        self.errors: dict[str, str] = {}

    def wrong(self, field: str, message: str, **values: object) -> None:
        """Say what is wrong with a field; the first thing said counts."""
        self.errors.setdefault(field, self._visit.text(message, **values))

    def text(self, name: str, *, most: int = 200, required: bool = True, lines: bool = False) -> str:
        """Return a text; what is not acceptable is noted, and empty."""
        try:
            return self._form.text(name, max_length=most, required=required, lines=lines)
        except FormError as error:
            self.wrong(name, error.message, **error.values)
            return ""

    def number(self, name: str, *, low: int = 1, high: int = 65535) -> int:
        """Return a number; 0 when it is none."""
        try:
            return self._form.number(name, low=low, high=high)
        except FormError as error:
            self.wrong(name, error.message, **error.values)
            return 0

    def choice(self, name: str, allowed: Mapping[str, Any] | tuple[str, ...]) -> str:
        """Return one of `allowed`; empty when it is none."""
        try:
            return self._form.choice(name, allowed)
        except FormError as error:
            self.wrong(name, error.message, **error.values)
            return ""

    def flag(self, name: str) -> bool:
        """Tell whether a box is ticked."""
        return self._form.flag(name)

    def title(self, name: str, *, required: bool = True) -> str:
        """Return an AE title."""
        return self._kind(name, Title(), WRONG_TITLE, required)

    def name(self, name: str) -> str:
        """Return a name as the configuration takes it."""
        return self._kind(name, NAME, WRONG_NAME, True)

    def host(self, name: str, *, required: bool = True) -> str:
        """Return a host name or an address."""
        return self._kind(name, HOST, WRONG_HOST, required)

    def address(self, name: str) -> str:
        """Return an IP address."""
        return self._kind(name, Address(), WRONG_ADDRESS, True)

    def networks(self, name: str, most: int) -> tuple[str, ...]:
        """Return networks, one a line."""
        words = self.text(name, most=2000, required=False, lines=True).replace(",", " ").split()
        if len(words) > most:
            self.wrong(name, N_("At most %(most)s are possible."), most=most)
        found: list[str] = []
        for word in words[:most]:
            try:
                found.append(str(Network().parse(word)))
            except ValueError:
                self.wrong(name, WRONG_NETWORK, text=word[:40])
        return tuple(dict.fromkeys(found))

    def titles(self, name: str, most: int) -> tuple[str, ...]:
        """Return AE titles with commas between them."""
        found: list[str] = []
        parts = [one.strip() for one in self.text(name, most=200, required=False).split(",")]
        for part in [one for one in parts if one][: most + 1]:
            try:
                found.append(str(Title().parse(part)))
            except ValueError:
                self.wrong(name, WRONG_TITLE)
        if len(found) > most:
            self.wrong(name, N_("At most %(most)s are possible."), most=most)
        return tuple(dict.fromkeys(found))

    def _kind(self, name: str, kind: Kind[Any], words: str, required: bool) -> str:
        text = self.text(name, most=253, required=required)
        if not text:
            return ""
        try:
            return str(kind.parse(text))
        except ValueError:
            self.wrong(name, words)
            return ""
