"""The page Users: only for admins, every change told, and always somebody left who can mend things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.admin.access.permissions import Role
from gateway.admin.access.users import Account
from tests.support.access_site import AccessSite, Browser, access_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[AccessSite]:
    async with access_site(tmp_path) as site:
        yield site


def account(site: AccessSite, name: str) -> Account:
    found = site.access.rooms.users.find(name)
    assert found is not None
    return found


async def do(browser: Browser, who: Account, what: str, **fields: str) -> int:
    await browser.get(f"/users/{who.number}")
    return (await browser.post(f"/users/{who.number}/{what}", **fields)).status


async def test_somebody_is_added_and_the_start_password_is_shown_once(site: AccessSite) -> None:
    anna = await site.admin()
    await anna.get("/users")
    page = await anna.post("/users", name="Ben Ortega", role="engineer")
    start = page.find(".shown-code").text
    ben = account(site, "Ben Ortega")
    assert (ben.role, ben.must_change, ben.created_by) == (Role.ENGINEER, True, "Anna")
    assert start not in (await anna.get("/users")).source
    assert start not in (await anna.get(f"/users/{ben.number}")).source
    assert (await site.browser().sign_in("Ben Ortega", start)).status == 303
    assert ("Anna (admin)", "user-added", "Ben Ortega", "done") in site.told()


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"name": "x", "role": "clinic"}, "name"), ({"name": "anna", "role": "clinic"}, "name")],
)
async def test_a_name_that_cannot_be_is_said(site: AccessSite, fields: dict[str, str], field: str) -> None:
    anna = await site.admin()
    await anna.get("/users")
    document = await anna.post("/users", **fields)
    assert document.status == 422
    assert document.find(f"#{field}-error").text


async def test_there_are_no_other_roles(site: AccessSite) -> None:
    anna = await site.admin()
    await anna.get("/users")
    assert (await anna.post("/users", name="Ben", role="root")).status == 422
    assert len(site.access.rooms.users.all()) == 1


async def test_another_role_signs_out_and_holds_from_then_on(site: AccessSite) -> None:
    anna = await site.admin()
    ben = await site.person("Ben", "engineer")
    assert await do(anna, account(site, "Ben"), "role", role="viewer") == 303
    assert (await ben.get("/account")).status == 303
    assert account(site, "Ben").role is Role.VIEWER
    assert ("Anna (admin)", "user-role", "Ben", "done") in site.told()


async def test_switched_off_and_on_again(site: AccessSite) -> None:
    anna = await site.admin()
    ben = await site.person("Ben", "clinic")
    assert await do(anna, account(site, "Ben"), "disable") == 303
    assert (await ben.get("/account")).status == 303
    assert (await site.browser().sign_in("Ben")).status == 403
    assert await do(anna, account(site, "Ben"), "enable") == 303
    assert (await site.browser().sign_in("Ben")).status == 303


async def test_a_new_start_password_ends_the_old_one(site: AccessSite) -> None:
    anna = await site.admin()
    ben = await site.person("Ben", "clinic")
    await anna.get("/users/2")
    page = await anna.post("/users/2/reset")
    start = page.find(".shown-code").text
    assert (await ben.get("/account")).status == 303
    assert (await site.browser().sign_in("Ben")).status == 403
    assert (await site.browser().sign_in("Ben", start)).headers["Location"] == "/account/password"


async def test_ones_own_password_is_not_reset_here(site: AccessSite) -> None:
    anna = await site.admin()
    await site.person("Carla", "admin")
    assert await do(anna, account(site, "Anna"), "reset") == 403
    assert (await site.browser().sign_in("Anna")).status == 303


async def test_an_admin_signs_somebody_out(site: AccessSite) -> None:
    anna = await site.admin()
    ben = await site.person("Ben", "clinic")
    assert await do(anna, account(site, "Ben"), "sign-out") == 303
    assert (await ben.get("/account")).status == 303
    assert (await site.browser().sign_in("Ben")).status == 303


async def test_removing_needs_the_name(site: AccessSite) -> None:
    anna = await site.admin()
    ben = await site.person("Ben", "clinic")
    who = account(site, "Ben")
    for typed in ("", "ben", "Anna"):
        assert await do(anna, who, "remove", typed=typed) == 422
    assert (await ben.get("/account")).status == 200
    assert await do(anna, who, "remove", typed="Ben") == 303
    assert (await ben.get("/account")).status == 303
    assert site.access.rooms.users.find("Ben") is None
    assert (await anna.get(f"/users/{who.number}")).status == 404
    assert ("Anna (admin)", "user-removed", "Ben", "done") in site.told()


@pytest.mark.parametrize(
    ("what", "fields"),
    [("role", {"role": "clinic"}), ("disable", {}), ("remove", {"typed": "Anna"})],
)
async def test_the_last_admin_stays(site: AccessSite, what: str, fields: dict[str, str]) -> None:
    anna = await site.admin()
    await anna.get("/users")
    await anna.post("/users", name="Carla", role="admin")  # has a start password only
    anna_herself = account(site, "Anna")
    await anna.get(f"/users/{anna_herself.number}")
    document = await anna.post(f"/users/{anna_herself.number}/{what}", **fields)
    assert document.status == 409
    assert "only administrator" in document.text
    assert (await anna.get("/users")).status == 200
    assert any(entry[2:] == ("Anna", "refused") for entry in site.told())


async def test_two_admins_cannot_remove_each_other_at_once(site: AccessSite) -> None:
    anna = await site.admin()
    carla = await site.person("Carla", "admin")
    await anna.get("/users")
    await carla.get("/users")
    await asyncio.gather(
        anna.post(f"/users/{account(site, 'Carla').number}/remove", typed="Carla"),
        carla.post(f"/users/{account(site, 'Anna').number}/remove", typed="Anna"),
    )
    assert site.access.rooms.users.has_admin()


async def test_an_admin_who_steps_back_is_signed_out(site: AccessSite) -> None:
    anna = await site.admin()
    await site.person("Carla", "admin")
    await anna.get("/users/1")
    done = await anna.post("/users/1/role", role="clinic")
    assert done.headers["Location"] == "/login"
    assert (await anna.get("/users")).status == 303


async def test_numbers_that_are_nobodys(site: AccessSite) -> None:
    anna = await site.admin()
    await anna.get("/users")
    for number in (0, 77, 10**17):
        assert (await anna.get(f"/users/{number}")).status == 404
        assert (await anna.post(f"/users/{number}/remove", typed="x")).status == 404


async def test_names_stay_text(site: AccessSite) -> None:
    """A name with signs of HTML is refused; what the list shows is escaped all the same."""
    anna = await site.admin()
    await site.access.rooms.store.write(
        lambda db: db.execute("UPDATE users SET name = '<img src=x onerror=alert(1)>' WHERE number = 1")
    )
    for path in ("/users", "/users/1", "/account"):
        assert "<img src=x" not in (await anna.get(path)).source
