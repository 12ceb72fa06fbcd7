"""docs/configuration.md, from the schema: `python -m gateway.config.reference > docs/configuration.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from gateway.config.schema import Config
from gateway.config.section import Section
from gateway.config.shape import Key, keys
from gateway.config.unavailable import SECTIONS

_INTRO = """\
# Configuration

`dicom-gateway run --config gateway.toml` reads one TOML file, and then `conf.d/*.toml` in the folder of that
file, in order of name. Start from the commented [examples/gateway.toml](examples/gateway.toml); this page
lists every key. `dicom-gateway check-config` checks a file without touching a running gateway.

- **Merging.** Tables merge key by key, and a later file wins. `[[listener]]`, `[[peer]]`, `[[route]]` and
  `[[site]]` add up over all files. Any other list replaces the earlier one.
- **Checking.** Everything is checked as a whole, and every problem is told at once with file, line, key,
  value and what is allowed. An unknown key is an error. Warnings do not keep the gateway from starting.
- **Paths** count from the folder of the file they are written in.
- **Sizes** are bytes, as a number or with a unit: `65536`, `"64 KiB"` (1024), `"20 GB"` (1000³).
- **Times** are seconds, as a number or with units: `30`, `"250 ms"`, `"1 h 30 min"`, `"7 d"`.
- **TLS** is always mutual: both sides show a certificate. Files are PEM. A key that everybody on the machine
  may read is an error; a certificate that has expired, or will within 30 days, is a warning.
- **Plain DICOM** is accepted on private and loopback addresses. On any other address, and on "every address",
  a listener needs `tls` or an explicit `plain_on_public = true`.

This page is made from the schema (`python -m gateway.config.reference`); a test keeps the two equal.
"""


def reference() -> str:
    """Return the page."""
    return "\n".join([_INTRO, *_sections(Config, "", False), *_outlook()])


def _sections(section: type[Section], path: str, is_array: bool) -> Iterator[str]:
    if path:
        heading = f"[[{path}]]" if is_array else f"[{path}]"
        yield f"## `{heading}`\n\n{' '.join((section.__doc__ or '').split())}\n"
        yield "| key | default | allowed | meaning |\n|---|---|---|---|"
        yield from (_row(key) for key in keys(section))
        yield ""
    for key in keys(section):
        if key.section is not None:
            inner = f"{path}.{key.name}" if path else key.name
            yield from _sections(key.section, inner, key.container == "list")


def _row(key: Key) -> str:
    default = f"`{key.written()}`" if key.written() else "**required**" if key.required else "none"
    cells = (f"`{key.name}`", default, key.allowed, key.doc)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _outlook() -> Iterator[str]:
    yield "## Not available in this version\n"
    yield "These are refused with a message that says so, rather than ignored:\n"
    for name, words in SECTIONS.items():
        yield f"- `[{name}]`: {words}"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(reference())
