from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.scheduler import (
    FAR,
    LANES_NEAR,
    LanePlan,
    ReadyQueue,
    lanes_wanted,
    plan_claim,
    plan_lanes,
)
from gateway.model import AETitle, Delivery, DeliveryState, Instance, Origin, Priority, StoredObject

POLICY = DeliveryPolicy(claim_objects=16, claim_bytes=1000)
ORIGIN = Origin("console", "::1", AETitle("LINAC1"), AETitle("ARIA"), "a")


@dataclass(frozen=True)
class Waiting:
    delivery: Delivery
    object: StoredObject


def waiting(number: int, priority: Priority, size: int = 10) -> Waiting:
    stored = StoredObject(number, Instance("1.2", f"1.2.{number}", "1.2"), ORIGIN, priority, b"", size, 0.0)
    delivery = Delivery(number, number, "d", priority, DeliveryState.SENDING, 0, 0.0, "", 0.0)
    return Waiting(delivery, stored)


JOBS = st.lists(
    st.tuples(st.integers(1, 10_000), st.sampled_from(Priority), st.integers(1, 500)),
    unique_by=lambda job: job[0],
)


@given(JOBS)
def test_records_first_then_oldest_first(jobs: list[tuple[int, Priority, int]]) -> None:
    queue: ReadyQueue[Waiting] = ReadyQueue()
    for job in jobs:
        queue.push(waiting(*job))
    assert queue.bytes == sum(size for _, _, size in jobs)
    seen = [job.delivery.number for job in queue.upcoming()]
    popped = []
    while (first := queue.first()) is not None:
        queue.remove(first)
        popped.append(first.delivery.number)
    assert popped == seen == [n for n, _, _ in sorted(jobs, key=lambda job: (job[1], job[0]))]
    assert (queue.bytes, queue.records, len(queue)) == (0, 0, 0)


@given(JOBS)
def test_a_lane_for_records_sees_records_only(jobs: list[tuple[int, Priority, int]]) -> None:
    queue: ReadyQueue[Waiting] = ReadyQueue()
    for job in jobs:
        queue.push(waiting(*job))
    records = sorted(n for n, priority, _ in jobs if priority is Priority.RECORD)
    assert [job.delivery.number for job in queue.upcoming(Priority.RECORD)] == records
    assert queue.records == len(records)
    assert (queue.first(Priority.RECORD) is not None) == bool(records)
    assert len(queue.drain()) == len(jobs)
    assert len(queue) == queue.bytes == queue.records == 0


@given(st.integers(0, 40), st.integers(0, 5000), st.integers(0, 40), st.booleans())
def test_claims_are_bounded(ready: int, size: int, records: int, trial: bool) -> None:
    records = min(records, ready)
    claim = plan_claim(ready, size, records, POLICY, trial=trial)
    if claim is None:
        return
    assert claim.limit >= 1
    assert claim.max_bytes >= 1
    if claim.max_priority is Priority.BULK:
        assert ready + claim.limit <= POLICY.claim_objects
        assert size + claim.max_bytes <= POLICY.claim_bytes
    else:
        assert records + claim.limit <= POLICY.claim_objects


def test_records_are_claimed_although_enough_images_are() -> None:
    claim = plan_claim(16, 999, 0, POLICY, trial=False)
    assert claim is not None
    assert claim.max_priority is Priority.RECORD


def test_one_large_object_stops_further_claims_of_its_kind() -> None:
    claim = plan_claim(1, 5000, 0, POLICY, trial=False)
    assert claim is not None
    assert claim.max_priority is Priority.RECORD


def test_enough_is_enough() -> None:
    assert plan_claim(32, 999, 16, POLICY, trial=False) is None


def test_on_trial_a_choice_is_claimed_once() -> None:
    claim = plan_claim(0, 0, 0, POLICY, trial=True)
    assert claim is not None
    assert claim.limit == POLICY.claim_objects
    assert plan_claim(1, 10, 0, POLICY, trial=True) is None


@given(JOBS, st.data())
def test_any_job_can_be_taken_out(jobs: list[tuple[int, Priority, int]], data: st.DataObject) -> None:
    queue: ReadyQueue[Waiting] = ReadyQueue()
    for job in jobs:
        queue.push(waiting(*job))
    left = list(queue.upcoming())
    while left:
        chosen = data.draw(st.sampled_from(left))
        queue.remove(chosen)
        left.remove(chosen)
        assert list(queue.upcoming()) == left
        assert queue.bytes == sum(job.object.size for job in left)


@given(st.integers(1, 1000), st.floats(0, 2), st.integers(1, 16))
def test_more_lanes_when_far_and_never_too_many(count: int, turnaround: float, maximum: int) -> None:
    far, near = lanes_wanted(count, FAR + turnaround, maximum), lanes_wanted(count, 0.0, maximum)
    assert 1 <= near <= far <= maximum
    assert lanes_wanted(count, turnaround, maximum) <= lanes_wanted(count + 1, turnaround, maximum)


def test_an_unmeasured_link_counts_as_far() -> None:
    assert lanes_wanted(8, None, 8) == 4


def test_a_lan_needs_few_lanes_whatever_the_peer_grants() -> None:
    assert lanes_wanted(1000, 0.001, 32) == LANES_NEAR
    assert lanes_wanted(1000, 1.2, 32) == 32


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 4),
    st.booleans(),
    st.one_of(st.none(), st.floats(0, 2)),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
def test_lanes_never_exceed_the_maximum_and_work_never_waits_for_nothing(
    ready: int,
    records: int,
    running: int,
    record_running: bool,
    turnaround: float | None,
    maximum: int,
    trial: bool,
    proven: bool,
) -> None:
    records = min(records, ready)
    running = min(running, max(1, maximum - 1))
    record_running = record_running and maximum > 1 and running > 0
    plan = plan_lanes(
        ready, records, running, record_running, turnaround, maximum, trial=trial, proven=proven
    )
    assert running + plan.general + record_running + plan.record <= maximum or (
        (not proven or trial) and not plan.general
    )
    if ready and not running and not record_running:
        assert plan.general >= 1
    if records and maximum > 1 and proven and not trial and not record_running and running:
        assert plan.general >= records or plan.record  # a record never waits for an image to end


def test_a_lane_is_kept_for_records() -> None:
    assert plan_lanes(40, 0, 3, False, 1.0, 4, trial=False, proven=True) == LanePlan(0, record=False)
    assert plan_lanes(40, 1, 3, False, 1.0, 4, trial=False, proven=True) == LanePlan(0, record=True)
    assert plan_lanes(40, 5, 3, True, 1.0, 4, trial=False, proven=True) == LanePlan(0, record=False)


def test_with_one_association_everything_shares_it() -> None:
    assert plan_lanes(40, 5, 0, False, 1.0, 1, trial=False, proven=True) == LanePlan(1, record=False)
    assert plan_lanes(40, 5, 1, False, 1.0, 1, trial=False, proven=True) == LanePlan(0, record=False)


def test_on_trial_one_lane() -> None:
    assert plan_lanes(40, 5, 0, False, 1.0, 4, trial=True, proven=True) == LanePlan(1, record=False)
    assert plan_lanes(40, 5, 1, False, 1.0, 4, trial=True, proven=True) == LanePlan(0, record=False)


def test_the_first_association_goes_alone_until_it_is_known_to_work() -> None:
    assert plan_lanes(40, 5, 0, False, 1.0, 4, trial=False, proven=False) == LanePlan(1, record=False)
    assert plan_lanes(40, 5, 1, False, 1.0, 4, trial=False, proven=False) == LanePlan(0, record=False)
