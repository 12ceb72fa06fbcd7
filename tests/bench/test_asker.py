"""The console that takes the time understands a real archive, and fails rather than measure nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.archive import AE_TITLE, Archive
from bench.asker import Asker, AskingFailed, images_of
from bench.relay import matches

pytestmark = pytest.mark.peers


def test_it_finds_what_the_archive_holds(tmp_path: Path) -> None:
    content = matches()
    archive = Archive(tmp_path, env={"TCP_NODELAY": "1"})
    archive.hold(content.objects())
    with archive:
        with Asker("127.0.0.1", archive.port, AE_TITLE) as asker:
            assert 0 < asker.echo() < 5
            found = asker.find(images_of(content.study, content.series))
            nothing = asker.find(images_of(content.study, "1.2.3"))
        assert len(found.matches) == content.count == len(set(found.matches))
        assert 0 < found.first <= found.last
        assert nothing.matches == []
        uids = {thing.sop_instance_uid.encode() for thing in content.objects()}
        assert all(any(uid in match for match in found.matches) for uid in uids)


def test_a_refusal_is_no_measurement(tmp_path: Path) -> None:
    with Archive(tmp_path) as archive, pytest.raises(AskingFailed, match="in place of an association"):
        Asker("127.0.0.1", archive.port, "NOBODY").connect()
