"""Signing in and out, and set-up, as a browser does it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from gateway.admin.access import setup_code
from gateway.admin.access.guard import KNOWN_COOKIE, SESSION_COOKIE
from gateway.admin.access.lockout import FREE
from gateway.admin.access.permissions import Role
from gateway.admin.access.sessions import digest_of
from gateway.admin.access.store import DATABASE
from tests.support.access_site import PASSWORD, AccessSite, access_site

ELSEWHERE = "127.0.0.66"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[AccessSite]:
    async with access_site(tmp_path) as site:
        yield site


async def test_the_first_start_makes_a_code_and_shows_it_in_the_log(
    site: AccessSite, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    code = setup_code.current(site.folder)
    assert code
    shown = [
        record.getMessage() for record in caplog.get_records("setup") if record.name.endswith("access.access")
    ]
    assert any(code in line for line in shown)


async def test_set_up_makes_the_first_admin_and_signs_them_in(site: AccessSite) -> None:
    anna = site.browser()
    form = await anna.get("/setup")
    assert form.find("h1").text == "Welcome"
    code = setup_code.current(site.folder).lower().replace("-", " ")
    done = await anna.post("/setup", code=code, name="Anna Silva", password=PASSWORD, again=PASSWORD)
    assert (done.status, done.headers["Location"]) == (303, "/")
    users = await anna.get("/users")
    assert "Anna Silva" in users.find("#list").text
    assert "administrator of this gateway" in users.text  # said once
    assert "administrator of this gateway" not in (await anna.get("/users")).text
    assert setup_code.current(site.folder) == ""
    assert ("somebody", "set-up", "Anna Silva", "done") in site.told()
    assert (await site.browser().get("/")).headers["Location"] == "/login"


async def test_a_code_is_good_once(site: AccessSite) -> None:
    code = setup_code.current(site.folder)
    await site.admin()
    (site.folder / setup_code.FILE).write_text(code)  # a crash left the file
    late = site.browser()
    await late.get("/setup")
    again = await late.post("/setup", code=code, name="Mallory", password=PASSWORD, again=PASSWORD)
    assert again.status == 403
    assert site.access.rooms.users.find("Mallory") is None


async def test_two_at_the_same_time_with_one_code_are_one_admin(site: AccessSite) -> None:
    code = setup_code.current(site.folder)
    browsers = [site.browser() for _ in range(4)]
    for browser in browsers:
        await browser.get("/setup")
    answers = await asyncio.gather(
        *(
            browser.post("/setup", code=code, name=f"user{n}", password=PASSWORD, again=PASSWORD)
            for n, browser in enumerate(browsers)
        )
    )
    assert sorted(answer.status for answer in answers) == [303, 403, 403, 403]
    assert len(site.access.rooms.users.all()) == 1


async def test_wrong_codes_have_to_wait_and_are_told(site: AccessSite) -> None:
    browser = site.browser()
    await browser.get("/setup")
    fields = {"code": "AAAA-BBBB-CCCC", "name": "Mallory", "password": PASSWORD, "again": PASSWORD}
    statuses = [(await browser.post("/setup", **fields)).status for _ in range(FREE["pair"] + 1)]
    assert statuses == [403] * FREE["pair"] + [429]
    assert site.told().count(("somebody", "set-up", "", "refused")) == FREE["pair"] + 1
    other = site.browser(ELSEWHERE)  # the engineer is not kept waiting by it
    await other.get("/setup")
    good = {**fields, "code": setup_code.current(site.folder), "name": "Anna"}
    assert (await other.post("/setup", **good)).status == 303


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"code": ""}, "code", "fill this in"),
        ({"name": ""}, "name", "fill this in"),
        ({"name": "<b>"}, "name", "letters and digits"),
        ({"password": "short"}, "password", "at least 10 characters"),
        ({"password": "Password1234"}, "password", "tries first"),
        ({"password": "clinic-07-box"}, "password", "name that everybody knows"),
        ({"again": "another password"}, "again", "not the same"),
    ],
)
async def test_what_is_wrong_with_the_form_is_said_beside_its_field(
    site: AccessSite, changed: dict[str, str], field: str, words: str
) -> None:
    browser = site.browser()
    await browser.get("/setup")
    code = setup_code.current(site.folder)
    fields = {"code": code, "name": "Anna", "password": PASSWORD, "again": PASSWORD, **changed}
    document = await browser.post("/setup", **fields)
    assert document.status == 422
    assert words in document.find(f"#{field}-error").text
    assert PASSWORD not in document.source
    assert setup_code.current(site.folder) == code  # not used up


async def test_a_new_code_lets_somebody_back_in(site: AccessSite) -> None:
    anna = await site.admin()
    await site.access.rooms.users.set_password(
        1, await site.access.rooms.passwords.hash("forgotten long ago")
    )
    assert (await anna.get("/users")).status == 303
    code = setup_code.make(site.folder)  # `dicom-gateway admin setup-code --new`, while the page runs
    back = site.browser()
    form = await back.get("/setup")
    assert "--new" in form.text
    done = await back.post("/setup", code=code, name="anna", password=PASSWORD, again=PASSWORD)
    assert done.status == 303
    assert (await back.get("/users")).status == 200
    assert [account.name for account in site.access.rooms.users.all()] == ["Anna"]


async def test_without_a_code_set_up_is_closed(site: AccessSite) -> None:
    await site.admin()
    browser = site.browser()
    await browser.get("/setup")
    document = await browser.post("/setup", code="", name="M", password=PASSWORD, again=PASSWORD)
    assert document.status == 422
    document = await browser.post("/setup", code="----", name="Mallory", password=PASSWORD, again=PASSWORD)
    assert document.status == 403
    assert "no set-up code" in document.text


async def test_damage_opens_no_door(tmp_path: Path) -> None:
    async with access_site(tmp_path) as site:
        anna = await site.admin()
    (tmp_path / "page" / DATABASE).write_bytes(b"damaged" * 100)
    for _ in range(2):
        async with access_site(tmp_path) as site:
            stranger = site.browser()
            assert setup_code.current(site.folder) == ""
            assert (await stranger.get("/users")).headers["Location"].startswith("/login")
            document = await stranger.get("/login")
            assert "damaged and has been set aside" in document.text
            await stranger.get("/setup")
            fields = {"name": "Mallory", "password": PASSWORD, "again": PASSWORD}
            assert (await stranger.post("/setup", code="AAAABBBBCCCC", **fields)).status == 403
            stranger.cookies[SESSION_COOKIE] = anna.cookies[SESSION_COOKIE]
            assert (await stranger.get("/users")).status == 303
    async with access_site(tmp_path) as site:
        await site.admin("Anna")  # with a code made on the device
        assert "damaged" not in (await site.browser().get("/login")).text


async def test_signing_in_leads_to_the_page_that_was_wanted(site: AccessSite) -> None:
    await site.admin()
    browser = site.browser()
    asked = await browser.get("/users?role=admin")
    assert asked.headers["Location"] == "/login?to=/users%3Frole%3Dadmin"
    form = await browser.get(asked.headers["Location"])
    assert form.find("[name=to]")["value"] == "/users?role=admin"
    done = await browser.post("/login", name="ANNA", password=PASSWORD, to="/users?role=admin")
    assert (done.status, done.headers["Location"]) == (303, "/users?role=admin")
    assert ("Anna (admin)", "sign-in", "Anna", "done") in site.told()
    assert (await browser.get("/login?to=/users")).headers["Location"] == "/users"


@pytest.mark.parametrize(
    "to",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/logout", "javascript:alert(1)", "/\t/x"],
)
async def test_signing_in_leads_nowhere_else(site: AccessSite, to: str) -> None:
    await site.admin()
    browser = site.browser()
    form = await browser.get("/login?to=" + re.sub(r"[\\\t]", lambda m: f"%{ord(m[0]):02x}", to))
    assert form.find("[name=to]")["value"] == "/"
    done = await browser.post("/login", name="Anna", password=PASSWORD, to=to)
    assert done.status in (303, 422)
    assert done.headers.get("Location", "/") == "/"


async def test_a_wrong_name_and_a_wrong_password_look_the_same(site: AccessSite) -> None:
    await site.admin()
    one, other = site.browser(), site.browser(ELSEWHERE)
    wrong = await one.sign_in("Anna", "not her password")
    unknown = await other.sign_in("Anne", "not her password")
    assert wrong.status == unknown.status == 403
    assert wrong.find("#trouble").text == unknown.find("#trouble").text
    same = re.compile(
        r'Anna|Anne|name="csrf" value="[^"]*"|data-csrf="[^"]*"|datetime="[^"]*"|\d\d:\d\d:\d\d'
    )
    assert same.sub("", wrong.source) == same.sub("", unknown.source)
    assert set(wrong.headers) == set(unknown.headers)


async def test_the_audit_trail_never_has_an_unknown_name(site: AccessSite) -> None:
    await site.admin()
    await site.browser().sign_in("my secret password", "x")
    await site.browser().sign_in("Anna", "x")
    told = [entry for entry in site.told() if entry[3] == "refused"]
    assert told == [
        ("somebody", "sign-in", "unknown name", "refused"),
        ("somebody", "sign-in", "Anna", "refused"),
    ]


async def test_every_sign_in_is_another_session_and_the_old_one_of_this_browser_ends(
    site: AccessSite,
) -> None:
    anna = await site.admin()
    first = anna.cookies[SESSION_COOKIE]
    await anna.get("/account")
    done = await anna.post("/login", name="Anna", password=PASSWORD, to="/")
    assert done.status == 303
    assert anna.cookies[SESSION_COOKIE] != first
    old = site.browser()
    old.cookies[SESSION_COOKIE] = first
    assert (await old.get("/account")).status == 303


async def test_a_token_that_somebody_planted_is_never_taken_over(site: AccessSite) -> None:
    await site.admin()
    browser = site.browser()
    await browser.get("/login")
    browser.cookies[SESSION_COOKIE] = "planted-by-somebody"
    await browser.get("/login")
    await browser.post("/login", name="Anna", password=PASSWORD, to="/")
    assert browser.cookies[SESSION_COOKIE] != "planted-by-somebody"


async def test_signing_out_ends_the_session_everywhere_the_token_is(site: AccessSite) -> None:
    anna = await site.admin()
    copy = site.browser()
    copy.cookies = dict(anna.cookies)
    await anna.get("/account")
    done = await anna.post("/logout")
    assert done.headers["Location"] == "/login?bye=1"
    assert SESSION_COOKIE not in anna.cookies
    assert (await copy.get("/account")).status == 303
    assert ("Anna (admin)", "sign-out", "Anna", "done") in site.told()
    assert "You have been signed out" in (await anna.get("/login?bye=1")).text


async def test_an_attacker_waits_and_the_clinic_does_not(site: AccessSite) -> None:
    anna = await site.admin()
    await anna.get("/account")
    await anna.post("/logout")
    attacker = site.browser(ELSEWHERE)
    await attacker.get("/login")
    statuses = []
    for number in range(12):
        document = await attacker.post("/login", name="Anna", password=f"guess {number}", to="/")
        statuses.append(document.status)
    assert statuses == [403] * FREE["pair"] + [429] * 7
    assert "Please wait 1 second" in document.text
    # From the attacker's own address even the right password waits, from anywhere else it does not.
    assert (await attacker.post("/login", name="Anna", password=PASSWORD, to="/")).status == 429
    assert (await site.browser().sign_in("Anna")).status == 303
    # What is hammered at the door is told once a minute.
    assert sum(entry[1:] == ("sign-in", "Anna", "refused") for entry in site.told()) == FREE["pair"] + 1


async def test_a_known_browser_is_not_kept_waiting_at_an_attacked_address(site: AccessSite) -> None:
    anna = await site.admin()
    await anna.get("/account")
    await anna.post("/logout")
    assert KNOWN_COOKIE in anna.cookies
    stranger = site.browser()  # the same address
    await stranger.get("/login")
    for number in range(10):
        await stranger.post("/login", name="Anna", password=f"guess {number}", to="/")
    assert (await stranger.post("/login", name="Anna", password=PASSWORD, to="/")).status == 429
    assert (await anna.sign_in("Anna")).status == 303


async def test_after_the_wait_the_right_password_works(site: AccessSite, tmp_path: Path) -> None:
    await site.admin()
    now = [1000.0]
    doors = site.access.rooms.doors
    begin = doors.begin
    doors.begin = lambda attempt, _: begin(attempt, now[0])  # type: ignore[method-assign]
    stranger = site.browser(ELSEWHERE)
    await stranger.get("/login")
    for _ in range(FREE["pair"] + 3):
        await stranger.post("/login", name="Anna", password="x" + PASSWORD, to="/")
    assert (await stranger.post("/login", name="Anna", password=PASSWORD, to="/")).status == 429
    now[0] += 61
    assert (await stranger.post("/login", name="Anna", password=PASSWORD, to="/")).status == 303


async def test_an_account_that_is_switched_off_says_so_only_to_its_owner(site: AccessSite) -> None:
    ben = await site.person("Ben", "clinic")
    await site.access.rooms.users.disable(1, True)
    assert (await ben.get("/account")).status == 303
    assert "switched off" not in (await site.browser().sign_in("Ben", "wrong")).text
    right = await site.browser().sign_in("Ben")
    assert right.status == 403
    assert "switched off" in right.text


async def test_a_start_password_that_came_too_late_is_not_good(site: AccessSite) -> None:
    await site.admin()
    rooms = site.access.rooms
    await rooms.users.add("Ben", Role.CLINIC, await rooms.passwords.hash(PASSWORD), by="x", start_until=10.0)
    document = await site.browser().sign_in("Ben")
    assert document.status == 403
    assert "too old" in document.text


async def test_a_hash_of_other_days_is_made_anew_at_sign_in(tmp_path: Path) -> None:
    async with access_site(tmp_path) as site:
        await site.admin()
        before = site.access.rooms.users.find("Anna")
    async with access_site(
        tmp_path, hasher=PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    ) as site:
        assert (await site.browser().sign_in("Anna")).status == 303
        after = site.access.rooms.users.find("Anna")
        assert before is not None
        assert after is not None
        assert before.password != after.password
        assert "t=2" in after.password
        assert (await site.browser().sign_in("Anna")).status == 303


async def test_a_flood_is_told_to_come_back(site: AccessSite) -> None:
    await site.admin()
    passwords = site.access.rooms.passwords
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, passwords, "_taken", 0)
        passwords._taken = 10**6  # every seat is taken
        document = await site.browser(ELSEWHERE).sign_in("Anna")
    assert document.status == 503
    assert "try again in a few seconds" in document.text
    assert len(site.access.rooms.doors) == 0  # it was not looked at, so it does not count
    assert (await site.browser(ELSEWHERE).sign_in("Anna")).status == 303


async def test_sessions_survive_a_restart_of_the_page(tmp_path: Path) -> None:
    async with access_site(tmp_path) as site:
        anna = await site.admin()
    async with access_site(tmp_path) as site:
        browser = site.browser()
        browser.cookies = anna.cookies
        assert (await browser.get("/users")).status == 200


async def test_whoever_reads_the_database_cannot_sign_in_with_it(tmp_path: Path) -> None:
    async with access_site(tmp_path) as site:
        anna = await site.admin()
    everything = b"".join(path.read_bytes() for path in (tmp_path / "page").iterdir())
    token = anna.cookies[SESSION_COOKIE]
    assert digest_of(token) in everything
    assert token.encode() not in everything
    assert PASSWORD.encode() not in everything
