from __future__ import annotations

from pathlib import Path

from gateway.notices import Notice, OperatorActed
from gateway.operator import codec
from gateway.operator.client import OperatorClient
from gateway.operator.sections.store_check import StoreCheck, StoreCheckSection
from gateway.operator.store_view import StoreView
from gateway.spool.scrub_values import Found, PassReport, ScrubStatus
from tests.support.fake_control import FakeControl
from tests.support.operator_daemon import serving
from tests.support.store_checks import FakeScrub


def asked(
    scrub: FakeScrub, folder: Path, control: FakeControl | None = None
) -> tuple[StoreCheck, StoreCheck]:
    """What is told before and after a check was asked for."""
    section = StoreCheckSection(StoreView(scrub, lambda: 5000.0))
    with (
        serving(control or FakeControl(), folder / "s", sections=[section]) as daemon,
        OperatorClient(daemon.path) as client,
    ):
        before = codec.decode(StoreCheck, client.store_check(), strict=True)
        return before, codec.decode(StoreCheck, client.check_store(), strict=True)


def test_before_anything_was_checked(tmp_path: Path) -> None:
    scrub = FakeScrub()
    before, after = asked(scrub, tmp_path)
    assert (before.running, before.last, before.current, before.now) == (False, None, None, 5000.0)
    assert scrub.requests == 1
    assert after.current is not None
    assert after.current.kind == "requested"


def test_a_check_that_goes_on_and_what_the_last_one_found(tmp_path: Path) -> None:
    current = PassReport(started_at=1.0, objects=2, bytes=3_000)
    last = PassReport(started_at=1.0, ended_at=2.0, objects=9, damaged=1, journal_faults=1, journal_words="x")
    found = (Found(7, "1.2.840.10008.5.1.4.1.1.481.4", "1.2.3", "damaged"),)
    scrub = FakeScrub(ScrubStatus(True, current, 9_000, 1_000.0, last, None, found))
    told, _ = asked(scrub, tmp_path)
    assert (told.bytes_per_second, told.seconds_left, told.total_bytes) == (1_000.0, 6.0, 9_000)
    assert told.last is not None
    assert not told.last.sound
    (one,) = told.found
    assert (one.number, one.sop_class, one.sop_instance_uid, one.found) == (
        7,
        "RT Beams Treatment Record Storage",
        "1.2.3",
        "damaged",
    )


def test_asking_is_audited_and_looking_is_not(tmp_path: Path) -> None:
    control = FakeControl()
    acted: list[Notice] = []
    control.notices.subscribe(acted.append)
    asked(FakeScrub(), tmp_path, control)
    assert [one.what for one in acted if isinstance(one, OperatorActed)] == ["check_store"]
