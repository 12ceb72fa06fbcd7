"""The whole daemon on a disk that becomes read-only, dies, or runs full: consoles get honest answers."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.campaign import Tallies, Tally
from tests.durability.faults.clinic import FAILED, NO_ROOM, SUCCESS, Clinic

pytestmark = pytest.mark.fuse

MIB = 1 << 20


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with Clinic(tmp_path, seed=5) as running:
        yield running


def test_a_disk_that_becomes_read_only(clinic: Clinic, tallies: Tallies) -> None:
    assert clinic.send([*clinic.records(2), *clinic.images(2)]) == [SUCCESS] * 4
    clinic.disk.read_only()
    statuses = clinic.send([*clinic.images(1), *clinic.records(2)])
    assert SUCCESS not in statuses
    assert "check the disk" in clinic.ended()
    clinic.disk.mend()
    clinic.gateway.start()
    tally = Tally()
    clinic.check(tally, "read-only in the middle of work")
    tallies.add("faults", tally)


def test_a_start_on_a_read_only_disk_says_so(clinic: Clinic) -> None:
    clinic.gateway.stop()
    clinic.disk.read_only()
    with pytest.raises(AssertionError, match=r"(?i)read-only.*check the disk"):
        clinic.gateway.launch()
    clinic.disk.mend()
    clinic.gateway.start()
    assert clinic.send(clinic.records(1)) == [SUCCESS]


def test_a_disk_that_dies(clinic: Clinic, tallies: Tallies) -> None:
    assert clinic.send([*clinic.records(2), *clinic.images(2)]) == [SUCCESS] * 4
    clinic.disk.fail("*", error=errno.EIO, times=None)
    statuses = clinic.send([*clinic.records(1), *clinic.images(1)])
    assert SUCCESS not in statuses
    assert "check the disk" in clinic.ended()
    clinic.disk.mend()
    clinic.gateway.start()
    tally = Tally()
    clinic.check(tally, "a disk that dies")
    tallies.add("faults", tally)


def test_one_sync_that_fails_costs_one_object(clinic: Clinic, tallies: Tallies) -> None:
    """The console hears a failure, a person an alarm; the gateway goes on, and takes it the next time."""
    tally = Tally()
    clinic.centre.stop()  # or what is delivered in the meantime might meet the fault instead
    for wanted, path in ((clinic.records(1), "journal.db-wal"), (clinic.images(1), "*.dcm")):
        clinic.disk.fail("fsync", path=f"/lib/gateway/spool/{path}", error=errno.EIO)
        assert clinic.send(wanted) == [FAILED]
        assert clinic.send(clinic.records(1)) == [SUCCESS]
    assert "check the disk" in clinic.wait_alarm("spool.journal")
    assert "check the disk" in clinic.wait_alarm("spool.io")
    clinic.centre.start()
    clinic.check(tally, "a sync that fails")
    tallies.add("faults", tally)


def test_a_disk_that_somebody_fills(clinic: Clinic, tallies: Tallies) -> None:
    """Images are refused first, then everything; with room everything goes on, without a restart."""
    tally = Tally()
    assert clinic.send(clinic.images(1)) == [SUCCESS]
    clinic.disk.space(free=12 * MIB)
    _see(clinic)
    clinic.gateway.wait("images are refused", lambda: clinic.send(clinic.images(1)) == [NO_ROOM])
    assert clinic.send(clinic.records(2)) == [SUCCESS] * 2
    assert "deliver or discard" in clinic.wait_alarm("spool.room")
    clinic.disk.space(free=0)
    clinic.gateway.wait("records are refused", lambda: clinic.send(clinic.records(1)) == [NO_ROOM])
    clinic.disk.space(free=100 * MIB)
    clinic.gateway.wait("records are taken", lambda: clinic.send(clinic.records(1)) == [SUCCESS])
    clinic.gateway.wait("images are taken", lambda: clinic.send(clinic.images(1)) == [SUCCESS])
    clinic.check(tally, "a full disk")
    tallies.add("faults", tally)


def _see(clinic: Clinic) -> None:
    """Have the gateway look at its disk, as it does once a second while it works, and whenever it is asked.

    Within that second a console on the same machine could fill what is kept for records, too.
    """
    clinic.gateway.status()


def test_inodes_run_out(clinic: Clinic, tallies: Tallies) -> None:
    tally = Tally()
    clinic.disk.space(inodes=50)
    _see(clinic)
    clinic.gateway.wait("images are refused", lambda: clinic.send(clinic.images(1)) == [NO_ROOM])
    assert clinic.send(clinic.records(3)) == [SUCCESS] * 3
    clinic.wait_alarm("spool.room")
    clinic.disk.space(inodes=100_000)
    clinic.gateway.wait("images are taken", lambda: clinic.send(clinic.images(1)) == [SUCCESS])
    clinic.check(tally, "inodes")
    tallies.add("faults", tally)


def test_a_start_on_a_full_disk(clinic: Clinic, tallies: Tallies) -> None:
    """A disk that others have filled must not keep the gateway from delivering what it has."""
    tally = Tally()
    clinic.centre.stop()
    assert clinic.send([*clinic.records(3), *clinic.images(3)]) == [SUCCESS] * 6
    clinic.gateway.stop()
    clinic.disk.space(free=0)
    clinic.centre.start()
    clinic.gateway.start()
    clinic.gateway.wait_delivered(6)
    assert clinic.send(clinic.images(1)) == [NO_ROOM]
    clinic.disk.space(free=100 * MIB)
    clinic.gateway.wait("images are taken", lambda: clinic.send(clinic.images(1)) == [SUCCESS])
    clinic.check(tally, "a start on a full disk")
    tallies.add("faults", tally)
