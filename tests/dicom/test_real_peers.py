"""The core on a plain blocking socket, against DCMTK in both roles: nothing but bytes in and events out."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from gateway.dicom.dimse import CommandReceived, MessageReader, c_echo_rsp, c_store_rq, c_store_rsp, fragments
from gateway.dicom.events import (
    AssociateAccepted,
    AssociateRequested,
    DataReceived,
    Event,
    ReleaseConfirmed,
    ReleaseRequested,
)
from gateway.dicom.negotiation import AssociateRequest, ProposedContext, negotiate
from gateway.dicom.part10 import file_meta, read_header
from gateway.dicom.upper_layer import Role, UpperLayer
from tests.support import dcmtk
from tests.support.dicom_wire import TAKE_FIRST

pytestmark = pytest.mark.peers


def events(sock: socket.socket, layer: UpperLayer) -> Iterator[Event]:
    """What happens on `sock`, one event at a time; what the owner answers is written after each read."""
    sock.settimeout(20)
    while not layer.close_wanted:
        for piece in layer.output():
            sock.sendall(piece)
        count = sock.recv_into(layer.buffer())
        yield from layer.received(count) if count else layer.closed()


def accept_one(listening: socket.socket, received: list[tuple[str, bytes]]) -> None:
    """Serve one association: verification, and storage into `received` as (SOP class, data set)."""
    sock, _ = listening.accept()
    layer, reader, data = UpperLayer(Role.ACCEPTOR), MessageReader(), bytearray()
    layer.connected()
    with sock:
        for event in events(sock, layer):
            if isinstance(event, AssociateRequested):
                layer.accept(negotiate(event.request, TAKE_FIRST))
            elif isinstance(event, ReleaseRequested):
                layer.release_response()
            elif isinstance(event, DataReceived):
                message = reader.read(event)
                if isinstance(message, CommandReceived):
                    request = message.command
                    data.clear()
                    if not request.has_data_set:
                        layer.send_pdv(event.context_id, True, True, c_echo_rsp(request).encode())
                elif message is not None:
                    data += message.data
                    if message.is_last:
                        received.append((request.affected_sop_class_uid or "", bytes(data)))
                        layer.send_pdv(event.context_id, True, True, c_store_rsp(request).encode())


@contextlib.contextmanager
def acceptor(received: list[tuple[str, bytes]]) -> Iterator[int]:
    """A port on which one association is served."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept_one, args=(listening, received))
        thread.start()
        yield listening.getsockname()[1]
        thread.join(20)
        assert not thread.is_alive()


def dicom_file(name: str) -> Path:
    """One of pydicom's own files."""
    return Path(str(get_testdata_file(name)))


@pytest.mark.parametrize(
    "options", [(), ("--propose-pc", "128", "--propose-ts", "38")], ids=["plain", "largest"]
)
def test_echoscu_is_answered(options: tuple[str, ...]) -> None:
    received: list[tuple[str, bytes]] = []
    with acceptor(received) as port:
        assert dcmtk.run_console("echoscu", port, "ANYONE", [], options=options).code == 0


@pytest.mark.parametrize("options", [(), ("-R",), ("-pdu", "4096")])
def test_storescu_stores(options: tuple[str, ...]) -> None:
    """Its own encoder leaves out the trailing padding, so the objects are compared and not the bytes."""
    path = dicom_file("CT_small.dcm")
    received: list[tuple[str, bytes]] = []
    with acceptor(received) as port:
        assert dcmtk.run_console("storescu", port, "ANYONE", [path, path], options=options).code == 0
    instance, _ = read_header(path.read_bytes())
    sent = dcmread(path)
    assert len(received) == 2
    for sop_class_uid, data in received:
        assert sop_class_uid == instance.sop_class_uid
        got = dcmread(BytesIO(file_meta(instance) + data))
        assert got.SOPInstanceUID == instance.sop_instance_uid
        assert got.PixelData == sent.PixelData


def test_storescp_keeps_every_byte(tmp_path: Path) -> None:
    raw = dicom_file("CT_small.dcm").read_bytes()
    instance, offset = read_header(raw)
    contexts = (ProposedContext(1, instance.sop_class_uid, (instance.transfer_syntax_uid,)),)
    layer, reader, told = UpperLayer(Role.REQUESTOR), MessageReader(), []
    layer.associate(AssociateRequest("CENTRE", "LINAC1", contexts, async_window=(8, 1)))
    with (
        dcmtk.StoreScp(tmp_path, options=("--max-pdu", "4096")) as centre,
        socket.create_connection(("127.0.0.1", centre.port)) as sock,
    ):
        layer.connected()
        for event in events(sock, layer):
            told.append(type(event))
            if isinstance(event, AssociateAccepted):
                assert (layer.max_fragment, event.answer.async_window) == (4090, (1, 1))
                command = c_store_rq(1, instance.sop_class_uid, instance.sop_instance_uid).encode()
                for is_command, whole in ((True, command), (False, raw[offset:])):
                    for piece, is_last in fragments(whole, layer.max_fragment):
                        layer.send_pdv(1, is_command, is_last, piece)
            elif isinstance(event, DataReceived):
                message = reader.read(event)
                assert isinstance(message, CommandReceived)
                assert message.command.status == 0
                layer.release()
        assert told == [AssociateAccepted, DataReceived, ReleaseConfirmed]
        [stored] = tmp_path.iterdir()
    got = stored.read_bytes()
    assert got[read_header(got)[1] :] == raw[offset:]
