from __future__ import annotations

from pathlib import Path

import pytest

from gateway.delivery.capabilities import FILE_NAME, Capabilities, CapabilityLimits

CT, RT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.1"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    capabilities = Capabilities.load(tmp_path)
    assert capabilities.accepted_by("oncology", CT) is None
    assert capabilities.sent_to("oncology") == ()


async def test_what_was_learned_survives_a_restart(tmp_path: Path) -> None:
    capabilities = Capabilities.load(tmp_path)
    capabilities.learn("oncology", [(CT, EXPLICIT, True), (CT, IMPLICIT, True), (RT, EXPLICIT, False)])
    capabilities.sending("oncology", [(CT, EXPLICIT), (RT, EXPLICIT)])
    await capabilities.save()
    again = Capabilities.load(tmp_path)
    assert again.accepted_by("oncology", CT) == {EXPLICIT, IMPLICIT}
    assert again.accepted_by("oncology", RT) == frozenset()
    assert again.accepted_by("other", CT) is None
    assert again.sent_to("oncology") == ((RT, EXPLICIT), (CT, EXPLICIT))
    assert not again._path.with_suffix(".new").exists()


def test_a_peer_may_change_its_mind(tmp_path: Path) -> None:
    capabilities = Capabilities.load(tmp_path)
    capabilities.learn("oncology", [(CT, EXPLICIT, True)])
    capabilities.learn("oncology", [(CT, EXPLICIT, False)])
    assert capabilities.accepted_by("oncology", CT) == frozenset()
    capabilities.learn("oncology", [(CT, EXPLICIT, True)])
    assert capabilities.accepted_by("oncology", CT) == {EXPLICIT}


async def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    capabilities = Capabilities.load(tmp_path)
    capabilities.learn("oncology", [(CT, EXPLICIT, True)])
    await capabilities.save()
    (tmp_path / FILE_NAME).unlink()
    capabilities.learn("oncology", [(CT, EXPLICIT, True)])
    capabilities.sending("oncology", [])
    await capabilities.save()
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1, "destinations": 5}',
        '{"version": 1, "destinations": {"d": {"accepted": {"../x": []}, "refused": {}, "sent": []}}}',
        '{"version": 1, "destinations": {"d": {"accepted": {}, "refused": {}, "sent": [["1.2"]]}}}',
        "\xff",
    ],
)
def test_a_damaged_file_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content, encoding="latin-1")
    capabilities = Capabilities.load(tmp_path)
    assert capabilities.accepted_by("d", CT) is None


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"version": 1, "destinations": {"d": {"accepted": {"1.2": ["1.2"]}}}}')
    assert Capabilities.load(tmp_path, CapabilityLimits(file_bytes=10)).accepted_by("d", "1.2") is None


def test_memory_is_bounded(tmp_path: Path) -> None:
    limits = CapabilityLimits(classes=3, syntaxes=2, sent=4)
    capabilities = Capabilities.load(tmp_path, limits)
    for number in range(50):
        capabilities.learn("d", [(f"1.2.{number}", EXPLICIT, True), (CT, f"1.3.{number}", True)])
        capabilities.sending("d", [(f"1.2.{number}", EXPLICIT)])
    assert len(capabilities.sent_to("d")) == 4
    known = sum(capabilities.accepted_by("d", f"1.2.{number}") is not None for number in range(50))
    assert known <= 3
    assert len(capabilities.accepted_by("d", CT) or ()) <= 2


async def test_a_disk_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    capabilities = Capabilities(tmp_path / "missing" / FILE_NAME)
    capabilities.learn("d", [(CT, EXPLICIT, True)])
    await capabilities.save()
    assert capabilities.accepted_by("d", CT) == {EXPLICIT}


# --- asynchronous operations ---------------------------------------------------------------------------

OLD, NEW = "1.2.840.113619.6.1", "1.2.840.113619.6.2"


async def test_who_hangs_up_on_a_window_is_remembered_across_restarts(tmp_path: Path) -> None:
    capabilities = Capabilities.load(tmp_path)
    assert capabilities.bears_window("oncology")
    capabilities.hung_up("oncology", OLD)
    assert not capabilities.bears_window("oncology")
    assert capabilities.bears_window("other")  # not known yet
    capabilities.met("other", OLD, window=False)
    await capabilities.save()
    again = Capabilities.load(tmp_path)
    assert not again.bears_window("oncology")
    assert not again.bears_window("other")  # the same product
    again.met("oncology", NEW, window=False)  # it was upgraded: ask again
    assert again.bears_window("oncology")


async def test_one_that_gives_no_implementation_is_remembered_too(tmp_path: Path) -> None:
    capabilities = Capabilities.load(tmp_path)
    capabilities.hung_up("oncology", "not a uid")
    await capabilities.save()
    again = Capabilities.load(tmp_path)
    assert not again.bears_window("oncology")
    assert again.bears_window("other")


def test_a_link_that_broke_while_opening_is_not_taken_for_a_dislike_of_windows(tmp_path: Path) -> None:
    capabilities = Capabilities.load(tmp_path)
    capabilities.met("oncology", NEW, window=True)
    capabilities.hung_up("oncology", NEW)
    assert capabilities.bears_window("oncology")


def test_implementations_are_bounded(tmp_path: Path) -> None:
    capabilities = Capabilities.load(tmp_path, CapabilityLimits(implementations=3))
    for number in range(10):
        capabilities.hung_up("oncology", f"1.2.3.{number}")
    assert list(capabilities._windows) == ["1.2.3.7", "1.2.3.8", "1.2.3.9"]
