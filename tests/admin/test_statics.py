"""Styles, scripts and icons: what is served, how it is kept, and how much the first page takes."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.admin.statics import FOLDER, Statics
from tests.support.admin_site import Site, site

VENDOR = FOLDER / "vendor"
FIRST_LOAD = 150_000  # bytes


def test_what_others_wrote_is_what_the_readme_says() -> None:
    rows = re.findall(
        r"^\| `(\S+)` \| (\S+ [\d.]+) \|.*\[text\]\(([^)]+)\).*`([0-9a-f]{64})`", _readme(), re.M
    )
    files = {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".css")}
    assert {row[0] for row in rows} == files
    for name, _, licence, digest in rows:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
        assert (VENDOR / licence).is_file()


def _readme() -> str:
    return (VENDOR / "README.md").read_text()


def test_nothing_is_loaded_from_elsewhere() -> None:
    own = [path for path in FOLDER.glob("*") if path.suffix in (".css", ".js", ".svg")]
    templates = list((FOLDER.parent / "templates").rglob("*.html"))
    assert own
    assert templates
    for path in [*own, *templates]:
        text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"""(src|href|url\(|import)\s*[=(]?\s*["']?\s*(https?:)?//""", text), path


async def test_an_address_changes_with_the_content_and_is_kept_for_ever(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a{}")
    before = Statics(tmp_path).url("a.css")
    (tmp_path / "a.css").write_text("b{}")
    assert Statics(tmp_path).url("a.css") != before
    async with site() as page:
        document = await page.get("/home")
        for link in re.findall(r'(?:href|src)="(/static/[^"#]+)', document.source):
            answer = await page.get(link)
            assert answer.status == 200
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_address_of_an_earlier_version_gets_todays_file_and_is_not_kept() -> None:
    async with site() as page:
        answer = await page.get("/static/0123456789ab/app.css")
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/app.css",
        "/static/0123456789ab/nothing.css",
        "/static/0123456789ab/vendor/README.md",
        "/static/0123456789ab/..%2f..%2fapp.py",
        "/static/0123456789ab/../../../app.py",
        "/static/0123456789ab//etc/passwd",
        "/static/" + "a" * 5000,
    ],
)
async def test_nothing_else_is_there(path: str) -> None:
    async with site(role=None) as page:
        answer = await page.get(path)
        assert answer.status == 404


def test_a_folder_that_has_grown_out_of_hand_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.admin.statics.MAX_TOTAL", 10)
    (tmp_path / "a.js").write_text("12345678901")
    with pytest.raises(ValueError, match="more than 10 bytes"):
        Statics(tmp_path)


async def test_compressed_once_and_only_for_those_who_can() -> None:
    async with site() as page, ClientSession(auto_decompress=False) as raw:
        url = page.client.make_url(Statics().url("app.css"))
        packed = await _answer(raw, str(url), "br, gzip")
        plain = await _answer(raw, str(url), "identity")
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 2


async def _answer(session: ClientSession, url: str, encoding: str) -> bytes:
    async with session.get(url, headers={"Accept-Encoding": encoding}) as answer:
        return await answer.read()


async def transferred(page: Site, path: str) -> int:
    """Return the bytes of a page and of everything that it loads, as they go over the line."""
    total = 0
    async with ClientSession(auto_decompress=False) as raw:
        html = await _answer(raw, str(page.client.make_url(path)), "gzip")
        source = gzip.decompress(html).decode() if html[:2] == b"\x1f\x8b" else html.decode()
        links = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', source))
        for link in links:
            total += len(await _answer(raw, str(page.client.make_url(link)), "gzip"))
    return total + len(html)


async def test_the_first_load_of_any_page_is_small() -> None:
    async with site(role="admin") as page:
        document = await page.get("/home")
        paths = [link["href"] for link in document.find("nav.side").all("a")]
        for path in paths:
            assert await transferred(page, path) < FIRST_LOAD, path
