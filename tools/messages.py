"""The messages of the page: `make messages` brings the .po files up to date with the sources.

Run as `python -m tools.messages`. Translations stay; messages that are gone go; new ones come empty. A
message that has only changed a little comes as `fuzzy`, which is not shown until somebody has looked at it.
"""

from __future__ import annotations

import ast
import datetime
import io
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from gateway.admin.language import DOMAIN, LANGUAGES, LOCALE

_GATEWAY = Path(__file__).parents[1] / "gateway"
SOURCES = (_GATEWAY / "admin", _GATEWAY / "health")  # what the machine says is translated by the page

_TEMPLATE_OPTIONS = {
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "extensions": "jinja2.ext.do,jinja2.ext.loopcontrols",
    "silent": "false",  # a template that cannot be read is an error, not a file without messages
}
_MARKS = ("N_", "_", "gettext")
_PLURAL_MARKS = ("ngettext", "ntext")
_FORMS = ("form", "fields")  # form.text("reason") reads a field, as .text("/proc/uptime") does a file

Found = tuple[str | tuple[str, ...], list[str]]


def extracted() -> Catalog:
    """Return every message of the page's sources and templates."""
    catalogue = Catalog(
        project="dicom-edge-gateway",
        charset="utf-8",
        # Not the day of today: the files change when messages do.
        creation_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    )
    for path in sorted(path for folder in SOURCES for path in folder.rglob("*")):
        if path.suffix == ".py":
            found = _in_python(path)
        elif path.suffix == ".html":
            found = _in_template(path)
        else:
            continue
        place = path.relative_to(_GATEWAY.parent).as_posix()
        for message, comments in found:
            # Without line numbers: a line more somewhere is no news for a translator.
            catalogue.add(message, None, [(place, 0)], auto_comments=comments)
    return catalogue


def _in_python(path: Path) -> Iterator[Found]:
    """Yield what is marked in a source: N_("..."), visit.text("..."), visit.ntext("...", "...", n)."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        name, of = _called(call.func)
        texts = tuple(text for arg in call.args[:2] if (text := _text(arg)) is not None)
        if name in _PLURAL_MARKS and len(texts) == 2:
            yield texts, []
        elif (
            texts
            and not texts[0].startswith("/")
            and (name in _MARKS or (name == "text" and not of.rstrip("()").endswith(_FORMS)))
        ):
            yield texts[0], []


def _called(func: ast.expr) -> tuple[str, str]:
    if isinstance(func, ast.Attribute):
        return func.attr, ast.unparse(func.value)
    return (func.id, "") if isinstance(func, ast.Name) else ("", "")


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _in_template(path: Path) -> Iterator[Found]:
    keywords: dict[str, object] = {"_": None, "gettext": None, "ngettext": (1, 2)}
    with path.open("rb") as file:
        for _, message, comments, _ in extract("jinja2", file, keywords, ["Translators:"], _TEMPLATE_OPTIONS):  # type: ignore[arg-type]
            yield message, comments


def update(code: str, template: Catalog) -> str:
    """Return the .po file of a language with the messages of `template`."""
    path = LOCALE / code / "LC_MESSAGES" / f"{DOMAIN}.po"
    if path.is_file():
        with path.open("rb") as file:
            catalogue = read_po(file, locale=code, domain=DOMAIN)
    else:
        catalogue = Catalog(locale=code, domain=DOMAIN, project=template.project, charset="utf-8")
    catalogue.update(template, no_fuzzy_matching=False, update_header_comment=False)
    catalogue.header_comment = f"# The admin page in {LANGUAGES[code]}. `make messages` keeps it up to date."
    catalogue.fuzzy = False  # of the head: it would not be read
    catalogue.obsolete.clear()
    catalogue.revision_date = template.creation_date
    written = io.BytesIO()
    write_po(written, catalogue, width=100, omit_header=False, sort_by_file=True, ignore_obsolete=True)
    text = written.getvalue().decode()
    return re.sub(
        r'^"(Last-Translator|Language-Team|Report-Msgid-Bugs-To|Generated-By|PO[^:]*Date):.*\n',
        "",
        text,
        flags=re.M,
    )


def main() -> None:
    """Bring every .po file up to date, and say what is left to translate."""
    template = extracted()
    for code in LANGUAGES:
        if code == "en":
            continue
        path = LOCALE / code / "LC_MESSAGES" / f"{DOMAIN}.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(update(code, template), encoding="utf-8")
        with path.open("rb") as file:
            messages = [message for message in read_po(file, locale=code) if message.id]
        empty = sum(
            1 for message in messages if not message.string or message.fuzzy or not any(message.string)
        )
        print(f"{code}: {len(messages)} messages, {empty} to translate")


if __name__ == "__main__":
    main()
