"""The kinds of value a key may hold: how each is read, what is allowed, how it is written down.

A kind stands in the type annotation of a configuration field (`Annotated[int, ByteSize()]`). Pydantic finds
it there through `__get_pydantic_core_schema__`; nothing here imports pydantic, so a process that only uses a
loaded configuration does not carry it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from gateway.model import AETitle, Priority

T = TypeVar("T")

_SIZE_UNITS = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}
_TIME_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")
_HOST_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_MAX_NAME = 64
_ANY_SIZE = 1 << 50
_ANY_TIME = 3650 * 86400.0

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Doc:
    """The sentence that explains a key: in the reference, in the example, beside a problem."""

    text: str


class Located(str):
    """A string that remembers the folder of the file it was written in, for relative paths."""

    folder: Path

    def __new__(cls, text: str, folder: Path) -> Located:
        located = super().__new__(cls, text)
        located.folder = folder
        return located

    def __getnewargs__(self) -> tuple[str, Path]:  # type: ignore[override]  # str's own returns one item
        return (str(self), self.folder)


class Kind(Generic[T]):
    """How one value is read. `parse` raises ValueError, in words, when the value is not of the kind."""

    allowed: str = ""

    def parse(self, raw: object) -> T:
        """Return the value in `raw`, which is whatever TOML made of what was written."""
        raise NotImplementedError

    def written(self, value: T) -> str:
        """Return `value` as one writes it in TOML."""
        return quoted(str(value))

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(self.parse)


def quoted(text: str) -> str:
    """Return `text` as a TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Flag(Kind[bool]):
    """A switch."""

    allowed = "true or false"

    def parse(self, raw: object) -> bool:
        if not isinstance(raw, bool):
            raise ValueError("not a switch")  # noqa: TRY004 - pydantic collects ValueError
        return raw

    def written(self, value: bool) -> str:
        return "true" if value else "false"


class Whole(Kind[int]):
    """A whole number within bounds (inclusive)."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.allowed = f"a whole number from {low} to {high}"

    def parse(self, raw: object) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise ValueError("not a whole number")  # noqa: TRY004 - pydantic collects ValueError
        if not self.low <= raw <= self.high:
            raise ValueError("out of range")
        return raw

    def written(self, value: int) -> str:
        return str(value)


class StatusCode(Whole):
    """A DIMSE status (PS3.7 annex C), written in hexadecimal."""

    def __init__(self) -> None:
        super().__init__(0x0001, 0xFFFF)
        self.allowed = "a DIMSE status that is not success, like 0xC000"

    def written(self, value: int) -> str:
        return f"0x{value:04X}"


class Number(Kind[float]):
    """A number within bounds (inclusive)."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.allowed = f"a number from {low:g} to {high:g}"

    def parse(self, raw: object) -> float:
        if not isinstance(raw, int | float) or isinstance(raw, bool):
            raise ValueError("not a number")  # noqa: TRY004 - pydantic collects ValueError
        if not self.low <= raw <= self.high:  # also refuses nan
            raise ValueError("out of range")
        return float(raw)

    def written(self, value: float) -> str:
        return f"{value:g}"


class Choice(Kind[str]):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.allowed = " or ".join(quoted(word) for word in words)

    def parse(self, raw: object) -> str:
        if not isinstance(raw, str) or raw not in self.words:
            raise ValueError("not one of the words known here")
        return str(raw)


class _Quantity(Kind[T]):
    """A number with a unit, or a bare number in the base unit."""

    def __init__(self, units: dict[str, Any], wrong_unit: str) -> None:
        self._units, self._wrong_unit = units, wrong_unit

    def _amount(self, raw: object) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float | str):
            raise ValueError("not a number with a unit")  # noqa: TRY004 - pydantic collects ValueError
        if not isinstance(raw, str):
            return raw
        parts = list(_QUANTITY.finditer(raw))
        if not parts or "".join(part.group() for part in parts) != raw:
            raise ValueError("not a number with a unit")
        total = 0.0
        for part in parts:
            unit = self._units.get(part[2].lower())
            if unit is None:
                raise ValueError(f"unknown unit {part[2][:12]}{self._wrong_unit}")
            total += float(part[1]) * unit
        return total


class ByteSize(_Quantity[int]):
    """An amount of bytes: 65536, "64 KiB", "1.5 GB". kB is 1000 bytes, KiB is 1024."""

    def __init__(self, low: int = 0, high: int = _ANY_SIZE) -> None:
        super().__init__(_SIZE_UNITS, ": write kB (1000) or KiB (1024), MB or MiB, GB or GiB, TB or TiB")
        self.low, self.high = low, high
        bounds = f"from {size_words(low)}" + (f" to {size_words(high)}" if high < _ANY_SIZE else " up")
        self.allowed = f'bytes as a number or like "64 MiB", {bounds}'

    def parse(self, raw: object) -> int:
        amount = self._amount(raw)
        if not self.low <= amount <= self.high:
            raise ValueError("out of range")
        if amount != int(amount):
            raise ValueError("not a whole number of bytes")
        return int(amount)

    def written(self, value: int) -> str:
        words = size_words(value)
        return words if words == str(value) else quoted(words)


class Duration(_Quantity[float]):
    """A length of time in seconds: 30, "30 s", "7 d", "1 h 30 min", "250 ms"."""

    def __init__(self, low: float = 0.001, high: float = _ANY_TIME) -> None:
        super().__init__(_TIME_UNITS, ": write ms, s, min, h or d")
        self.low, self.high = low, high
        bounds = f"from {time_words(low)}" + (f" to {time_words(high)}" if high < _ANY_TIME else " up")
        self.allowed = f'seconds as a number or like "30 s", {bounds}'

    def parse(self, raw: object) -> float:
        amount = self._amount(raw)
        if not self.low <= amount <= self.high:
            raise ValueError("out of range")
        return float(amount)

    def written(self, value: float) -> str:
        return quoted(time_words(value))


class RateKind(ByteSize):
    """Bytes per second. 0 is a rate, too; between it and 1000 nothing would ever get through."""

    def __init__(self) -> None:
        super().__init__(0, 10**9)
        self.allowed = 'bytes per second, as in "100 kB", from 1000 to 10⁹; 0: only what never waits'

    def parse(self, raw: object) -> int:
        rate = super().parse(raw)
        if 0 < rate < 1000:
            raise ValueError("out of range")
        return rate


class TimeOfDay(Kind[int]):
    """A time of day in minutes since midnight: "07:30"."""

    allowed = 'a time of day from "00:00" to "23:59"; "24:00" is midnight, too'

    def parse(self, raw: object) -> int:
        text = as_text(raw)
        if not re.fullmatch("[0-9]{1,2}:[0-9]{2}", text):
            raise ValueError("not a time of day")
        hours, minutes = (int(part) for part in text.split(":"))
        total = 60 * hours + minutes
        if minutes > 59 or total > 24 * 60:
            raise ValueError("not a time of day")
        return total % (24 * 60)

    def written(self, value: int) -> str:
        return quoted(f"{value // 60:02}:{value % 60:02}")


def size_words(value: int) -> str:
    """Return `value` bytes with the largest unit that loses nothing; a bare number when none fits."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if value and value % unit == 0:
            return f"{value // unit} {name}"
    return str(value)


def time_words(value: float) -> str:
    """Return `value` seconds with the largest unit that keeps it a whole number."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if value and value % unit == 0:
            return f"{value / unit:.0f} {name}"
    return f"{value * 1000:g} ms" if 0 < value < 1 else f"{value:g} s"


class Text(Kind[str]):
    """A piece of text that one parser function understands."""

    def __init__(self, allowed: str, check: Callable[[str], object]) -> None:
        self.allowed, self._check = allowed, check

    def parse(self, raw: object) -> str:
        text = as_text(raw)
        self._check(text)
        return text


def as_text(raw: object) -> str:
    """Return `raw` as a plain str; raise ValueError when it is something else."""
    if not isinstance(raw, str):
        raise ValueError("not a text in quotes")  # noqa: TRY004 - pydantic collects ValueError
    return str(raw)


def _check_name(text: str) -> None:
    if len(text) > _MAX_NAME or not _NAME.fullmatch(text):
        raise ValueError("not a name")


def _check_host(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        if len(text) > 253 or any(len(label) > 63 or not _HOST_LABEL.fullmatch(label) for label in labels):
            raise ValueError("neither a host name nor an address") from None
        if all(label.isdecimal() for label in labels):
            raise ValueError("neither a host name nor an address") from None


NAME = Text(f"1 to {_MAX_NAME} letters, digits, '.', '_' and '-'", _check_name)
HOST = Text('a host name or an IP address, like "ois.example.org" or "192.0.2.20"', _check_host)


@dataclass(frozen=True, slots=True)
class Place:
    """A host, or an address, with a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PlaceKind(Kind[Place]):
    """Where to connect to or to listen: "host:port", with an IPv6 address in brackets."""

    def __init__(self, *, listen: bool) -> None:
        self._listen = listen
        self.allowed = (
            'an address of this machine and a port, like "192.0.2.10:443"; "0.0.0.0:443" for every address'
            if listen
            else 'a host name or an address, and a port, like "hub.example.org:443"'
        )

    def parse(self, raw: object) -> Place:
        host, colon, digits = as_text(raw).rpartition(":")
        if not colon or not re.fullmatch("[0-9]{1,5}", digits):
            raise ValueError("there is no port")
        port = int(digits)
        if not (0 if self._listen else 1) <= port <= 65535:
            raise ValueError("not a TCP port")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            if ":" not in host:
                raise ValueError("only an IPv6 address stands in brackets")
        elif ":" in host:
            raise ValueError("an IPv6 address stands in brackets")
        return Place(Address().parse(host) if self._listen else HOST.parse(host), port)


class Address(Kind[str]):
    """An IP address to listen on, kept as text."""

    allowed = 'an IP address of this machine, like "192.0.2.10"; "0.0.0.0" or "::" for every one of them'

    def parse(self, raw: object) -> str:
        try:
            return str(ipaddress.ip_address(as_text(raw)))
        except ValueError:
            raise ValueError("not an IP address") from None


class Network(Kind[IPNetwork]):
    """An IP network, or a single address."""

    allowed = 'a network like "192.0.2.0/24", or a single address'

    def parse(self, raw: object) -> IPNetwork:
        text = as_text(raw)
        try:
            return ipaddress.ip_network(text)
        except ValueError:
            pass
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError("not a network") from None
        raise ValueError(f'has bits set beyond its prefix: "{meant}" is the network')


class Title(Kind[AETitle]):
    """An AE title (PS3.5 6.2)."""

    allowed = "1 to 16 printable ASCII characters, no backslash"

    def parse(self, raw: object) -> AETitle:
        try:
            return AETitle.parse(as_text(raw))
        except ValueError:
            raise ValueError("not an AE title") from None


class FileName(Kind[Path]):
    """A path; a relative one counts from the folder of the file it is written in."""

    allowed = "a path; a relative one starts at the folder of this file"

    def parse(self, raw: object) -> Path:
        text = as_text(raw)
        if "-----BEGIN" in text or "\n" in text:
            raise ValueError("this is the content of a file, and a path to the file is wanted")
        if not text or "\0" in text:
            raise ValueError("not a path")
        path = Path(text)
        return raw.folder / path if isinstance(raw, Located) else path.absolute()


class FileMode(Kind[int]):
    """Permissions of a file, in octal."""

    allowed = 'permissions in octal, like "0660"'

    def parse(self, raw: object) -> int:
        text = as_text(raw)
        if not re.fullmatch(r"0?[0-7]{3}", text):
            raise ValueError("not permissions in octal")
        return int(text, 8)

    def written(self, value: int) -> str:
        return quoted(f"0{value:03o}")


class PriorityName(Kind[Priority]):
    """One of the three priorities."""

    allowed = " or ".join(quoted(priority.label) for priority in Priority)

    def parse(self, raw: object) -> Priority:
        for priority in Priority:
            if raw == priority.label:
                return priority
        raise ValueError("not a priority")

    def written(self, value: Priority) -> str:
        return quoted(value.label)
