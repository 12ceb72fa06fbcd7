"""From a console to an archive's web interface: the same bytes, and none lost while the archive is away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import consoles, objects
from tests.support.gateway_process import QUICK, GatewayProcess, peer
from tests.support.orthanc import Orthanc

pytestmark = pytest.mark.peers

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def test_objects_go_to_the_web_interface_and_wait_while_it_is_away(tmp_path: Path) -> None:
    if not PLUGIN.exists():
        reason = "not installed: Orthanc's DICOMweb plugin (sudo apt install orthanc-dicomweb)"
        if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    more = {"Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
    archive = Orthanc(tmp_path / "orthanc", more=more)
    url = f"http://127.0.0.1:{archive.http_port}/dicom-web"
    centre = peer("centre", archive.ae_title, archive.port, dicomweb={"url": url})
    files = objects.real_objects(tmp_path)
    with GatewayProcess(tmp_path / "gateway", peers=[centre], sections={"delivery": QUICK}) as gateway:
        consoles.pynetdicom(gateway.port, "CENTRE", files)
        gateway.wait("offline", lambda: gateway.destination()["link"] == "offline")
        with archive:
            gateway.wait_delivered(len(files))
            kept = {stored.sop_instance_uid: stored.digest for stored in archive.received()}
            said = archive.program.output if archive.program is not None else ""
    assert kept == objects.digests(files)
    assert 1 <= said.count("POST /dicom-web/studies") < len(files)  # by the web, and several together
