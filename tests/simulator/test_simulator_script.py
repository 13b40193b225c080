"""A script says what a task is like at each age, and nothing but its age decides."""

import pytest

from bridge.model import Status
from bridge.simulator.script import (
    NEVER_FOUND,
    RUBBISH,
    Fault,
    Step,
    Task,
    World,
    advice,
    magic,
)

BORN = 1_800_000_000.0


def at(task_id: str, age_s: float) -> World:
    task = magic(task_id)
    assert task is not None
    return task.world(task_id, first_seen_at=BORN, now=BORN + age_s)


@pytest.mark.parametrize(
    ("task_id", "end_s", "status"),
    [
        ("succeed-10s", 10, Status.SUCCEEDED),
        ("succeed-0s", 0, Status.SUCCEEDED),
        ("succeed-2.5s-order17", 2.5, Status.SUCCEEDED),
        ("slow-60s", 60, Status.SUCCEEDED),
        ("fail-10s", 10, Status.FAILED),
        ("fail", 10, Status.FAILED),
        ("error-10s", 10, Status.FAILED),
        ("expire-5s", 5, Status.EXPIRED),
        ("cancel-5s#7", 5, Status.CANCELLED),
        ("no-url-3s", 3, Status.SUCCEEDED),
        ("no-url", 5, Status.SUCCEEDED),
        ("rubbish-5s:x", 5, Status.SUCCEEDED),
        ("throttle-5s_x", 5, Status.SUCCEEDED),
    ],
)
def test_a_magic_task_ends_at_its_age_and_not_before(
    task_id: str, end_s: float, status: Status
) -> None:
    """
    People rehearse with these ids: the name is the whole documentation.
    """
    ended = at(task_id, end_s)
    assert (ended.step.status, ended.step.fault) == (status, None)
    assert ended.updated_at == BORN + end_s
    if end_s:
        assert not at(task_id, end_s - 0.01).step.status.terminal
    assert at(task_id, end_s + 1e6) == ended


def test_progress_grows_in_tenths_while_it_runs() -> None:
    """
    A watcher of `task.updated` needs figures that move.
    """
    seen = [at("slow-60s", age).step.progress for age in (0, 6, 29, 30, 59, 60)]
    assert seen == [None, 10, 40, 50, 90, 100]
    assert at("slow-60s", 3).started_at is None
    assert at("slow-60s", 50).started_at == BORN + 6


def test_a_vanished_task_was_there_before() -> None:
    """
    Found once and then lost is another case than never found.
    """
    assert at("vanish-2s-a", 1).step.fault is None
    assert at("vanish-2s-a", 2).step.fault is Fault.NOT_FOUND
    assert at("missing", 0).step.fault is Fault.NOT_FOUND


def test_no_url_succeeds_without_one() -> None:
    """
    The receiver must learn that the result is elsewhere.
    """
    assert at("no-url-1s", 1).step.video is None
    assert at("succeed-1s", 1).step.video == "succeed-1s.mp4"


def test_a_label_never_reaches_a_file_name_unchecked() -> None:
    """
    The id is a stranger's text, and the file name becomes part of a URL.
    """
    assert at("succeed-1s#../?x", 1).step.video == "succeed-1s-..--x.mp4"


def test_throttling_comes_with_and_without_advice() -> None:
    """
    Real gateways send both kinds of 429.
    """
    assert at("throttle-4s", 1).step == Step(fault=Fault.THROTTLED, retry_after_s=1)
    assert at("throttle-4s", 3).step == Step(fault=Fault.THROTTLED)
    assert at("refuse", 99).step.fault is Fault.UNAUTHORIZED


def test_rubbish_shows_every_strange_answer_before_it_succeeds() -> None:
    """
    The promise is that none of them ends a task, so all must be met.
    """
    ages = [share / 10 for share in range(91)]
    seen = [at("rubbish-9s", age).step.fault for age in ages]
    assert list(dict.fromkeys(seen)) == [None, *RUBBISH]
    assert all(not at("rubbish-9s", age).step.status.terminal for age in ages[:90])


@pytest.mark.parametrize(
    "task_id",
    [
        "video_69095b4ce0048190893a01510c0c98b0",
        "succeed-10m",
        "succeed-10",
        "succeeded-10s",
        "succeed-10sec",
        "succeed-1234567s",
        "Succeed-1s",
        "",
    ],
)
def test_anything_else_is_no_magic_id(task_id: str) -> None:
    """
    A slip of the pen must be told as not found, not as some other script.
    """
    assert magic(task_id) is None


def test_age_counts_from_the_given_creation() -> None:
    """
    A scripted task may be older than the first question about it.
    """
    phases = ((0.0, Step()), (10.0, Step(status=Status.RUNNING)))
    task = Task(phases=phases, created_at=BORN)
    assert task.world("t", first_seen_at=BORN + 100, now=BORN + 11).step.status == "running"
    early = task.world("t", first_seen_at=BORN, now=BORN - 5)
    assert (early.step.status, early.updated_at) == ("queued", BORN)


@pytest.mark.parametrize("ages", [(), (1.0,), (0.0, 5.0, 2.0)])
def test_phases_out_of_order_are_refused(ages: tuple[float, ...]) -> None:
    """
    They would be searched as if sorted, and give nonsense silently.
    """
    with pytest.raises(ValueError, match="ascend"):
        Task(phases=tuple((age, Step()) for age in ages))


def test_never_found_is_not_found_for_ever() -> None:
    """
    It is what every unknown id gets.
    """
    assert NEVER_FOUND.world("x", first_seen_at=0, now=1e9).step.fault is Fault.NOT_FOUND


@pytest.mark.parametrize("task_id", ["succeed-1m", "succeed-500ms", "fail-10", "no-url-2h"])
def test_a_magic_id_that_is_written_wrong_is_told_how_to_write_it(task_id: str) -> None:
    """
    "Not found" alone sends people looking for a fault in their configuration.
    """
    assert "in seconds, like" in (advice(task_id) or "")


def test_an_id_that_is_no_attempt_at_a_magic_one_gets_no_advice() -> None:
    """
    The words of the sandbox mean nothing to whoever has sent a real task there.
    """
    assert advice("video_69095b4c") is advice("failure-1m") is advice("missing") is None
