"""The very first object on a new disk: nothing that leads to it may be missing after a cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.durability.campaign import Tallies, Tally
from tests.durability.fuse.mount import Mounted
from tests.durability.power_cuts.ledger import Ledger, things
from tests.support.console import Console
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.receiver import Receiver

pytestmark = pytest.mark.fuse


@pytest.mark.parametrize("killed_before", [False, True], ids=["new", "killed while it was new"])
def test_the_first_object_survives_with_every_folder_that_leads_to_it(
    tmp_path: Path, tallies: Tallies, killed_before: bool
) -> None:
    """A disk that keeps nothing but what was synced. The state folder is deep, and nobody made it before.

    A gateway that was killed (kill -9, no cut) may have made names without syncing them: the next one does.
    """
    ledger, tally = Ledger(), Tally()
    offers = things(0)
    with Receiver() as centre, Mounted(tmp_path) as disk:
        gateway = GatewayProcess(
            tmp_path / "gateway",
            peers=[peer("centre", "CENTRE", centre.port)],
            state_dir=disk.path / "var" / "lib" / "gateway",
        )
        centre.mood("reject 2")  # what is here stays here
        if killed_before:
            gateway.launch()
            gateway.kill()
        gateway.launch()
        with Console(gateway.port, "CENTRE", calling="LINAC1", timeout=30) as console:
            for _ in range(4):  # three records in the journal, one image in a file
                thing = next(offers)
                ledger.offer(thing)
                assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0
                ledger.acknowledge(thing.sop_instance_uid)
        disk.cut(gateway.pid, policy=None)
        gateway.kill()
        tally.add("power cuts")
        disk.power_on()
        centre.mood("accept")
        with gateway:
            gateway.wait_delivered(4)
            assert gateway.status()["attention"] == []
        ledger.check(centre.stored(), tally, seed=0, history="first start")
    tallies.add("power cuts", tally)
