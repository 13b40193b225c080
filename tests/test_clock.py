"""Scheduling time goes on and never steps, whatever becomes of the machine's clock."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.assembly.node import clock_since
from bridge.clock import SLEW, SharedClock, SystemClock, follow
from bridge.upkeep import DOUBTED_MOST_S, believed

HOUR_S = 3_600.0
DAY_S = 86_400.0
FINEST_S = 1e-6  # what a float tells apart in unix seconds, with some rounding
TIMES = st.floats(0, 4e9)
SPANS = st.floats(0, 7 * DAY_S)
STEPS = st.floats(-2 * DAY_S, 2 * DAY_S)


class Sources:
    """A machine: true time goes on, and its wall clock is `offset` away from that."""

    def __init__(self, offset: float = 0.0) -> None:
        self.true, self.offset = 1_800_000_000.0, offset

    def wall(self) -> float:
        return self.true + self.offset

    def clock(self, not_before: float = 0.0) -> SystemClock:
        return SystemClock(not_before, wall=self.wall, monotonic=lambda: self.true)


@given(reached=TIMES, elapsed_s=SPANS, wall=TIMES)
def test_time_goes_on_at_nearly_its_own_pace(
    reached: float, elapsed_s: float, wall: float
) -> None:
    """
    No wall clock, however wrong, makes it stand, run back or jump.
    """
    gone_s = follow(reached, elapsed_s, wall) - reached
    assert gone_s >= 0
    assert (1 - SLEW) * elapsed_s - FINEST_S <= gone_s <= elapsed_s + FINEST_S


@given(reached=TIMES, elapsed_s=SPANS, wall=TIMES)
def test_it_comes_nearer_to_a_wall_clock_that_is_behind(
    reached: float, elapsed_s: float, wall: float
) -> None:
    """
    Never past it; and to one that is ahead it never hurries.
    """
    off_s = follow(reached, elapsed_s, wall) - wall
    by_itself_s = reached + elapsed_s - wall
    if by_itself_s <= 0:
        assert off_s == pytest.approx(by_itself_s, abs=FINEST_S)
    else:
        assert -FINEST_S <= off_s <= by_itself_s + FINEST_S


@given(reached=TIMES, wall=TIMES, spans=st.tuples(SPANS, SPANS))
def test_a_later_moment_has_a_later_time(
    reached: float, wall: float, spans: tuple[float, float]
) -> None:
    """
    Exactly: what is reckoned from one look at the wall clock is in order.
    """
    first, second = (follow(reached, span, wall + span) for span in sorted(spans))
    assert first <= second


@given(changes=st.lists(st.tuples(st.floats(0, DAY_S), STEPS)), not_before=TIMES)
def test_a_clock_keeps_its_pace_whoever_sets_the_machines(
    changes: list[tuple[float, float]], not_before: float
) -> None:
    """
    Nothing falls due at once and nothing waits because an operator, a time server or a
    summer's end moves the wall clock by hours.
    """
    machine = Sources()
    clock = machine.clock(not_before)
    before = clock.now()
    assert before == max(machine.wall(), not_before)
    for passed_s, step_s in changes:
        then = machine.true
        machine.true += passed_s
        machine.offset += step_s
        now, elapsed_s = clock.now(), machine.true - then
        assert now >= before
        gone_s = now - before
        assert (1 - SLEW) * elapsed_s - FINEST_S <= gone_s <= elapsed_s + FINEST_S
        assert clock.wall() == machine.wall()
        before = now


@given(step_s=st.floats(-2 * DAY_S, 0), every_s=st.floats(0.01, 600))
def test_it_agrees_with_the_wall_clock_in_ten_times_the_step(
    step_s: float, every_s: float
) -> None:
    """
    However often it is asked, and to the millisecond.
    """
    machine = Sources()
    clock = machine.clock()
    machine.offset = step_s
    clock.now()
    # The step is seen at the second look, and met within the one after its time.
    for span_s in (every_s, every_s, abs(step_s) / SLEW, every_s):
        machine.true += max(span_s, 2.0)
        clock.now()
    assert clock.now() == pytest.approx(machine.wall(), abs=1e-3)


def test_a_clock_a_day_ahead_is_lived_down_over_all_restarts() -> None:
    """
    A database that has once seen tomorrow would else live in it for ever.
    """
    machine = Sources(offset=DAY_S)
    reached = machine.clock().now()
    machine.offset = 0.0
    for day in range(11):
        clock = machine.clock(not_before=reached)
        assert clock.now() >= reached
        ahead_s = max(DAY_S - day * SLEW * DAY_S, 0.0)
        assert clock.now() - machine.true == pytest.approx(ahead_s, abs=60)
        for _ in range(24):
            machine.true += HOUR_S
            reached = clock.now()
    assert reached == machine.true


def test_a_clock_that_came_back_behind_goes_on_from_what_was_reached() -> None:
    """
    What was scheduled by the old clock must not wait for the difference.
    """
    machine = Sources(offset=-HOUR_S)
    clock = machine.clock(not_before=machine.true)
    assert clock.now() == machine.true
    machine.true += 10
    assert clock.now() == machine.true - 1


def test_threads_share_one_time() -> None:
    """
    The loop and the database's thread both ask, and compare what they were told.
    """
    clock = SystemClock(SystemClock().now() + HOUR_S)
    told: list[float] = []
    in_order = []

    def ask() -> None:
        for _ in range(2_000):
            seen = told[-1] if told else 0.0
            now = clock.now()
            in_order.append(now >= seen)
            told.append(now)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(in_order) == 8_000
    assert all(in_order)


async def test_whoever_waits_wakes_by_the_event_or_by_the_time() -> None:
    """
    A time that has passed already is no wait.
    """
    clock, event = SystemClock(), asyncio.Event()
    async with asyncio.timeout(15):
        await clock.wait(event, -1.0)
        await clock.wait(event, 0.01)
        event.set()
        await clock.wait(event, 60.0)


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """What is logged meanwhile."""
    former = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("debug"))
    with capture_logs() as caught:
        yield caught  # type: ignore[misc]
    structlog.configure(**former)


@pytest.mark.parametrize(("ahead_s", "told"), [(2 * HOUR_S, 1), (600.0, 0), (-DAY_S, 0)])
def test_a_start_far_behind_the_last_time_is_told_of(
    lines: list[dict[str, object]], ahead_s: float, told: int
) -> None:
    """
    The operator should set one of the two clocks; a night's rest is no fault.
    """
    clock = clock_since(SystemClock().now() + ahead_s)
    assert clock.now() - clock.wall() == pytest.approx(max(ahead_s, 0.0), abs=60)
    assert [line["event"] for line in lines] == ["clock.off"] * told
    for line in lines:
        assert line["log_level"] == "warning"
        assert line["seconds"] == pytest.approx(ahead_s, abs=60)


@given(gap_s=SPANS, up_s=SPANS)
def test_what_is_believed_lags_by_the_gap_and_by_an_hour_at_most(
    gap_s: float, up_s: float
) -> None:
    """
    Not for ever either: ten times the gap after the start there is no doubt left.
    """
    started_at = 1_800_000_000.0
    now = started_at + up_s
    lag_s = now - believed(now, started_at=started_at, gap_s=gap_s)
    assert -FINEST_S <= lag_s <= min(gap_s, DOUBTED_MOST_S) + FINEST_S
    if up_s <= min(gap_s, DOUBTED_MOST_S):
        assert lag_s == pytest.approx(min(gap_s, DOUBTED_MOST_S), abs=FINEST_S)
    if up_s >= 11 * min(gap_s, DOUBTED_MOST_S) + 1:
        assert lag_s == 0


@given(jump_s=st.floats(0, DOUBTED_MOST_S), right_s=st.floats(0, 1), up_s=SPANS)
def test_a_jump_that_is_set_right_makes_nothing_early(
    jump_s: float, right_s: float, up_s: float
) -> None:
    """
    The clock was up to an hour ahead at the start, and right again before as much time
    had passed: what is believed has never overtaken the true time.
    """
    machine = Sources(offset=jump_s)
    clock = machine.clock()
    started_at = clock.now()
    for span_s in (right_s * jump_s, 2.0, up_s):
        machine.true += span_s
        past = believed(clock.now(), started_at=started_at, gap_s=jump_s)
        assert past <= machine.true + 0.2 + FINEST_S  # seen only at the next look
        machine.offset = 0.0


def shared(machine: Sources) -> SharedClock:
    return SharedClock(wall=machine.wall, monotonic=lambda: machine.true)


def test_a_shared_clock_says_what_it_was_told() -> None:
    """
    All nodes have the database's time, whatever their machines say.
    """
    machine = Sources(offset=HOUR_S)
    clock = shared(machine)
    assert clock.now() == machine.true + HOUR_S, "as good as any, until it is told"
    clock.start(machine.true)
    machine.true += 10
    assert clock.now() == machine.true
    machine.offset = -HOUR_S
    assert clock.now() == machine.true
    assert clock.wall() == machine.true - HOUR_S


@given(told=st.lists(st.tuples(st.floats(0, 60), STEPS), min_size=1))
def test_a_shared_clock_never_goes_back(told: list[tuple[float, float]]) -> None:
    """
    Nor is it behind the database's; and it goes on, however far it is ahead of it.
    """
    machine = Sources()
    clock = shared(machine)
    before = clock.now()
    for passed_s, off_s in told:
        machine.true += passed_s
        assert clock.now() >= before + (1 - SLEW) * passed_s - FINEST_S
        before = clock.now()
        clock.tell(machine.true + off_s)
        assert clock.now() == max(before, machine.true + off_s)
        before = clock.now()


def test_a_shared_clock_that_is_ahead_is_overtaken() -> None:
    """
    By a tenth of the time that passes, however often it is told.
    """
    machine = Sources()
    clock = shared(machine)
    clock.tell(machine.true + 60)
    for second in range(601):
        assert clock.now() - machine.true == pytest.approx(60 - second / 10, abs=1e-3)
        clock.tell(machine.true)
        machine.true += 1
    assert clock.now() == machine.true


async def test_a_shared_clock_waits_like_any_other() -> None:
    clock, event = SharedClock(), asyncio.Event()
    async with asyncio.timeout(15):
        await clock.wait(event, 0.01)
        event.set()
        await clock.wait(event, 60.0)
