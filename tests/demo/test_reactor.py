from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from gateway.demo.reactor import reactor_at_rest


@pytest.fixture
def association() -> Iterator[Association]:
    scp = AE(ae_title="SCP")
    scp.add_supported_context(Verification)
    server = scp.start_server(("127.0.0.1", 0), block=False)
    scu = AE(ae_title="SCU")
    scu.add_requested_context(Verification)
    opened = scu.associate("127.0.0.1", server.server_address[1])
    assert opened.is_established
    yield opened
    if opened.is_established:
        opened.release()
    server.shutdown()


def test_the_reactor_stays_where_it_is_between_requests(association: Association) -> None:
    rounds: list[str] = []
    get_msg = association.dimse.get_msg

    def watched(block: bool = False) -> object:
        rounds.append(threading.current_thread().name)
        return get_msg(block)

    with reactor_at_rest(association):
        association.dimse.get_msg = watched  # type: ignore[method-assign]
        for _ in range(50):
            assert association.send_c_echo().Status == 0x0000
        assert set(rounds) == {threading.current_thread().name}


def test_afterwards_the_reactor_works_again(association: Association) -> None:
    with reactor_at_rest(association):
        pass
    association.release()
    assert association.is_released


def test_an_association_that_has_ended_is_no_reason_to_wait(association: Association) -> None:
    association.abort()
    association.join(10)
    with reactor_at_rest(association):
        assert not association.is_established
