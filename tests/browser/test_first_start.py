"""The first start in a real browser: from the code on the device to somebody signed in, by keys alone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.box import Box
from tests.support.browsing import Surfer, assert_accessible, assert_fits, screenshot

PHONE = {"width": 360, "height": 740}
OWN = "seven tall green boats"
Surf = Callable[..., Surfer]


@pytest.fixture
def new_box(browser: Browser, tmp_path: Path) -> Iterator[Box]:
    with Box(tmp_path, accounts=False) as box:
        yield box


def code_of(box: Box, *options: str) -> str:
    """What somebody with a shell on the device gets to see."""
    command = [
        sys.executable,
        "-m",
        "gateway.cli",
        "admin",
        "setup-code",
        "--config",
        str(box.config),
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def fill_with_keys(page: Page, first: str, *values: str) -> None:
    """Type into the field `first`, which has the focus by itself, and into the ones after it."""
    expect(page.locator(".look").first).to_be_visible()  # the page and its script are there
    expect(page.locator(first)).to_be_focused()
    for place, value in enumerate(values):
        if place:
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.tagName") == "BUTTON":
                page.keyboard.press("Tab")  # past the button that shows a password
        page.keyboard.type(value)
    page.keyboard.press("Enter")


def test_from_the_first_start_to_the_second_user(new_box: Box, surfers: Surf) -> None:
    box = new_box
    anna = surfers(box).page
    anna.goto("/queue")
    expect(anna).to_have_url(re.compile("/setup"))
    expect(anna.locator("#code")).to_be_focused()
    assert_accessible(anna)
    screenshot(anna, "first-start")

    # A wrong code changes nothing.
    fill_with_keys(anna, "#code", "AAAA-BBBB-CCCC", "Anna Silva", OWN, OWN)
    expect(anna.locator("#trouble")).to_contain_text("not the set-up code")
    assert_accessible(anna)

    # The right one, typed as it is read out, with the keyboard alone.
    code = code_of(box)
    anna.goto("/setup")
    fill_with_keys(anna, "#code", code.lower().replace("-", " "), "Anna Silva", OWN, OWN)
    expect(anna).to_have_url(re.compile(r"/home|/$"))
    expect(anna.locator(".notice.ok")).to_contain_text("administrator of this gateway")

    # The code is used up.
    stranger = surfers(box).page
    stranger.goto("/setup")
    fill_with_keys(stranger, "#code", code, "Mallory", OWN, OWN)
    expect(stranger.locator("#trouble")).to_contain_text("no set-up code")
    stranger.goto("/users")
    expect(stranger).to_have_url(re.compile(r"/login\?to=/users$"))

    # The second user gets a start password, which has to be replaced.
    anna.goto("/users")
    anna.fill("#name", "Ben Ortega")
    anna.check("#role-clinic")
    anna.keyboard.press("Enter")
    start = anna.locator(".shown-code").inner_text()
    assert_accessible(anna)
    stranger.fill("#name", "ben ortega")
    stranger.fill("#password", start)
    stranger.keyboard.press("Enter")
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Choose a password")
    assert_accessible(stranger)
    own = "nine quiet blue trains"
    fill_with_keys(stranger, "#current", start, own, own)
    expect(stranger.locator(".notice.ok")).to_contain_text("has been changed")
    stranger.goto("/users")
    expect(stranger.get_by_role("heading", level=1)).to_have_text("You may not do this.")


def test_somebody_with_a_shell_gets_back_in(box: Box, surfers: Surf) -> None:
    code = code_of(box, "--new")
    page = surfers(box).page
    page.goto("/login")
    page.get_by_text("I cannot sign in").click()
    page.get_by_role("link", name="Use a set-up code").click()
    fill_with_keys(page, "#code", code, "Nora New", OWN, OWN)
    expect(page.locator(".notice.ok")).to_contain_text("administrator of this gateway")


def test_a_password_can_be_looked_at_while_it_is_typed(box: Box, surfers: Surf) -> None:
    page = surfers(box).page
    page.goto("/login")
    page.fill("#password", "what I type")
    show = page.get_by_role("button", name="Show")
    show.click()
    expect(page.locator("#password")).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide").click()
    expect(page.locator("#password")).to_have_attribute("type", "password")


def test_a_wait_is_counted_down(box: Box, surfers: Surf) -> None:
    page = surfers(box).page
    page.goto("/login")
    for _ in range(7):
        page.fill("#name", "Nobody Here")
        page.fill("#password", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#trouble")
    trouble = page.locator("#trouble")
    expect(trouble).to_contain_text("Please wait")
    assert_accessible(page)
    screenshot(page, "sign-in-wait")
    expect(trouble).to_contain_text("You can try again now", timeout=8000)


def test_a_session_that_is_ended_elsewhere_leaves_nothing_on_the_screen(box: Box, surfers: Surf) -> None:
    one, other = surfers(box), surfers(box)
    one.sign_in("engineer", "/account")
    other.sign_in("engineer", "/account")
    other.page.locator("#sessions").get_by_role("button", name=re.compile("Sign out")).first.click()
    expect(other.page.locator(".notice.ok")).to_contain_text("Signed out there")
    one.page.goto("/account")
    expect(one.page).to_have_url(re.compile("/login"))


@pytest.mark.parametrize(
    ("path", "role"), [("/login", None), ("/setup", None), ("/account", "viewer"), ("/users", "admin"),
                       ("/users/2", "admin"), ("/account/password", "viewer")],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_screen_of_access_is_accessible_and_fits_a_phone(
    box: Box, surfers: Surf, path: str, role: str | None, scheme: str
) -> None:
    for viewport in (PHONE, {"width": 1280, "height": 900}):
        surfer = surfers(box, viewport=viewport, color_scheme=scheme)
        if role is not None:
            surfer.sign_in(role, path)
        else:
            surfer.page.goto(path)
        assert_accessible(surfer.page)
        assert_fits(surfer.page)
        width = "phone" if viewport is PHONE else "wide"
        screenshot(surfer.page, f"access{path.replace('/', '-')}-{scheme}-{width}")


def test_without_javascript_people_sign_in_just_the_same(box: Box, surfers: Surf) -> None:
    surfer = surfers(box, java_script_enabled=False)
    page = surfer.sign_in("viewer", "/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("My account")
