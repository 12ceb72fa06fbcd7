"""What can be asked of an association while it is open, and for the last time when it closes."""

from __future__ import annotations

import sys

import pytest

from gateway.association.requestor import open_association
from gateway.dicom.negotiation import split_contexts
from gateway.dicom.sop_classes import VERIFICATION
from gateway.model import AETitle, Peer
from gateway.notices import AssociationClosed, Notice, Notices
from gateway.traffic import Traffic
from tests.support.receiver import Receiver


async def test_it_is_known_from_when_it_opens_until_it_closes() -> None:
    notices = Notices()
    last: list[Traffic] = []

    def on_notice(notice: Notice) -> None:
        if isinstance(notice, AssociationClosed):
            last.append(notices.open_associations[notice.association].measure())

    notices.subscribe(on_notice)
    with Receiver(ae_title="CENTRE") as receiver:
        association = await open_association(
            Peer("centre", AETitle("CENTRE"), "127.0.0.1", receiver.port),
            split_contexts([(VERIFICATION, ("1.2.840.10008.1.2",))])[0],
            calling_ae=AETitle("CLINIC07"),
            notices=notices,
        )
        (open_one,) = notices.open_associations.values()
        assert open_one.peer == "centre"
        assert not open_one.inbound
        before = open_one.measure()
        await association.c_echo()
        after = open_one.measure()
        assert after.bytes_out > before.bytes_out
        assert after.bytes_in > before.bytes_in
        await association.release()
    assert notices.open_associations == {}
    (traffic,) = last
    assert traffic.bytes_out > after.bytes_out
    if sys.platform != "linux":
        pytest.skip("TCP_INFO is Linux's")
    assert traffic.tcp_out is not None
    assert after.tcp_out is not None
    assert traffic.tcp_out >= after.tcp_out
    assert traffic.segments_out
