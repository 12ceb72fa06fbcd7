"""Which language, and what the catalogues must have."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from gateway.admin.language import DOMAIN, LANGUAGES, LOCALE, Languages, choose
from tests.support.admin_site import site
from tools.messages import extracted

ADMIN = LOCALE.parent

UNTRANSLATED_ALLOWED = 0
"""How many messages of a language may lack a translation: `make messages` finds them."""

TRANSLATED = [code for code in LANGUAGES if code != "en"]


@pytest.mark.parametrize(
    ("chosen", "accepted", "default", "language"),
    [
        ("fr", "es", "pt", "fr"),
        ("xx", "es", "pt", "es"),
        ("", "de-DE,de;q=0.9,pt-BR;q=0.8,en;q=0.7", "", "pt"),
        ("", "es;q=0.1,fr;q=0.9", "", "fr"),
        ("", "fr;q=0,es", "", "es"),
        ("", "*", "es", "es"),
        ("", "", "", "en"),
        ("", "", "xx", "en"),
        ("", "fr;q=x,,;;,=,es;q=0.5", "", "es"),
        ("", "x" * 100_000 + ",fr", "", "en"),
    ],
)
def test_the_person_before_the_browser_before_the_device(
    chosen: str, accepted: str, default: str, language: str
) -> None:
    assert choose(chosen, accepted, default) == language


def catalogue(code: str) -> Catalog:
    with (LOCALE / code / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        return read_po(file, locale=code)


def key(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_message_is_translated(code: str) -> None:
    have = {key(message): message for message in catalogue(code) if message.id}
    wanted = [key(message) for message in extracted() if message.id]
    lacking = [one for one in wanted if one not in have or have[one].fuzzy or not all(_strings(have[one]))]
    assert len(lacking) <= UNTRANSLATED_ALLOWED, lacking[:10]


def test_plurals_are_written_out_where_they_are_said() -> None:
    """Pairs in a table would come into the catalogue as two messages, and never be found as a pair."""
    loose = []
    for path in sorted(ADMIN.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or getattr(call.func, "attr", "") != "ntext":
                continue
            if not all(isinstance(each, ast.Constant) for each in call.args[:2]):
                loose.append(f"{path.relative_to(ADMIN)}:{call.lineno}")
    assert loose == []


def test_a_colon_belongs_to_its_message() -> None:
    """French puts a space before it."""
    outside = re.compile(r"\b_\([^{}]*\)\s*\}\}\s*(?:</\w+>\s*)?:")
    loose = [path.name for path in ADMIN.rglob("*.html") if outside.search(path.read_text(encoding="utf-8"))]
    assert loose == []


def _strings(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def _placeholders(text: str) -> set[str]:
    percent = {part.split(")")[0] for part in text.split("%(")[1:]}
    return percent | {name for _, name, _, _ in string.Formatter().parse(text.replace("%", "")) if name}


@pytest.mark.parametrize("code", TRANSLATED)
def test_translations_have_the_placeholders_of_their_message(code: str) -> None:
    for message in catalogue(code):
        if not message.id:
            continue
        allowed = set().union(*map(_placeholders, key(message)))
        for translated in filter(None, _strings(message)):
            got = _placeholders(translated)
            assert got <= allowed, (message.id, translated)
            if isinstance(message.id, str):
                assert got == allowed, (message.id, translated)
            # A single percent sign would be taken for a placeholder, and fail when the page is shown.
            assert translated.replace("%%", "").count("%") == translated.count("%("), translated


def test_a_catalogue_is_read_with_its_plurals(tmp_path: Path) -> None:
    folder = tmp_path / "fr" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "admin.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n'
        'msgid "Queue"\nmsgstr "File d’attente"\n'
        'msgid "%(num)s object"\nmsgid_plural "%(num)s objects"\n'
        'msgstr[0] "%(num)s objet"\nmsgstr[1] "%(num)s objets"\n'
        '#, fuzzy\nmsgid "Link"\nmsgstr "Perhaps"\n'
    )
    languages = Languages(tmp_path)
    french = languages.catalogue("fr")
    assert french.gettext("Queue") == "File d’attente"
    assert french.ngettext("%(num)s object", "%(num)s objects", 0) == "%(num)s objet"
    assert french.ngettext("%(num)s object", "%(num)s objects", 2) == "%(num)s objets"
    assert french.gettext("Link") == "Link"  # what a person has not looked at is not shown
    assert languages.catalogue("es").gettext("Queue") == "Queue"


async def test_a_choice_is_remembered_in_the_browser() -> None:
    async with site() as page:
        document = await page.get("/nowhere", Accept_Language="es")
        assert document.find("html")["lang"] == "es"
        answer = await page.post("/language", language="pt", back="/nowhere?x=1")
        assert (answer.status, answer.headers["Location"]) == (303, "/nowhere?x=1")
        document = await page.get("/nowhere", Accept_Language="es")
        assert document.find("html")["lang"] == "pt"
        assert (await page.post("/language", language="tlh")).status == 422


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil"]
)
async def test_no_form_leads_elsewhere(back: str) -> None:
    async with site(role=None) as page:
        answer = await page.post("/theme", theme="dark", back=back)
        assert (answer.status, answer.headers["Location"]) == (303, "/")
