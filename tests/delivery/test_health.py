from __future__ import annotations

import random
from dataclasses import replace

import pytest

from gateway.delivery.classification import Cause, failure
from gateway.delivery.health import Health
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.receipt import make_receipt
from gateway.model import Receipt
from gateway.notices import Alarm, DeliverySettled, LinkChanged, Notice, Notices
from gateway.reachability import Reach, Reachability
from gateway.spool import Accepted, Answer, Hold, Job, PutBack
from tests.delivery.transport_contract import make_job

NOW = 1_700_000_000.0


@pytest.fixture(name="notices")
def some_notices() -> list[Notice]:
    return []


@pytest.fixture(name="reachability")
def a_reachability() -> Reachability:
    return Reachability("oncology")


@pytest.fixture(name="health")
def a_health(notices: list[Notice], reachability: Reachability) -> Health:
    publisher = Notices()
    publisher.subscribe(notices.append)
    return Health(
        "oncology",
        publisher,
        policy=DeliveryPolicy(poison_aborts=2),
        clock=lambda: 50.0,
        wall_clock=lambda: NOW,
        rng=random.Random(1),
        reachability=reachability,
    )


def receipt(job: Job) -> Receipt:
    return make_receipt("oncology", 0xB000, "", transfer_syntax_uid="1.2", digest=b"", at=NOW)


def test_an_accepted_object(health: Health, notices: list[Notice]) -> None:
    job = make_job(1)
    assert health.outcome(job, receipt(job), 0.5) == Accepted(1, receipt(job))
    online, settled = notices
    assert isinstance(online, LinkChanged)
    assert isinstance(settled, DeliverySettled)
    assert (settled.outcome, settled.status, settled.attempts) == ("accepted", 0xB000, 1)
    assert settled.transfer_syntax_uid == "1.2"  # as sent


def test_a_transient_failure_is_put_back_for_later(health: Health, notices: list[Notice]) -> None:
    trouble = failure(Cause.PROCESSING, "failed", status=0x0110)
    settlement = health.outcome(make_job(1), trouble, 0.5)
    assert isinstance(settlement, PutBack)
    assert settlement.counts_attempt
    assert NOW < settlement.not_before <= NOW + 5
    assert [n.outcome for n in notices if isinstance(n, DeliverySettled)] == ["retry"]


def test_what_the_peer_says_stays_in_the_journal(health: Health, notices: list[Notice]) -> None:
    trouble = failure(Cause.REFUSED, "refused (0xA900)", status=0xA900, detail="Doe^John unknown")
    settlement = health.outcome(make_job(1), trouble, 0.5)
    assert settlement == Hold(
        1,
        "refused (0xA900); the destination says: Doe^John unknown",
        "refused",
        Answer("refused", 0xA900, "Doe^John unknown"),
    )
    assert "Doe" not in repr(notices)
    (alarm,) = (n for n in notices if isinstance(n, Alarm))
    assert (alarm.code, alarm.object_number) == ("delivery-held", 1)
    assert "queue show" in alarm.text


def test_a_stale_association_is_nobodys_fault(health: Health) -> None:
    settlement = health.outcome(make_job(1), failure(Cause.STALE, "it had ended"), 0.0)
    answer = Answer("stale-association")
    assert settlement == PutBack(1, 0.0, "it had ended", counts_attempt=False, answer=answer)


def test_poison_is_held_with_words(health: Health) -> None:
    cut = failure(Cause.ABORTED, "the peer aborted")
    assert isinstance(health.outcome(make_job(1), cut, 0.1), PutBack)
    health.outcome(make_job(2), receipt(make_job(2)), 0.1)
    settlement = health.outcome(make_job(1), cut, 0.1)
    assert isinstance(settlement, Hold)
    assert settlement.cause == "cuts-association"
    assert settlement.reason == "every time this object is sent, while others pass: the peer aborted"


def test_a_link_that_turns_out_dead_absolves(health: Health) -> None:
    cut = failure(Cause.ABORTED, "the peer aborted")
    for _ in range(10):
        assert isinstance(health.outcome(make_job(1), cut, 0.1), PutBack)
        health.link_down(failure(Cause.UNREACHABLE, "no route"))
        health.probe_answered(0.1)
        health.outcome(make_job(2), receipt(make_job(2)), 0.1)


def test_our_own_trouble_is_alarmed_and_tried_again(health: Health, notices: list[Notice]) -> None:
    settlement = health.outcome(make_job(1), failure(Cause.LOCAL, "cannot read"), 0.0)
    assert isinstance(settlement, PutBack)
    assert [n.code for n in notices if isinstance(n, Alarm)] == ["delivery-local-trouble"]


def test_an_object_that_the_disk_does_not_give_back_is_held_after_a_few_tries(
    health: Health, notices: list[Notice]
) -> None:
    trouble = failure(Cause.UNREADABLE, "the disk failed: Input/output error")
    for attempts in range(2):
        job = make_job(1)
        job = replace(job, delivery=replace(job.delivery, attempts=attempts))
        assert isinstance(health.outcome(job, trouble, 0.0), PutBack)
    job = replace(job, delivery=replace(job.delivery, attempts=2))
    settlement = health.outcome(job, trouble, 0.0)
    assert isinstance(settlement, Hold)
    assert settlement.cause == "unreadable"
    codes = [notice.code for notice in notices if isinstance(notice, Alarm)]
    assert codes == ["delivery-local-trouble", "delivery-local-trouble", "object-unreadable"]


def test_attempts_decide_when_the_pace_becomes_slow(health: Health) -> None:
    job = make_job(1)
    tired = replace(job, delivery=replace(job.delivery, attempts=50))
    settlement = health.outcome(tired, failure(Cause.RESOURCES, "full", status=0xA700), 0.1)
    assert isinstance(settlement, PutBack)
    assert settlement.not_before >= NOW + 3000


# --- what others learn from it ---------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.UNREACHABLE, Cause.TLS, Cause.NO_ASSOCIATION])
def test_a_dead_link_is_known_to_all_who_talk_with_the_peer(
    health: Health, reachability: Reachability, cause: Cause
) -> None:
    health.link_down(failure(cause, "no route"))
    assert reachability.reason(50.0) == "no route"


@pytest.mark.parametrize("cause", [Cause.REJECTED_PERMANENT, Cause.REJECTED_TRANSIENT])
def test_a_peer_that_rejects_our_title_is_not_down_for_others(
    health: Health, reachability: Reachability, cause: Cause
) -> None:
    health.link_down(failure(cause, "calling AE title not recognized"))
    assert reachability.state is Reach.UNKNOWN


def test_a_probe_that_is_answered_opens_the_way_for_all(health: Health, reachability: Reachability) -> None:
    reachability.failed(49.9, "no answer")
    health.probe_answered(0.6)
    assert (reachability.state, reachability.rtt) == (Reach.UP, 0.6)
    reachability.failed(50.0, "no answer")
    health.probe_answered(None)
    assert (reachability.state, reachability.rtt) == (Reach.UP, 0.6)


def test_an_accepted_object_opens_the_way_for_all(health: Health, reachability: Reachability) -> None:
    reachability.failed(49.9, "no answer")
    health.outcome(make_job(1), receipt(make_job(1)), 0.5)
    assert reachability.state is Reach.UP


def test_what_becomes_of_one_object_says_nothing_of_the_way(
    health: Health, reachability: Reachability
) -> None:
    for cause in (Cause.ABORTED, Cause.LOST, Cause.RESOURCES, Cause.REFUSED, Cause.LOCAL):
        health.outcome(make_job(1), failure(cause, "failed"), 0.1)
    assert reachability.state is Reach.UNKNOWN


def test_nobody_need_listen(notices: list[Notice]) -> None:
    alone = Health(
        "oncology",
        Notices(),
        policy=DeliveryPolicy(),
        clock=lambda: 50.0,
        wall_clock=lambda: NOW,
        rng=random.Random(1),
    )
    alone.link_down(failure(Cause.UNREACHABLE, "no route"))
    alone.probe_answered(0.5)
    assert alone.outcome(make_job(1), receipt(make_job(1)), 0.5) == Accepted(1, receipt(make_job(1)))
