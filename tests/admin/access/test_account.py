"""My account: another password, and where one is signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.admin.access.guard import SESSION_COOKIE
from gateway.admin.access.https import Https
from gateway.admin.access.lockout import FREE
from tests.support.access_site import PASSWORD, AccessSite, access_site

OTHER = "nine quiet blue trains"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[AccessSite]:
    async with access_site(tmp_path) as site:
        yield site


async def test_another_password_signs_out_every_other_browser(site: AccessSite) -> None:
    ben = await site.person("Ben", "viewer")
    elsewhere = site.browser()
    await elsewhere.sign_in("Ben")
    before = ben.cookies[SESSION_COOKIE]
    await ben.get("/account/password")
    done = await ben.post("/account/password", current=PASSWORD, password=OTHER, again=OTHER)
    assert (done.status, done.headers["Location"]) == (303, "/account")
    assert ben.cookies[SESSION_COOKIE] != before
    assert "has been changed" in (await ben.get("/account")).text
    assert (await elsewhere.get("/account")).status == 303
    assert (await site.browser().sign_in("Ben")).status == 403
    assert (await site.browser().sign_in("Ben", OTHER)).status == 303
    assert ("Ben (viewer)", "password-changed", "Ben", "done") in site.told()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"current": "wrong", "password": OTHER, "again": OTHER}, "current"),
        ({"current": PASSWORD, "password": "short", "again": "short"}, "password"),
        ({"current": PASSWORD, "password": "ben-clinic-07", "again": "ben-clinic-07"}, "password"),
        ({"current": PASSWORD, "password": PASSWORD, "again": PASSWORD}, "password"),
        ({"current": PASSWORD, "password": OTHER, "again": "x"}, "again"),
        ({"password": OTHER, "again": OTHER}, "current"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_changes(
    site: AccessSite, fields: dict[str, str], field: str
) -> None:
    ben = await site.person("Ben", "viewer")
    await ben.get("/account/password")
    document = await ben.post("/account/password", **fields)
    assert document.status == 422
    assert document.find(f"#{field}-error").text
    assert (await ben.get("/account")).status == 200
    assert (await site.browser().sign_in("Ben")).status == 303


async def test_a_borrowed_session_cannot_guess_the_password(site: AccessSite) -> None:
    ben = await site.person("Ben", "viewer")
    await ben.get("/account/password")
    fields = {"password": OTHER, "again": OTHER}
    statuses = [
        (await ben.post("/account/password", current=f"guess {n}", **fields)).status
        for n in range(FREE["browser"] + 1)
    ]
    assert statuses == [422] * FREE["browser"] + [429]
    assert (await site.browser("127.0.0.9").sign_in("Ben")).status == 303  # the owner is not kept waiting


async def test_a_start_password_is_replaced_and_then_the_page_opens(site: AccessSite) -> None:
    anna = await site.admin()
    await anna.get("/users")
    page = await anna.post("/users", name="Ben", role="clinic")
    start = page.find(".shown-code").text
    ben = site.browser()
    assert (await ben.sign_in("ben", start, to="/queue")).headers["Location"] == "/account/password"
    form = await ben.get("/account/password")
    assert form.find("h1").text == "Choose a password"
    done = await ben.post("/account/password", current=start, password=OTHER, again=OTHER)
    assert (done.status, done.headers["Location"]) == (303, "/")
    assert (await ben.get("/account")).status == 200
    assert (await site.browser().sign_in("ben", start)).status == 403


async def test_own_sessions_are_listed_and_can_be_ended(site: AccessSite) -> None:
    ben = await site.person("Ben", "viewer")
    others = [site.browser(f"127.0.0.{n}") for n in (21, 22)]
    for other in others:
        await other.sign_in("Ben")
    page = await ben.get("/account")
    assert "127.0.0.21" in page.find("#sessions").text
    (first, *_) = [form for form in page.all("form") if form["action"].endswith("/end")]
    assert (await ben.post(first["action"])).status == 303
    assert sorted([(await other.get("/account")).status for other in others]) == [200, 303]
    await ben.get("/account")
    await ben.post("/account/sessions/end-others")
    assert [(await other.get("/account")).status for other in others] == [303, 303]
    assert (await ben.get("/account")).status == 200


async def test_nobody_ends_somebody_elses_session(site: AccessSite) -> None:
    anna = await site.admin()
    ben = await site.person("Ben", "viewer")
    (hers,) = site.access.rooms.sessions.of(1)
    await ben.get("/account")
    await ben.post(f"/account/sessions/{hers.id}/end")
    assert (await anna.get("/account")).status == 200


async def test_a_language_is_remembered_for_the_person(site: AccessSite) -> None:
    ben = await site.person("Ben", "viewer")
    await ben.get("/account")
    await ben.post("/account/language", language="fr")
    assert ben.cookies["language"] == "fr"
    other = site.browser()
    await other.sign_in("Ben")
    assert other.cookies["language"] == "fr"
    await ben.get("/account")
    await ben.post("/account/language", language="")
    assert "language" not in ben.cookies
    assert (await ben.post("/account/language", language="xx")).status == 422


async def test_engineers_see_the_fingerprint_of_the_page(site: AccessSite) -> None:
    emil = await site.person("Emil", "engineer")
    assert not (await emil.get("/account")).all("#certificate")  # there is none yet
    certificate = Https(site.folder).certificate
    assert (await emil.get("/account")).find(".fingerprint").text == certificate.fingerprint
    vera = await site.person("Vera", "viewer")
    assert not (await vera.get("/account")).all("#certificate")
