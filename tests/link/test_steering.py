"""Which congestion control is used, from moment to moment."""

from __future__ import annotations

from gateway.link.steering import Steering


class Kernel:
    """What was asked of it."""

    def __init__(self, *, allows: bool = True) -> None:
        self.used: list[str] = []
        self.allows = allows

    def use(self, name: str) -> bool:
        self.used.append(name)
        return self.allows


def busy(
    steering: Steering,
    begin: float,
    seconds: int,
    loss: float,
    sent: int = 0,
    *,
    queued: bool = False,
    rate: int = 1_000_000,
) -> tuple[float, int]:
    """Always something to send, `rate` bytes a second of it."""
    again = 0
    for second in range(seconds):
        steering.busy(begin + second, sent, again, queued=queued)
        sent += rate
        again += round(rate * loss)
    steering.busy(begin + seconds, sent, again, queued=queued)
    return begin + seconds, sent


def test_a_satellite_link_begins_robust_and_goes_on_with_the_machines_own() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    assert kernel.used == ["bbr"]
    busy(steering, 100.1, 4, loss=0.0)
    assert kernel.used == ["bbr", "cubic"]


def test_after_a_pause_it_begins_robust_again() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    end, _ = busy(steering, 100.1, 4, loss=0.0)
    steering.starts(end + 0.5)
    assert kernel.used == ["bbr", "cubic"]
    steering.starts(end + 2.0)
    assert kernel.used == ["bbr", "cubic", "bbr"]


def test_while_something_is_lost_it_stays_robust() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    busy(steering, 100.1, 30, loss=0.01)
    assert kernel.used == ["bbr"]


def test_loss_that_begins_in_the_middle_is_noticed() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    end, sent = busy(steering, 100.1, 4, loss=0.0)
    busy(steering, end + 0.1, 8, loss=0.002, sent=sent)  # a full queue now and then
    assert kernel.used == ["bbr", "cubic"]
    kernel.used.clear()
    busy(steering, end + 20, 4, loss=0.02, sent=sent + 8_000_000)
    assert kernel.used == ["bbr"]


def test_a_full_queue_is_not_a_bad_way() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    end, sent = busy(steering, 100.1, 4, loss=0.0)
    busy(steering, end + 0.1, 30, loss=0.05, sent=sent, queued=True)
    assert kernel.used == ["bbr", "cubic"]


def test_what_the_exchange_itself_costs_is_not_judged() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    end, sent = busy(steering, 100.1, 3, loss=0.0)
    assert kernel.used == ["bbr", "cubic"]
    busy(steering, end, 5, loss=0.05, sent=sent)
    assert kernel.used == ["bbr", "cubic"]


def test_on_a_dsl_line_it_stays_robust() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.06)
    busy(steering, 100.1, 30, loss=0.0)
    assert kernel.used == ["bbr"]


def test_a_short_way_is_left_alone() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.001)
    end, _ = busy(steering, 100.1, 5, loss=0.05)
    steering.starts(end + 10)
    assert kernel.used == []


def test_a_kernel_that_says_no_is_asked_once() -> None:
    kernel = Kernel(allows=False)
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    end, _ = busy(steering, 100.1, 10, loss=0.05)
    steering.starts(end + 10)
    assert kernel.used == ["bbr"]
    assert not steering.robust


def test_a_machine_that_uses_it_anyway_is_left_alone() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "bbr")
    steering.opened(100.0, 0.6)
    busy(steering, 100.1, 10, loss=0.0)
    assert kernel.used == []


def test_a_little_traffic_says_nothing() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    for second in range(10):
        steering.busy(100.0 + second, second * 10_000, 0)
    assert kernel.used == ["bbr"]


def test_a_few_packets_without_a_loss_are_no_clean_way() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    sent = again = 0
    for second in range(40):  # some packets in a hundred, but none in six seconds of seven
        steering.busy(100.1 + second, sent, again)
        sent += 300_000
        again += 18_000 * (second % 7 == 6)
    assert kernel.used == ["bbr"]


def test_a_rate_that_breaks_down_is_a_bad_way_whatever_the_queue_looks_like() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    end, sent = busy(steering, 100.1, 4, loss=0.0)
    assert kernel.used == ["bbr", "cubic"]
    busy(steering, end + 0.1, 20, loss=0.01, sent=sent, queued=True, rate=100_000)
    assert kernel.used == ["bbr", "cubic", "bbr"]


def test_what_failed_is_tried_again_after_a_while_and_later_each_time() -> None:
    kernel = Kernel()
    steering = Steering(kernel.use, "cubic")
    steering.opened(100.0, 0.6)
    now, sent = busy(steering, 100.1, 4, loss=0.0)
    waits: list[float] = []
    for _ in range(3):
        failed, sent = busy(steering, now + 10, 6, loss=0.02, sent=sent)
        assert steering.robust
        now = failed
        while steering.robust:
            now, sent = busy(steering, now, 5, loss=0.0, sent=sent)
        waits.append(now - failed)
    assert 50 <= waits[0] <= 80
    assert 110 <= waits[1] <= 140
    assert 230 <= waits[2] <= 260
