"""Consoles that send files: DCMTK storescu and dcmsend, and pynetdicom. One signature for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.demo.reactor import reactor_at_rest
from tests.support import dcmtk, objects

_UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")

# (port, called AE title, files) -> the files that this console is able to send, all answered with success
FileConsole = Callable[[int, str, Sequence[Path]], list[Path]]


class NotSent(AssertionError):
    """A console did not get through; carries what it said."""


def storescu(port: int, called: str, files: Sequence[Path]) -> list[Path]:
    """DCMTK storescu: standard SOP classes, uncompressed. Its default list lacks ion records, hence -R."""
    able = [
        path
        for path in files
        if (stored := objects.read(path)).transfer_syntax_uid in _UNCOMPRESSED
        and stored.sop_class_uid.startswith("1.2.840.10008.")
    ]
    _check(dcmtk.run_console("storescu", port, called, able, options=["-R"]))
    return able


def dcmsend(port: int, called: str, files: Sequence[Path]) -> list[Path]:
    """DCMTK dcmsend, every object in the transfer syntax it has on disk where that is compressed."""
    _check(dcmtk.run_console("dcmsend", port, called, files, options=["-dn"]))
    return list(files)


def _check(ran: dcmtk.Ran) -> None:
    if ran.code != 0:
        raise NotSent(f"exit code {ran.code}\n{ran.output}")


def pynetdicom(port: int, called: str, files: Sequence[Path]) -> list[Path]:
    """pynetdicom, sending the data sets as they are on disk, byte for byte."""
    from pynetdicom import AE, _config

    chunked = _config.STORE_SEND_CHUNKED_DATASET
    _config.STORE_SEND_CHUNKED_DATASET = True
    try:
        ae = AE(ae_title="LINAC1")
        for stored in map(objects.read, files):
            ae.add_requested_context(stored.sop_class_uid, stored.transfer_syntax_uid)
        association = ae.associate("127.0.0.1", port, ae_title=called)
        if not association.is_established:
            raise NotSent("no association")
        try:
            with reactor_at_rest(association):
                for path in files:
                    answer = association.send_c_store(path)
                    if answer.get("Status") != 0x0000:
                        raise NotSent(f"{path.name}: {answer}")
        finally:
            association.release()
    finally:
        _config.STORE_SEND_CHUNKED_DATASET = chunked
    return list(files)


ALL: dict[str, FileConsole] = {"storescu": storescu, "dcmsend": dcmsend, "pynetdicom": pynetdicom}
