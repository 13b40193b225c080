"""The bridge's own pages read the simulated providers as they read the real ones."""

from functools import cache
from typing import Any

import pytest

from bridge.model import ErrorCode, Observation, PollOutcome, Status
from bridge.providers.answer import observe
from bridge.providers.catalogue import preset
from bridge.simulator.answers import answer
from bridge.simulator.mount import Mount
from bridge.simulator.parts import Site
from bridge.simulator.script import Fault, Step, World
from bridge.simulator.words import Dialect

SITE = Site(base_url="https://gw.example.com", files_url="https://cdn.example.com")
SPOKEN = [
    ("sandbox", Dialect.SANDBOX),
    ("mixroute", Dialect.FLAT_SUCCEEDED),
    ("xiexus", Dialect.FLAT_COMPLETED),
    ("amux", Dialect.FLAT_COMPLETED),
    ("amux", Dialect.REALTIME),
    ("newapi", Dialect.ENVELOPE),
    ("newapi", Dialect.ENVELOPE_LEGACY),
    ("newapi", Dialect.OPENAI_VIDEO),
    ("newapi-openai", Dialect.OPENAI_VIDEO),
    ("ark", Dialect.ARK),
    ("rong", Dialect.ARK),
]
PAGE = cache(preset)  # reading the YAML is most of these tests' time
SPEAKERS = pytest.mark.parametrize(("page", "dialect"), SPOKEN)


def observed(page: str, dialect: Dialect, **step: Any) -> Observation:
    world = World(
        task_id="t-1",
        step=Step(**step),
        created_at=100.0,
        started_at=104.0,
        updated_at=178.0,
    )
    found = answer(dialect, world, SITE)
    base_url = SITE.base_url
    return observe(
        PAGE(page), found, base_url=base_url, task_id="t-1", want_raw=False, now=200.0
    )


@SPEAKERS
def test_a_running_task_is_pending(page: str, dialect: Dialect) -> None:
    """
    Half of the dialects have an URL field while there is no URL.
    """
    for status in (Status.QUEUED, Status.RUNNING):
        seen = observed(page, dialect, status=status, progress=50)
        assert (seen.outcome, seen.status) == (PollOutcome.PENDING, status)


@SPEAKERS
def test_a_success_has_its_video(page: str, dialect: Dialect) -> None:
    """
    Wherever the dialect puts it.
    """
    seen = observed(page, dialect, status=Status.SUCCEEDED, progress=100, video="v.mp4")
    assert seen.outcome is PollOutcome.ENDED
    assert seen.status is Status.SUCCEEDED
    assert seen.result is not None
    assert "https://cdn.example.com/v.mp4" in [
        each.provider_url for each in seen.result.files
    ]


@SPEAKERS
def test_a_failure_has_its_text_and_no_url(page: str, dialect: Dialect) -> None:
    """
    The text that some dialects hide in their URL fields.
    """
    seen = observed(page, dialect, status=Status.FAILED, error_text="too much of it")
    assert (seen.outcome, seen.status) == (PollOutcome.ENDED, Status.FAILED)
    assert seen.error is not None
    assert "too much of it" in seen.error.message


@SPEAKERS
@pytest.mark.parametrize(
    "fault",
    [
        Fault.EMPTY,
        Fault.HTML,
        Fault.TRUNCATED,
        Fault.NO_STATUS,
        Fault.UNKNOWN_WORD,
        Fault.FLIPPED,
        Fault.FOREIGN,
        Fault.HUGE,
        Fault.HANG,
        Fault.BROKEN,
    ],
)
def test_no_strange_answer_is_an_end(page: str, dialect: Dialect, fault: Fault) -> None:
    """
    The sixth promise, asked of every page and every dialect.
    """
    seen = observed(page, dialect, status=Status.RUNNING, fault=fault)
    assert seen.outcome is not PollOutcome.ENDED


@SPEAKERS
def test_refusals_are_told_apart(page: str, dialect: Dialect) -> None:
    """
    Each leads to another rule: strikes, a resting key, a resting lane.
    """
    meanings = {
        Fault.NOT_FOUND: PollOutcome.NOT_FOUND,
        Fault.UNAUTHORIZED: PollOutcome.AUTH,
        Fault.FORBIDDEN: PollOutcome.FORBIDDEN,
        Fault.THROTTLED: PollOutcome.THROTTLED,
    }
    seen = {fault: observed(page, dialect, fault=fault).outcome for fault in meanings}
    assert seen == meanings


@pytest.mark.parametrize("page", ["ark", "rong", "sandbox"])
@pytest.mark.parametrize("status", [Status.CANCELLED, Status.EXPIRED])
def test_cancelled_and_expired_where_they_can_be_said(page: str, status: Status) -> None:
    """
    The demo expects them of `rong` only.
    """
    dialect = Dialect.SANDBOX if page == "sandbox" else Dialect.ARK
    seen = observed(page, dialect, status=status)
    assert (seen.outcome, seen.status) == (PollOutcome.ENDED, status)


@pytest.mark.parametrize(
    ("task_id", "code"),
    [
        ("fail-1s", ErrorCode.CONTENT_REJECTED),
        ("error-1s", ErrorCode.TASK_FAILED),
    ],
)
def test_both_kinds_of_failure_can_be_rehearsed(task_id: str, code: ErrorCode) -> None:
    """
    A flow that pays back the one and retries the other has to see both.
    """
    error = sandbox(task_id).error
    assert error is not None
    assert error.code is code


def test_a_magic_id_that_is_written_wrong_says_so() -> None:
    """
    It is what the person at the other end reads beside "not found".
    """
    seen = sandbox("succeed-1m")
    assert seen.outcome is PollOutcome.NOT_FOUND
    assert "the time is in seconds, like succeed-60s" in (seen.detail or "")


def sandbox(task_id: str) -> Observation:
    """What the sandbox says of a task after a minute."""
    mount = Mount(Dialect.SANDBOX)
    mount.answer(task_id, 100.0, site=SITE)
    found = mount.answer(task_id, 160.0, site=SITE)
    base_url = SITE.base_url
    return observe(
        PAGE("sandbox"), found, base_url=base_url, task_id=task_id, want_raw=False, now=160
    )
