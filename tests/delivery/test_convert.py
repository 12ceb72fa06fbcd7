from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.delivery import convert
from gateway.delivery.convert import Converted, Converter
from gateway.delivery.decompress import NotConvertible
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transcode import DEFLATED_LE, EXPLICIT_LE, IMPLICIT_LE
from gateway.errors import LocalError
from gateway.spool import Job
from tests.delivery.transport_contract import make_job
from tests.support import objects

BODY = objects.small_object("1.2.840.10008.5.1.4.1.1.7", "1.2.3", bytes(range(256)) * 8000)


@pytest.fixture(name="executor")
def an_executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def filed(body: bytes, syntax: str = EXPLICIT_LE) -> Job:
    return replace(make_job(1, body, syntax=syntax), data=None)


def converter(
    directory: Path, executor: ThreadPoolExecutor, body: bytes, policy: DeliveryPolicy | None = None
) -> Converter:
    return Converter(lambda number: io.BytesIO(body), directory, policy or DeliveryPolicy(), executor)


async def read(converted: Converted) -> bytes:
    try:
        return b"".join([bytes(chunk) async for chunk in converted.source.chunks(100_000)])
    finally:
        converted.discard()


@pytest.mark.parametrize("inline", [True, False], ids=["thread", "child"])
async def test_both_ways_give_the_same(tmp_path: Path, executor: ThreadPoolExecutor, inline: bool) -> None:
    job = make_job(1, BODY) if inline else filed(BODY)
    converted = await converter(tmp_path / "work", executor, BODY).convert(job, IMPLICIT_LE)
    body = await read(converted)
    assert converted.transfer_syntax_uid == IMPLICIT_LE
    assert converted.digest == hashlib.sha256(body).digest()
    assert converted.source.size == len(body) == len(BODY) - 4  # 16 bytes of explicit VR less in all
    assert not inline or not (tmp_path / "work").exists()


async def test_memory_of_the_child_is_bounded(
    tmp_path: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "_BASE_MEMORY", 1024 * 1024)
    with pytest.raises(NotConvertible, match="memory"):
        await converter(tmp_path, executor, BODY).convert(filed(BODY), IMPLICIT_LE)


async def test_a_conversion_that_takes_too_long_is_given_up(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    policy = DeliveryPolicy(convert_timeout=0.001)
    with pytest.raises(NotConvertible, match="too long"):
        await converter(tmp_path, executor, BODY, policy).convert(filed(BODY), IMPLICIT_LE)


async def test_a_deflated_bomb_ends_in_words(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    bomb = objects.small_object("1.2.840.10008.5.1.4.1.1.7", "1.2.3", bytes(8_000_000))
    packing = await converter(tmp_path, executor, bomb).convert(filed(bomb), DEFLATED_LE)
    packed = await read(packing)
    assert len(packed) < 50_000
    policy = DeliveryPolicy(convert_max_bytes=1_000_000)
    with pytest.raises(NotConvertible, match="unfolds"):
        await converter(tmp_path, executor, packed, policy).convert(filed(packed, DEFLATED_LE), EXPLICIT_LE)


async def test_a_place_that_cannot_be_written_is_our_trouble(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    (tmp_path / "work").write_text("in the way")
    with pytest.raises(LocalError, match="no room to convert"):
        await converter(tmp_path / "work", executor, BODY).convert(filed(BODY), IMPLICIT_LE)
