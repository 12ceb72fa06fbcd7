"""The install wizard, step by step, in front of a real configuration and real certificates."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.admin.installing import machine
from gateway.certificates.room import CertificateRoom
from gateway.operator.sections.certificates import CertificatesSection
from gateway.operator.sections.configuration import ConfigurationSection
from gateway.operator.sections.peers import PeersSection
from tests.admin.pages.test_peers import Port, caller, stranger
from tests.support.admin_site import Document, Site, site
from tests.support.configured import CONFIG, Configured, configured
from tests.support.openssl_ca import OpenSslAuthority

HOSTILE = "<script>alert('x')</script>\"&"
BARE = """\
# Made at the factory.
[gateway]
name = "new-gateway"
ae_title = "GATEWAY"
state_dir = "state"

[operator]
socket = "operator.sock"
"""
CENTRE = {
    "name": "archive", "ae_title": "PACS", "host": "192.0.2.31", "port": "104", "called": "",
    "security": "plain", "server_name": "", "calling_ae": "", "commitment": "on-request",
}  # fmt: skip
STEPS = ("name", "network", "time", "certificates", "centre", "console", "review", "test", "sheet")


@dataclass
class Scene:
    page: Site
    box: Configured
    peers: Port
    folder: Path

    @property
    def text(self) -> str:
        return self.box.main.read_text()

    def draft(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / "page/install/draft.json").read_text())
        return found

    async def step(self, name: str) -> Document:
        return await self.page.get(f"/install/{name}")

    async def send(self, path: str, **fields: str) -> Document:
        return await self.page.post(f"/install/{path}", **fields)


@contextlib.asynccontextmanager
async def scene(folder: Path, text: str = CONFIG, role: str = "engineer") -> AsyncIterator[Scene]:
    port = Port()
    port.known, port.doors = [], ()
    async with configured(folder, text) as box:
        sections = [
            ConfigurationSection(box), CertificatesSection(CertificateRoom(folder / "state", ())),
            PeersSection(port),
        ]  # fmt: skip
        async with site(sections=sections, role=role, state_dir=folder / "page") as page:
            yield Scene(page, box, port, folder)


def errors(document: Document) -> list[str]:
    return [one.text for one in document.all("span.error")]


@pytest.mark.parametrize("role", ["viewer", "clinic"])
async def test_it_is_for_those_who_may_configure(tmp_path: Path, role: str) -> None:
    async with scene(tmp_path, role=role) as it:
        for path in ("/install", *(f"/install/{step}" for step in STEPS), "/install/sheets/1"):
            assert (await it.page.get(path)).status == 403
        assert (await it.send("sheet")).status == 403
        assert not (tmp_path / "page/install").exists()


@pytest.mark.parametrize("text", [BARE, CONFIG], ids=["bare", "full"])
async def test_every_step_shows_whatever_is_configured(tmp_path: Path, text: str) -> None:
    async with scene(tmp_path, text) as it:
        assert "Nine short steps" in (await it.page.get("/install")).text
        for number, step in enumerate(STEPS, start=1):
            document = await it.step(step)
            assert document.status == 200
            assert document.find("h1").text.startswith(f"Step {number} of 9")
            assert len(document.all(".way-through li")) == 9
            assert document.find("a[aria-current=step]")["href"] == f"/install/{step}"


async def test_the_answers_begin_with_what_is_configured(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        assert (await it.step("name")).find("#gateway")["value"] == "clinic"
        assert (await it.step("network")).find("#port")["value"] == "11112"
        shown = await it.page.get("/install/centre?edit=oncology")
        assert shown.find("#host")["value"] == "192.0.2.30"
        assert "There is no difference" not in (await it.step("review")).text
        assert "Nothing has to be applied" in (await it.step("review")).text


async def test_names_are_checked_each_beside_its_field_and_stay_typed(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        wrong = await it.send("name", gateway=HOSTILE, ae_title="much too long a title", site="")
        assert wrong.status == 422
        assert len(errors(wrong)) == 3
        assert wrong.find("#gateway")["value"] == HOSTILE
        assert not [one for one in wrong.all("script") if "src" not in one.attributes]
        right = await it.send("name", gateway="clinic-07", ae_title="CLINIC07", site=f"Clinic {HOSTILE}")
        assert right.headers["Location"] == "/install/network"
        again = await it.step("name")
        assert HOSTILE in again.find("#site").text
        assert "done" in again.all(".way-through li")[0]["class"]
        assert it.text == CONFIG  # nothing is applied


async def test_an_address_has_to_be_here_private_and_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = [
        machine.Choice("192.168.7.9", "eth0", "192.168.7.0/24", "private"),
        machine.Choice("8.8.4.4", "eth1", "8.8.4.0/29", "public"),
    ]
    monkeypatch.setattr(machine, "choices", lambda _network: choices)
    monkeypatch.setattr(
        machine, "port_state", lambda _address, port, _ours: "taken" if port == 104 else "free"
    )
    async with scene(tmp_path, BARE) as it:
        shown = await it.step("network")
        assert shown.find("input[checked]")["value"] == "192.168.7.9"
        assert shown.find("#allow").text == "192.168.7.0/24"
        good = {"address": "192.168.7.9", "port": "11112", "allow": "192.168.7.0/24"}
        for change, words in (
            ({"address": "203.0.113.9"}, "Please choose one of these."),
            ({"address": "8.8.4.4"}, "open to the world"),
            ({"port": "104"}, "Another program of this device uses port 104"),
            ({"port": "70000"}, "A number from 1 to 65535"),
            ({"allow": "everything"}, "This is no network: everything"),
        ):
            wrong = await it.send("network", **{**good, **change})
            assert wrong.status == 422
            assert words in " ".join(errors(wrong))
        assert (await it.send("network", **good)).headers["Location"] == "/install/time"
        assert it.draft()["answers"]["address"] == "192.168.7.9"  # type: ignore[index]  # JSON


async def test_plain_dicom_over_the_internet_is_refused(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        wrong = await it.send("centre/save", **{**CENTRE, "host": "8.8.4.4"})
        assert wrong.status == 422
        assert "plain DICOM would show patients to everybody" in " ".join(errors(wrong))
        assert (await it.send("centre/save", **CENTRE)).headers["Location"] == "/install/centre"


async def test_centres_are_added_changed_and_removed(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        for change, words in (
            ({"name": "oncology"}, "This name is taken"),
            ({"called": "CLINIC"}, "the gateway's own AE title"),
            ({"host": "no host"}, "host name or an IP address"),
            ({"security": "with-nothing"}, "Please choose one of these"),
        ):
            wrong = await it.send("centre/save", **{**CENTRE, **change})
            assert wrong.status == 422
            assert words in " ".join(errors(wrong))
        await it.send("centre/save", **CENTRE)
        await it.send("centre/save?edit=archive", **{**CENTRE, "port": "11113"})
        assert "192.0.2.31:11113" in (await it.step("centre")).text
        review = (await it.step("review")).text
        assert "What is sent to the AE title PACS is kept safe here, and delivered to archive." in review
        await it.send("centre/remove", name="archive")
        await it.send("centre/remove", name="oncology")
        assert (await it.send("centre")).status == 422  # there has to be one


async def test_consoles_are_listed_and_titles_are_not_given_twice(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        assert (await it.send("console", callers="listed")).status == 422  # nobody is on the list
        await it.send("console/save", ae_title="LINAC1", name="", host="", port="")
        twice = await it.send("console/save", ae_title="LINAC1", name="", host="", port="")
        assert "There is a console with this AE title already." in errors(twice)
        missing = await it.send("console/save", ae_title="LINAC2", down="yes", name="", host="", port="104")
        assert missing.status == 422
        down = {"down": "yes", "name": "", "host": "192.0.2.20", "port": "104"}
        taken = await it.send("console/save", ae_title="ARIA", **down)
        assert "Consoles call a centre by this title" in " ".join(errors(taken))
        await it.send("console/save", ae_title="LINAC2", **down)
        plate = (await it.step("console")).find(".plate").text
        assert "ARIA" in plate
        assert "127.0.0.1" in plate
        assert "11112" in plate
        assert (await it.send("console", callers="listed")).headers["Location"] == "/install/review"
        review = await it.step("review")
        assert "Only LINAC1, LINAC2 may send there." in review.text
        added = " ".join(one.text for one in review.all("tr.add"))
        assert 'calling = ["LINAC1", "LINAC2"]' in added
        assert 'mode = "relay"' in added


async def test_apply_is_a_trial_and_keep_leads_to_the_test_run(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.send("name", gateway="clinic-07", ae_title="CLINIC07", site="Clinic")
        review = await it.step("review")
        based_on = review.find("#apply input[name=based_on]")["value"]
        stale = await it.send("apply", based_on="0" * 64, window="120")
        assert stale.status == 422
        assert it.text == CONFIG
        assert (await it.send("apply", based_on=based_on, window="120")).status == 303
        await it.box.again()
        trial = await it.step("review")
        assert trial.find("#trial-keep").text == "Keep it"
        assert trial.find("#trial form[action=/install/keep]")
        assert (await it.send("test")).headers["Location"] == "/install/review"  # what is tested must stay
        number = trial.find("#trial input[name=number]")["value"]
        kept = await it.send("keep", number=number)
        assert kept.headers["Location"] == f"/install/test?kept={number}"
        assert 'name = "clinic-07"' in it.text
        assert "# A clinic." in it.text
        assert "Nothing has to be applied" in (await it.step("review")).text


async def test_put_back_leaves_the_answers_as_they_were_typed(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.send("name", gateway="clinic-07", ae_title="CLINIC07", site="Clinic")
        based_on = (await it.step("review")).find("#apply input[name=based_on]")["value"]
        await it.send("apply", based_on=based_on)
        await it.box.again()
        await it.step("name")  # looking on while it is on trial does not make the trial the beginning
        assert (await it.send("back")).headers["Location"] == "/install/review"
        await it.box.again()
        assert it.text == CONFIG
        assert (await it.step("name")).find("#gateway")["value"] == "clinic-07"
        assert (await it.step("review")).all("#apply")


async def test_what_somebody_else_changed_meanwhile_is_told(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.send("name", gateway="clinic-07", ae_title="CLINIC07", site="Clinic")
        it.box.main.write_text(CONFIG.replace("11112", "11113"))
        review = await it.step("review")
        assert "Somebody else has changed the configuration" in review.text
        await it.send("take-over")
        assert (await it.step("network")).find("#port")["value"] == "11113"
        assert (await it.step("name")).find("#gateway")["value"] == "clinic"


async def test_an_untouched_draft_follows_the_configuration(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.step("name")
        it.box.main.write_text(CONFIG.replace("11112", "11113"))
        assert (await it.step("network")).find("#port")["value"] == "11113"


async def test_a_configuration_that_is_none_has_to_be_mended_first(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        it.box.main.write_text("[gateway]\nname = 5\n")
        for step in ("name", "review", "sheet"):
            assert "has to be mended first" in (await it.step(step)).text


async def test_a_problem_stands_beside_the_step_where_it_is_mended(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.send("centre/save", **{**CENTRE, "host": "127.0.0.1", "port": "11112"})  # our own listener
        review = await it.step("review")
        found = review.find("#found")
        assert "go round in a circle" in found.text
        assert found.find("a")["href"] == "/install/centre"
        assert not review.all("#apply")


async def test_a_certificate_from_the_request_to_the_answer(tmp_path: Path) -> None:
    authority = OpenSslAuthority.create(tmp_path / "ca")
    async with scene(tmp_path) as it:
        asked = {"name": "clinic-07", "common_name": "clinic-07", "organization": "", "key": "ecdsa-p256"}
        assert (await it.send("certificates/request", **{**asked, "name": "../x"}, names="")).status == 422
        made = await it.send("certificates/request", **asked, names="localhost")
        assert made.headers["Location"] == "/install/certificates#request"
        shown = await it.step("certificates")
        request = shown.find("#csr").text
        assert shown.all("img")
        wrong = await it.send("certificates/answer", text="nonsense")
        assert wrong.status == 422
        csr = (await it.page.get("/certificates/clinic-07/request.csr")).source
        assert request.split()[0] == "-----BEGIN"
        answer = authority.sign(csr) + authority.pem
        assert (await it.send("certificates/answer", text=answer, trust_root="yes")).status == 303
        assert (await it.send("certificates", security="tls")).headers["Location"] == "/install/centre"
        offered = (await it.page.get("/install/centre?new=1")).find("#security")
        assert [one["value"] for one in offered.all("option[selected]")] == ["with-clinic-07"]
        await it.send("centre/save", **{**CENTRE, "security": "with-clinic-07", "host": "8.8.4.4"})
        added = " ".join(one.text for one in (await it.step("review")).all("tr.add"))
        assert "certificates/clinic-07/current/key.pem" in added


async def test_the_console_is_noticed_when_it_calls_and_a_refusal_is_explained(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.send("name", gateway="clinic-07", ae_title="CLINIC", site="Clinic")
        assert "Apply your answers" in (await it.step("test")).text  # only what is in force is tested
        await it.send("name", gateway="clinic", ae_title="CLINIC", site="Clinic")
        it.peers.known = [stranger("called-title")]
        waiting = (await it.page.get("/install/test/calls", fragment=True)).text
        assert "A console calls" in waiting
        assert "nothing here has this title" in waiting
        it.peers.known = [caller(1)]
        assert "Every console has called" in (await it.page.get("/install/test/calls", fragment=True)).text
        assert "It called from 192.0.2.1" in (await it.step("test")).text


async def test_a_sheet_says_what_is_open_is_kept_and_audited(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        before = await it.step("sheet")
        assert "Not tested: Way to the centre ARIA." in before.text
        assert "The step “Name” was not gone through." in before.text
        await it.send("name", gateway="clinic", ae_title="CLINIC", site=HOSTILE)
        made = await it.send("sheet")
        assert made.headers["Location"] == "/install/sheets/1"
        ((what, subject, detail, outcome),) = it.page.access.audited
        assert (what, subject, outcome) == ("acceptance_sheet", "sheet=1", "done")
        assert "digest=" in detail
        paper = await it.page.get("/install/sheets/1")
        text = paper.find("article").text
        for words in ("No. 1", HOSTILE, "Anna Beispiel", "oncology", "192.0.2.30:104", "Not tested"):
            assert words in text
        assert not [one for one in paper.all("script") if "src" not in one.attributes]
        await it.send("name", gateway="clinic", ae_title="CLINIC", site="Somewhere else")
        assert (await it.page.get("/install/sheets/1")).find("article").text == text  # as it was
        assert "Sheet 1" in (await it.page.get("/install")).text
        assert (await it.page.get("/install/sheets/7")).status == 404


async def test_forgetting_the_draft_leaves_configuration_and_sheets(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.send("name", gateway="clinic-07", ae_title="CLINIC07", site="Clinic")
        await it.send("sheet")
        assert (await it.send("forget")).headers["Location"] == "/install"
        assert (await it.step("name")).find("#gateway")["value"] == "clinic"
        assert (await it.page.get("/install/sheets/1")).status == 200
        assert it.text == CONFIG


async def test_while_the_gateway_starts_again_the_page_waits(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.page.stop_gateway()
        assert "The gateway starts with another configuration" in (await it.step("review")).text
        assert (await it.page.get("/install/trial?was=waiting", fragment=True)).status == 204
