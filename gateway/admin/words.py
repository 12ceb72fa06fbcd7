"""Times, amounts and rates in the reader's language and in this machine's time zone.

Every function takes the language code first. Times are seconds since the epoch, spans are seconds, sizes are
bytes; what is not known (None) is shown as a dash.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, tzinfo
from typing import TypeGuard

from babel import Locale, dates, numbers, units

NOTHING = "–"

_SIZES = ((1e12, "terabyte"), (1e9, "gigabyte"), (1e6, "megabyte"), (1e3, "kilobyte"))
_SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))  # of the SI, the same everywhere, but for days
_TOO_MUCH = 1e20  # of anything here: a defect somewhere else
_LATEST = 253402300799.0  # the last second of the year 9999: beyond it there is no calendar


def number(lang: str, value: float | None, digits: int = 0) -> str:
    """Return a number with at most `digits` decimals."""
    if not _is_known(value):
        return NOTHING
    pattern = "#,##0." + "#" * digits if digits else "#,##0"
    return numbers.format_decimal(value, format=pattern, locale=_locale(lang))


def percent(lang: str, share: float | None, digits: int = 0) -> str:
    """Return a share (0.25) as per cent (25 %)."""
    if not _is_known(share):
        return NOTHING
    if digits == 0:
        return numbers.format_percent(share, locale=_locale(lang))
    rounded = round(share, digits + 2)
    return numbers.format_percent(rounded, locale=_locale(lang), decimal_quantization=False)


def size(lang: str, amount: float | None) -> str:
    """Return bytes with three figures at most: 512 byte, 4.2 kB, 240 MB."""
    if not _is_known(amount):
        return NOTHING
    for factor, unit in _SIZES:
        if abs(amount) >= factor * 0.9995:
            value = amount / factor
            return _unit(lang, value, f"digital-{unit}", 0 if abs(value) >= 99.95 else 1)
    return _unit(lang, amount, "digital-byte", 0)


def rate(lang: str, per_second: float | None) -> str:
    """Return bytes per second as the bits per second that line contracts speak of: 10.5 Mbit/s."""
    if not _is_known(per_second):
        return NOTHING
    bits = per_second * 8
    for factor, name in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if abs(bits) >= factor * 0.9995:
            value = bits / factor
            return f"{number(lang, value, 0 if abs(value) >= 99.95 else 1)}\u00a0{name}"
    return f"{number(lang, bits)}\u00a0bit/s"


def span(lang: str, seconds: float | None) -> str:
    """Return a span with its two largest units: 3 min 20 s, 2 d 4 h; below ten seconds with a decimal."""
    if not _is_known(seconds):
        return NOTHING
    seconds = max(seconds, 0.0)
    if 0 < seconds < 0.9995:
        return f"{number(lang, seconds * 1000)}\u00a0ms"
    if seconds < 9.95:
        return f"{number(lang, seconds, 1)}\u00a0s"
    left = round(seconds)
    parts: list[str] = []
    for length, unit in _SPANS:
        count, left = divmod(left, length)
        if count:
            days = unit == "d"
            parts.append(
                _unit(lang, count, "duration-day", 0) if days else f"{number(lang, count)}\u00a0{unit}"
            )
        if len(parts) == 2 or (parts and unit == "min" and count >= 10):
            break
    return " ".join(parts[:2])


def ago(lang: str, epoch: float | None, now: float | None = None) -> str:
    """Return how long ago a time was (or is yet to come): 3 minutes ago, in 2 hours."""
    if not _is_known(epoch):
        return NOTHING
    delta = epoch - (time.time() if now is None else now)
    delta = max(min(delta, 1e11), -1e11)  # what is further away is "3,170 years", and no error
    if -1 < delta < 2:  # this very moment, by clocks that differ a little
        delta = -1
    return dates.format_timedelta(round(delta), add_direction=True, threshold=1.5, locale=_locale(lang))


def is_coming(epoch: float, now: float | None = None) -> bool:
    """Tell whether a time is yet to come; what comes within two seconds is here: clocks differ a little."""
    return epoch - (time.time() if now is None else now) >= 2


def clock(lang: str, epoch: float | None, zone: tzinfo | None = None) -> str:
    """Return the time of day with seconds: 14:02:31."""
    moment = _moment(epoch, zone)
    return NOTHING if moment is None else dates.format_time(moment, "HH:mm:ss", locale=_locale(lang))


def when(lang: str, epoch: float | None, zone: tzinfo | None = None) -> str:
    """Return date, time and zone: 23 Nov 2026, 14:02:31 UTC."""
    moment = _moment(epoch, zone)
    if moment is None:
        return NOTHING
    locale = _locale(lang)
    day = dates.format_date(moment.date(), "medium", locale=locale)
    at = dates.format_time(moment, "HH:mm:ss", locale=locale)
    return f"{day}, {at} {zone_name(moment)}"


def date(lang: str, epoch: float | None, zone: tzinfo | None = None) -> str:
    """Return the date in full: Monday, 23 November 2026."""
    moment = _moment(epoch, zone)
    return NOTHING if moment is None else dates.format_date(moment.date(), "full", locale=_locale(lang))


def iso(epoch: float) -> str:
    """Return a time for machines (the datetime attribute), in UTC."""
    moment = _moment(epoch, UTC)
    return "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def zone_name(moment: datetime) -> str:
    """Return the zone's own short name (CET), or its offset where it has none."""
    name = moment.tzname() or ""
    if name and not name.startswith(("+", "-")):
        return name
    offset = f"{moment:%z}"
    return f"UTC{offset[:3]}:{offset[3:5]}" if moment.utcoffset() else "UTC"


def _is_known(value: float | None) -> TypeGuard[float]:
    return value is not None and abs(value) < _TOO_MUCH  # not a number is not less than anything


def _moment(epoch: float | None, zone: tzinfo | None) -> datetime | None:
    if epoch is None or not 0 <= epoch <= _LATEST:  # not a number is not in between either
        return None
    moment = datetime.fromtimestamp(epoch, UTC)
    return moment.astimezone(zone)  # without a zone: this machine's


def _unit(lang: str, value: float, unit: str, digits: int) -> str:
    pattern = "#,##0." + "#" * digits if digits else "#,##0"
    words = units.format_unit(value, unit, length="short", format=pattern, locale=_locale(lang))
    return words.replace(" ", "\u00a0")


_LOCALES: dict[str, Locale] = {}


def _locale(lang: str) -> Locale:
    if lang not in _LOCALES:
        # English of Europe: 23 Nov 2026 cannot be mistaken the way 11/23 can.
        _LOCALES[lang] = Locale.parse({"en": "en_GB", "pt": "pt_PT"}.get(lang, lang))
    return _LOCALES[lang]
