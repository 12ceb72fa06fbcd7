"""The queue in a real browser, with ten thousand objects in a real gateway's spool."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.model import DeliveryState
from gateway.operator.client import OperatorClient
from tests.browser.conftest import PageAs
from tests.support.archiver import seven_zip
from tests.support.box import Box
from tests.support.browsing import Surfer, assert_accessible, assert_fits, screenshot
from tests.support.full_spool import Row, any_row, data_of, fill
from tests.support.gateway_process import peer
from tests.support.ports import free_port

S = DeliveryState
PHONE = {"width": 360, "height": 740}
MANY = 10_000
QUICK = 1.0  # seconds: a page, and what follows a filter
HOSTILE = '"><script>document.title="owned"</script>'
SECRET = "correct horse battery"  # noqa: S105 - of a test
DICE = random.Random(7)


def rows() -> Iterator[Row]:
    """Ten thousand that wait, some that are held or done, and a few with hostile names."""
    now = time.time()
    for number in range(1, MANY + 1):
        row = any_row(number, DICE)
        state = S.QUEUED if row.state in (S.ACCEPTED, S.CONFIRMED) else row.state
        yield Row(
            number,
            destination=row.destination,
            state=state,
            priority=row.priority,
            cause=row.cause,
            reason=row.reason,
            sop_class=row.sop_class,
            calling_ae=row.calling_ae,
            received_at=now - MANY + number,
        )
    for number in range(MANY + 1, MANY + 6):
        yield Row(
            number,
            destination="oncology",
            state=S.HELD,
            cause="refused",
            reason=f"refused (0xA900); the destination says: {HOSTILE}",
            calling_ae="<b>LINAC</b>",
            received_at=now - 1,
        )


@pytest.fixture(scope="module")
def box(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A gateway with full spool whose destinations nobody answers for."""
    folder = tmp_path_factory.mktemp("box")
    fill(folder / "state/spool", rows())
    peers = [peer("oncology", "ARIA", free_port()), peer("archive", "PACS", free_port())]
    with Box(folder, peers=peers) as running:
        yield running


def facts(box: Box, number: int) -> str:
    """The state of a delivery, as the gateway has it."""
    with OperatorClient(box.socket) as client:
        return str(client.story(number)["delivery"]["state"])


def shown(page: Page) -> list[int]:
    """The numbers that a list shows."""
    return [int(text) for text in page.locator("#rows tbody th a").all_inner_texts()]


def seconds(page: Page, do: Callable[[], object]) -> float:
    """How long something takes until the page it leads to is loaded."""
    began = time.perf_counter()
    do()
    page.wait_for_load_state("load")
    return time.perf_counter() - began


def test_ten_thousand_stay_quick(page_as: PageAs) -> None:
    page = page_as("engineer", "/queue/list")  # once, so that everything is read from the disk
    took: dict[str, float] = {}
    for path in (
        "/queue",
        "/queue/list",
        "/queue/list?state=held",
        "/queue/list?state=queued&destination=archive&priority=bulk",
        "/queue/list?sop_class=1.2.840.10008.5.1.4.1.1.481.5&calling_ae=LINAC2&order=oldest",
        "/queue/list?q=RT+Beams",
        "/queue/list?q=5000",
        "/queue/list?state=sending&calling_ae=CT1",
        "/queue/list?since=2020-01-01T00:00&until=2020-01-02T00:00",
        "/queue/held",
    ):
        took[path] = seconds(page, lambda path=path: page.goto(path))  # type: ignore[misc]
        expect(page.locator("h1")).to_have_text("Queue")
    page.goto("/queue/list?state=queued")
    for _ in range(3):
        took["next"] = max(took.get("next", 0), seconds(page, lambda: page.locator("a[rel=next]").click()))
    assert {path: span for path, span in took.items() if span > QUICK} == {}


def test_the_parts_of_the_page_are_sound_and_accessible(page_as: PageAs) -> None:
    page = page_as("engineer")
    for path, name in (
        ("/queue", "queue"),
        ("/queue/list", "queue-list"),
        ("/queue/list?state=held&cause=refused&order=oldest", "queue-list-filtered"),
        ("/queue/held", "queue-held"),
        (f"/queue/{MANY + 1}", "queue-story"),
        ("/queue/steps", "queue-steps"),
        ("/queue/commitments", "queue-commitments"),
        ("/queue/export", "queue-export"),
        ("/queue/steps/1/discard", "queue-step-discard"),
    ):
        page.goto(path)
        screenshot(page, name)
        assert_accessible(page)
        assert page.title() != "owned"


@pytest.mark.parametrize(
    "how", [{"viewport": PHONE}, {"viewport": PHONE, "color_scheme": "dark"}, {"color_scheme": "dark"}]
)
def test_the_parts_of_the_page_fit_everywhere(page_as: PageAs, how: dict[str, object]) -> None:
    page = page_as("engineer", **how)
    name = "-".join(["phone" if "viewport" in how else "desk", str(how.get("color_scheme", "light"))])
    for path in ("/queue", "/queue/list?state=held", "/queue/held", f"/queue/{MANY + 1}", "/queue/export"):
        page.goto(path)
        screenshot(page, f"{path.strip('/').replace('/', '-').partition('?')[0]}-{name}")
        assert_fits(page)
        assert_accessible(page)


def test_a_destination_is_paused_and_resumed(page_as: PageAs) -> None:
    page = page_as("clinic", "/queue")
    page.get_by_role("button", name="Pause: archive").click()
    expect(page.get_by_role("status").first).to_contain_text("Deliveries to archive are paused.")
    expect(page.locator("section.destination", has_text="archive").locator(".badge").first).to_have_text(
        "paused"
    )
    page.get_by_role("button", name="Resume: archive").click()
    expect(page.get_by_role("button", name="Pause: archive")).to_be_visible()
    page.get_by_role("button", name="Try now: archive").click()
    expect(page.get_by_role("status").first).to_contain_text("archive is being tried now.")


def test_a_selection_is_held_released_and_discarded(page_as: PageAs, box: Box) -> None:
    page = page_as("engineer", "/queue/list?state=queued&destination=archive&order=oldest")
    first, second, third = shown(page)[:3]
    for number in (first, second):
        page.check(f"#tick-{number}")
    expect(page.locator(".chosen")).to_have_text("2")
    page.click("#do-hold")
    expect(page.locator("h1")).to_have_text("Hold back")
    screenshot(page, "queue-hold")
    page.fill("#reason", f"physics first {HOSTILE}")
    page.get_by_role("button", name="Hold back").click()
    expect(page.get_by_text("2 objects are held back.")).to_be_visible()
    assert [facts(box, number) for number in (first, second, third)] == ["held", "held", "queued"]
    page.goto(f"/queue/{first}")
    assert page.title() != "owned"
    expect(page.locator("ol.story")).to_contain_text(HOSTILE)
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("1 object is released.")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("h1")).to_have_text("Discard")
    assert_accessible(page)
    screenshot(page, "queue-discard")
    button = page.get_by_role("button", name="Discard", exact=True)
    page.fill("#reason", "a test object")
    expect(button).to_be_disabled()
    page.fill("#typed", "discard 2")
    expect(button).to_be_disabled()
    page.fill("#typed", "discard 1")
    button.click()
    expect(page.get_by_text("1 object is discarded.")).to_be_visible()
    assert [facts(box, number) for number in (first, second)] == ["discarded", "held"]


def test_the_list_keeps_what_is_ticked_while_it_is_refreshed(page_as: PageAs, box: Box) -> None:
    page = page_as("engineer", "/queue/list?destination=oncology&state=queued&order=oldest")
    numbers = shown(page)
    page.check(f"#tick-{numbers[5]}")
    page.focus(f"#to-{numbers[6]}")
    page.evaluate("scrollTo(0, 400)")
    where = page.evaluate("scrollY")
    with (
        page.expect_response(lambda answer: "/queue/list/rows" in answer.url),
        OperatorClient(box.socket) as client,
    ):
        client.act(numbers[0], "hold", reason="meanwhile")
    expect(page.locator(f"#delivery-{numbers[0]}")).to_have_count(0)
    expect(page.locator(f"#tick-{numbers[5]}")).to_be_checked()
    expect(page.locator("#tick-all")).to_be_visible()  # what only works with the script is shown again
    expect(page.locator(".chosen")).to_have_text("1")
    assert page.evaluate("document.activeElement.id") == f"to-{numbers[6]}"
    assert abs(page.evaluate("scrollY") - where) < 5


def test_all_on_a_page_are_ticked_by_keyboard_alone(page_as: PageAs) -> None:
    page = page_as("clinic", "/queue/list?state=queued")
    page.focus("#tick-all")
    page.keyboard.press("Space")
    expect(page.locator(".chosen")).to_have_text("50")
    page.keyboard.press("Space")
    expect(page.locator(".chosen")).to_have_text("")
    page.focus("#do-retry")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing was chosen.")).to_be_visible()


def test_search_and_filters_lead_somewhere(page_as: PageAs) -> None:
    page = page_as("viewer", "/queue/list")
    expect(page.locator("#rows input[name=number]")).to_have_count(0)
    page.fill("#q", "1.2.826.0.1.3680043.10.1.4711")
    page.press("#q", "Enter")
    page.wait_for_url("**/queue/4711")
    page.goto("/queue/list")
    page.fill("#q", "4712")
    page.press("#q", "Enter")
    page.wait_for_url("**/queue/list?q=4712")
    assert shown(page) == [4712]
    page.goto("/queue/list")
    page.select_option("#state", "held")
    page.wait_for_url("**state=held**")
    expect(page.locator(".listed .count")).to_contain_text("objects match")
    page.select_option("#destination", "archive")
    page.wait_for_url("**destination=archive**")
    assert "state=held" in page.url


def test_a_group_of_held_objects_is_tried_again(page_as: PageAs) -> None:
    page = page_as("clinic", "/queue/held")
    group = page.locator("section.held", has_text="The destination refused it.").filter(has_text="archive")
    expect(group).to_have_count(1)
    group.get_by_role("button", name="Try all of these again").click()
    expect(page.get_by_role("status").first).to_contain_text("objects are back in the queue")
    expect(group).to_have_count(0)
    assert page.get_by_role("button", name="Discard all").count() == 0  # not for the clinic


def test_an_export_comes_as_an_archive_that_another_program_opens(page_as: PageAs, tmp_path: Path) -> None:
    page = page_as("clinic", "/queue/list?q=4711")
    page.check("#tick-4711")
    page.click("#do-export")
    assert_accessible(page)
    screenshot(page, "queue-export-ask")
    page.fill("#passphrase", SECRET)
    page.fill("#again", "something else altogether")
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text("This is not the same passphrase.")).to_be_visible()
    page.fill("#passphrase", SECRET)
    page.fill("#again", SECRET)
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text("done and checked")).to_be_visible()
    screenshot(page, "queue-exported")
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Save the archive").click()
    path = tmp_path / "a.zip"
    fetched.value.save_as(path)
    out = tmp_path / "out"
    assert seven_zip("x", path, f"-p{SECRET}", f"-o{out}").returncode == 0
    data = (out / "objects/000001.dcm").read_bytes()
    assert data[128:132] == b"DICM"
    row = Row(4711)
    assert data.endswith(data_of(row)[: row.size])
    page.get_by_role("button", name="Delete the archive here").click()
    expect(page.get_by_text("You have exported nothing lately.")).to_be_visible()


def test_one_file_is_saved_after_a_warning(page_as: PageAs, tmp_path: Path) -> None:
    page = page_as("engineer", "/queue/4711")
    said: list[str] = []
    page.once("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Save as a DICOM file").click()
    assert "patient data" in said[0]
    page.once("dialog", lambda dialog: dialog.accept())
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Save as a DICOM file").click()
    assert fetched.value.suggested_filename == "delivery-4711.dcm"


def test_everything_can_be_read_and_done_without_a_script(surfers: Callable[..., Surfer], box: Box) -> None:
    page = surfers(box, java_script_enabled=False).sign_in("engineer")
    page.goto("/queue/list?state=queued&destination=archive")
    number = shown(page)[0]
    page.check(f"#tick-{number}")
    page.click("#do-hold")
    page.fill("#reason", "a look at it")
    page.get_by_role("button", name="Hold back").click()
    expect(page.get_by_text("1 object is held back.")).to_be_visible()
    assert facts(box, number) == "held"
