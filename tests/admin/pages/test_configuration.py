"""The page Configuration: what it shows, what it takes, and what it does not."""

from __future__ import annotations

import asyncio
import contextlib
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.admin.candidates import MAX_BYTES, MAX_FORM
from gateway.operator.api import OperatorServer
from gateway.operator.sections.configuration import ConfigurationSection
from tests.support.admin_site import TOKEN, Document, Site, site
from tests.support.configured import CONFIG, Configured, configured
from tests.support.fake_control import FakeControl

OTHER = CONFIG.replace("11112", "11113")
HOSTILE = "# </textarea><script>alert(1)</script> \"'&amp; \u202e\n"


class Scene:
    def __init__(self, page: Site, box: Configured) -> None:
        self.page = page
        self.box = box

    async def candidate(self, text: str = OTHER, **more: str) -> dict[str, str]:
        """The fields of a form with one file."""
        digest = (await self.box.show()).digest
        fields = {"csrf": TOKEN, "name.1": "gateway.toml", "text.1": text, "based_on": digest}
        return {**fields, **{name.replace("__", "."): value for name, value in more.items()}}

    async def send(self, path: str, **more: str) -> Document:
        return await self.page.post_fields(f"/configuration/{path}", await self.candidate(**more))

    async def apply(self) -> None:
        answer = await self.send("apply")
        assert (answer.status, answer.headers["Location"]) == (303, "/configuration")
        await self.box.again()


@contextlib.asynccontextmanager
async def scene(folder: Path, role: str = "engineer", text: str = CONFIG) -> AsyncIterator[Scene]:
    async with (
        configured(folder, text) as box,
        site(sections=[ConfigurationSection(box)], role=role) as page,
    ):
        yield Scene(page, box)


async def test_who_may_call_whom_we_call_and_what_goes_where(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        text = (await it.page.get("/configuration")).text
        assert "listens on 127.0.0.1, port 11112" in text
        assert "at 192.0.2.30, port 104" in text
        assert "What anybody sends to ARIA is kept safe here, and delivered to oncology" in text


async def test_hostile_text_stays_text(tmp_path: Path) -> None:
    async with scene(tmp_path, text=CONFIG + HOSTILE) as it:
        for path in ("", "/edit", "/versions/1", "/history"):
            document = await it.page.get(f"/configuration{path}")
            assert document.status == 200
            assert not [one for one in document.all("script") if "src" not in one.attributes]
        (area, _) = (await it.page.get("/configuration/edit")).all("textarea")
        assert area.text.endswith(HOSTILE.strip())
        reviewed = await it.send("review", text=CONFIG + HOSTILE + HOSTILE)
        assert not [one for one in reviewed.all("script") if "src" not in one.attributes]
        (line,) = reviewed.all("tr.add")
        assert HOSTILE.strip() in line.text


async def test_from_the_editor_to_a_change_that_is_kept(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        reviewed = await it.send("review", why="a new port")
        assert [one.text for one in reviewed.all("tr.del")] == ["13 − removed port = 11112"]
        assert [one.text for one in reviewed.all("tr.add")] == ["13 + added port = 11113"]
        assert it.box.main.read_text() == CONFIG
        await it.apply()
        trial = (await it.page.get("/configuration")).find("#trial")
        assert "Keep this configuration? 2:00" in trial.text
        assert "applied by Anna Beispiel (engineer)." in trial.text
        assert trial.find("input[name=number]")["value"] == "2"
        answer = await it.page.post("/configuration/keep", number="2")
        assert answer.status == 303
        document = await it.page.get(answer.headers["Location"])
        assert "Version 2 stays in force." in document.text
        assert "Keep this" not in document.text
        assert "stays in force" not in (await it.page.get("/configuration?kept=1")).text  # not so any more


async def test_one_press_puts_it_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.apply()
        await it.page.post("/configuration/back")
        await it.box.again()
        document = await it.page.get("/configuration")
        assert "The last change was put back." in document.text
        assert it.box.main.read_text() == CONFIG


async def test_the_part_that_counts_reloads_the_page_only_when_something_changed(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        was = (await it.page.get("/configuration")).find("#trial")["hx-get"]
        assert "HX-Refresh" not in (await it.page.get(was, fragment=True)).headers
        await it.apply()
        assert (await it.page.get(was, fragment=True)).headers["HX-Refresh"] == "true"


async def test_while_the_gateway_starts_the_page_waits_with_it(tmp_path: Path) -> None:
    async with site(serve_gateway=False) as page:
        document = await page.get("/configuration")
        assert document.status == 200
        assert "The gateway starts with another configuration" in document.text
        assert "every 1s" in document.find("#trial")["hx-trigger"]
        assert (await page.get("/configuration/trial?was=waiting", fragment=True)).status == 204


async def test_a_mistake_is_shown_with_its_place_and_cannot_be_applied(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        found = await it.page.post_fields("/configuration/check", await it.candidate("bogus = 1\n" + CONFIG))
        (problem,) = found.all("li.error")
        assert (problem["data-file"], problem["data-line"]) == ("gateway.toml", "1")
        assert "there is no such key here" in problem["data-words"]
        reviewed = await it.send("review", text="bogus = 1\n" + CONFIG)
        assert not reviewed.all("form[action=/configuration/apply]")
        again = await it.send("edit", text="bogus = 1\n" + CONFIG)
        assert again.all("textarea")[0].text.startswith("bogus")
        assert again.all("li.error")
        refused = await it.send("apply", text="bogus = 1\n" + CONFIG)
        assert refused.status == 422
        assert "the gateway would not start with this configuration" in refused.text
        assert it.box.main.read_text() == CONFIG


async def test_what_nobody_expects_has_to_be_ticked(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        it.box.undelivered = {"oncology": 3}
        less = CONFIG[: CONFIG.index("[[peer]]")]
        reviewed = await it.send("review", text=less)
        assert "3 objects or messages still wait for it" in reviewed.text
        (box,) = reviewed.all("input[type=checkbox]")
        assert (box["name"], box["value"], "required" in box.attributes) == ("meant.1", "peer:oncology", True)
        assert (await it.send("apply", text=less)).status == 422
        answer = await it.send("apply", text=less, meant__1="peer:oncology")
        assert answer.status == 303


async def test_who_comes_second_is_told(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        stale = await it.candidate(CONFIG + "# mine\n")
        await it.apply()
        await it.box.confirm(2)
        reviewed = await it.page.post_fields("/configuration/review", stale)
        assert "Somebody else has changed the configuration meanwhile" in reviewed.text
        refused = await it.page.post_fields("/configuration/apply", stale)
        assert refused.status == 422
        assert "the configuration is version 2 by now" in refused.text
        assert it.box.main.read_text() == OTHER


async def test_files_come_and_go(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        more = {"name__2": "conf.d/peers.toml", "text__2": "# more\r\n"}
        reviewed = await it.send("review", text=CONFIG, **more)
        assert "new file" in reviewed.find("section.change").text
        assert (await it.send("apply", text=CONFIG, **more)).status == 303
        await it.box.again()
        assert (tmp_path / "conf.d/peers.toml").read_text() == "# more\n"
        reviewed = await it.send("review", text=CONFIG, **more, drop__2="yes")
        assert "file removed" in reviewed.find("section.change").text
        twice = await it.send("review", text=CONFIG, name__2="gateway.toml", text__2="")
        assert (twice.status, "There is a file of this name already." in twice.text) == (422, True)


async def test_history_compare_and_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.apply()
        await it.box.confirm(2)
        history = await it.page.get("/configuration/history")
        assert [one.text for one in history.all("tbody th")] == ["2", "1"]
        compared = await it.page.get("/configuration/compare?from=2&to=1")
        assert [one.text for one in compared.all("tr.add .text")] == ["port = 11113"]
        shown = await it.page.get("/configuration/versions/1")
        assert [one.text for one in shown.all("tr.add .text")] == ["port = 11112"]
        answer = await it.page.post("/configuration/versions/1/back", why="no good")
        assert answer.status == 303
        await it.box.again()
        assert it.box.main.read_text() == CONFIG
        assert (await it.page.get("/configuration/versions/77")).status == 404
        assert (await it.page.get("/configuration/compare?from=1")).status == 422


async def test_what_is_downloaded_can_be_brought_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        single = await it.page.get("/configuration/download")
        assert single.raw.decode() == CONFIG
        assert single.headers["Content-Disposition"].endswith('configuration.toml"')
        await it.send("apply", text=OTHER, name__2="conf.d/peers.toml", text__2="# more\n")
        await it.box.again()
        archive = (await it.page.get("/configuration/download")).raw
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            assert opened.namelist() == ["gateway.toml", "conf.d/peers.toml"]
        await it.box.confirm(2)
        one = await it.page.post("/configuration/upload", files={"file": ("g.toml", CONFIG.encode())})
        assert [line.text for line in one.all("tr.add .text")] == ["port = 11112"]
        inner = await it.page.post("/configuration/upload", files={"file": ("peers.toml", b"# less\n")})
        assert [line.text for line in inner.all("tr.add .text")] == ["# less"]
        whole = await it.page.post("/configuration/upload", files={"file": ("c.zip", archive)})
        assert "There is no difference." in whole.text
        assert it.box.main.read_text() == OTHER
        assert [entry[0] for entry in it.page.access.audited] == ["download_configuration"] * 2


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("gateway.toml", b"#" * (MAX_BYTES + 1))
    return target.getvalue()


def many() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(65):
            archive.writestr(f"conf.d/{number}.toml", "")
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bomb(), "too large"),
        (many(), "too many files"),
        (b"PK\x03\x04 and nothing that follows", "cannot be read"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"x" * (MAX_BYTES + 1), "too large"),
        (b"", "file is missing"),
    ],
    ids=["bomb", "many", "broken", "binary", "large", "empty"],
)
async def test_odd_uploads_are_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    async with scene(tmp_path) as it:
        answer = await it.page.post("/configuration/upload", files={"file": ("c.zip", content)})
        if content:
            assert answer.status == 422
            assert words in answer.text
        else:
            assert "Only the end" in answer.text or answer.all("li.error")
        assert it.box.main.read_text() == CONFIG


async def test_a_zip_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("gateway.toml", CONFIG)
        archive.writestr("../../etc/passwd", "x")
    async with scene(tmp_path) as it:
        answer = await it.page.post("/configuration/upload", files={"file": ("c.zip", target.getvalue())})
        assert "cannot be part of a configuration" in answer.text
        assert not answer.all("form[action=/configuration/apply]")


async def test_too_much_is_refused(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        answer = await it.send("review", text="x" * (MAX_BYTES + 1))
        assert (answer.status, "half a megabyte" in answer.text) == (422, True)
        sent = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": TOKEN}
        body = io.BytesIO(b"text.1=" + b"x" * MAX_FORM)
        async with it.page.client.post("/configuration/review", data=body, headers=sent) as refused:
            assert refused.status == 413


async def test_a_long_file_is_not_compared_line_by_line(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        reviewed = await it.send("review", text=CONFIG + "#\n" * 6000)
        assert "too long to be shown line by line" in reviewed.text
        assert not reviewed.all("tr.add")


async def test_what_the_gateway_may_not_write_is_not_offered_for_editing(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        real = tmp_path / "real.toml"
        it.box.main.rename(real)
        it.box.main.symlink_to(real)
        document = await it.page.get("/configuration")
        assert "symbolic link" in document.text
        assert not document.all("a[href=/configuration/edit]")


@pytest.mark.parametrize("role", ["viewer", "clinic"])
async def test_only_those_who_may_configure_see_it(tmp_path: Path, role: str) -> None:
    async with scene(tmp_path, role) as it:
        for path in ("", "/edit", "/history", "/download", "/versions/1", "/trial"):
            assert (await it.page.get(f"/configuration{path}")).status == 403
        for path in ("apply", "review", "check", "edit", "keep", "back", "versions/1/back"):
            assert (await it.send(path)).status == 403
        assert it.box.main.read_text() == CONFIG


async def test_without_the_forms_token_nothing_happens(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        fields = {**await it.candidate(), "csrf": "wrong"}
        assert (await it.page.post_fields("/configuration/apply", fields)).status == 403
        assert it.box.main.read_text() == CONFIG


async def test_without_scripts_too_the_page_looks_again_while_the_gateway_starts(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        assert not (await it.page.get("/configuration")).all("meta[http-equiv=refresh]")
        await it.send("apply")  # the restart is asked for, and has not begun
        assert (await it.page.get("/configuration")).find("meta[http-equiv=refresh]")
        await it.box.again()
        assert not (await it.page.get("/configuration")).all("meta[http-equiv=refresh]")


async def test_keeping_waits_for_a_gateway_that_is_still_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.admin.pages.configuration._MOMENT", 0.05)
    async with configured(tmp_path, CONFIG) as box, site(tmp_path / "op.sock", serve_gateway=False) as page:
        it = Scene(page, box)
        server = OperatorServer(FakeControl(), tmp_path / "op.sock", sections=[ConfigurationSection(box)])
        await server.start()
        await it.apply()
        await server.close()
        keeping = asyncio.create_task(page.post("/configuration/keep", number="2"))
        await asyncio.wait({keeping}, timeout=0.2)
        assert not keeping.done()
        server = OperatorServer(FakeControl(), tmp_path / "op.sock", sections=[ConfigurationSection(box)])
        await server.start()
        assert (await keeping).status == 303
        assert (await box.show()).state.trial is None
        await server.close()


async def test_it_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.admin.pages.configuration._MOMENT", 0.001)
    async with site(serve_gateway=False) as page:
        assert (await page.post("/configuration/keep", number="2")).status == 502
