"""Storage commitment from the console to the centre and back, with pynetdicom on both ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.synthetic import SyntheticObject, Template, make_record
from tests.support.commitment_centre import CommitmentCentre
from tests.support.commitment_console import CommitmentConsole, Reference
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ports import free_port

pytestmark = pytest.mark.peers

QUICK = {
    "batch_wait": 0.1,
    "report_backoff": {"base": 0.2, "ceiling": 0.5},
}

_template = Template(make_record())
_made = iter(range(10_000))


def records(count: int) -> list[SyntheticObject]:
    """Treatment records, all different from any before."""
    return [next(iter(_template.copies(1, next(_made)))) for _ in range(count)]


def references(things: list[SyntheticObject]) -> list[Reference]:
    """What a console names them by."""
    return [(each.sop_class_uid, each.sop_instance_uid) for each in things]


class Clinic:
    """A console, a gateway and the centres its one route leads to."""

    def __init__(self, directory: Path, *titles: str) -> None:
        self.console = CommitmentConsole(free_port())
        self.centres = [CommitmentCentre(ae_title=title) for title in titles]
        peers = [peer(each.ae_title.lower(), each.ae_title, each.port) for each in self.centres]
        self.gateway = GatewayProcess(
            directory,
            peers=[*peers, peer("console1", "LINAC1", self.console.port)],
            routes=[{"called": "CENTRE", "to": [each["name"] for each in peers]}],
            sections={"commitment": QUICK},
        )
        for centre in self.centres:
            centre.gateway_port = self.gateway.port

    def treat(self, count: int = 2) -> list[SyntheticObject]:
        """Send some records."""
        things = records(count)
        self.console.store(self.gateway.port, "CENTRE", things)
        return things

    def commit(self, transaction: str, asked: list[Reference], stay: threading.Event | None = None) -> int:
        """Ask for storage commitment."""
        return self.console.commit(self.gateway.port, "CENTRE", transaction, asked, stay=stay)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    one = Clinic(tmp_path_factory.mktemp("commitment"), "CENTRE")
    with one.console, one.centres[0], one.gateway:
        yield one


@pytest.fixture
def centre(clinic: Clinic) -> CommitmentCentre:
    """The centre with nothing left of an earlier test."""
    (only,) = clinic.centres
    only.how = "same"
    only.asked.clear()
    only.answers.clear()
    only.failures.clear()
    return only


@pytest.mark.parametrize("how", ["same", "new"])
def test_a_report_comes_after_the_centre_has_committed(
    how: str, clinic: Clinic, centre: CommitmentCentre
) -> None:
    centre.how = how
    asked = references(clinic.treat())
    transaction = f"2.25.1{len(how)}1"
    assert clinic.commit(transaction, asked) == 0x0000
    report = clinic.console.wait_report(transaction)
    assert (report.event_type, report.committed, report.failed) == (1, set(asked), {})
    # On an association of its own: the calling title is the one that the console called (PS3.4 J.3.3).
    assert (report.by, report.called) == ("CENTRE", "LINAC1")
    assert {(each.calling, each.called) for each in centre.asked} == {("GATEWAY", "CENTRE")}
    assert {named for each in centre.asked for named in each.references} == set(asked)
    assert set(centre.wait_answered(len(centre.asked))) == {0x0000}
    rows = clinic.gateway.deliveries()
    assert {row["state"] for row in rows} == {"confirmed"}, rows


def test_nothing_is_reported_before_the_centre_has_spoken(clinic: Clinic, centre: CommitmentCentre) -> None:
    centre.how = "never"
    asked = references(clinic.treat())
    assert clinic.commit("2.25.21", asked) == 0x0000
    centre.wait_asked()
    assert clinic.gateway.status()
    assert "2.25.21" not in {each.transaction for each in clinic.console.reports}
    # One request may name every object, or each object may have its own.
    named: set[Reference] = set()
    while named != set(asked):
        upstream = centre.wait_asked(len(centre.answers) + 1)
        centre.report(upstream)
        named |= set(upstream.references)
    assert clinic.console.wait_report("2.25.21").committed == set(asked)


def test_a_console_that_stays_is_told_on_its_own_association(
    clinic: Clinic, centre: CommitmentCentre
) -> None:
    done = threading.Event()
    asked = references(clinic.treat())
    waiting = threading.Thread(target=clinic.commit, args=("2.25.31", asked, done))
    waiting.start()
    try:
        report = clinic.console.wait_report("2.25.31")
    finally:
        done.set()
        waiting.join(30)
    assert (report.by, report.committed) == ("", set(asked))


def test_one_failure_is_reported_with_the_centres_own_reason(
    clinic: Clinic, centre: CommitmentCentre
) -> None:
    asked = references(clinic.treat(3))
    centre.failures[asked[1]] = 0x0119  # class and instance do not agree (PS3.3 C.14.1.1)
    assert clinic.commit("2.25.41", asked) == 0x0000
    report = clinic.console.wait_report("2.25.41")
    assert (report.event_type, report.failed) == (2, {asked[1]: 0x0119})
    assert report.committed == {asked[0], asked[2]}


def test_a_report_that_the_console_refuses_is_made_again(clinic: Clinic, centre: CommitmentCentre) -> None:
    clinic.console.status = 0x0110
    try:
        assert clinic.commit("2.25.51", references(clinic.treat(1))) == 0x0000
        clinic.console.wait_report("2.25.51")
    finally:
        clinic.console.status = 0x0000
    clinic.console.wait_report("2.25.51", count=2)


def test_a_request_survives_a_power_cut_while_the_centre_is_away(tmp_path: Path) -> None:
    clinic = Clinic(tmp_path, "CENTRE")
    (centre,) = clinic.centres
    with clinic.console:
        clinic.gateway.start()
        asked = references(clinic.treat())
        assert clinic.commit("2.25.61", asked) == 0x0000
        clinic.gateway.kill()
        with centre, clinic.gateway:
            report = clinic.console.wait_report("2.25.61")
            assert (report.event_type, report.committed) == (1, set(asked))
    assert centre.held == set(asked)


def test_committed_means_committed_at_every_destination(tmp_path: Path) -> None:
    clinic = Clinic(tmp_path, "CENTRE", "ARCHIVE")
    centre, archive = clinic.centres
    with clinic.console, centre, archive, clinic.gateway:
        asked = references(clinic.treat())
        archive.failures[asked[0]] = 0x0119
        assert clinic.commit("2.25.71", asked) == 0x0000
        report = clinic.console.wait_report("2.25.71")
        assert (report.event_type, report.committed) == (2, {asked[1]})
        assert report.failed == {asked[0]: 0x0119}
        assert {each.called for each in (*centre.asked, *archive.asked)} == {"CENTRE", "ARCHIVE"}
