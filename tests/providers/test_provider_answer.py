"""What ends a task and what does not."""

import pytest

from bridge.model import Answer, Observation, PollOutcome, Status
from bridge.providers.answer import observe, percent
from bridge.providers.catalogue import page_of, preset
from bridge.providers.page import Page
from tests.providers.samples import BASE_URL, NOW, TASK_ID, seen


def _silence(**answer: object) -> Observation:
    return observe(
        preset("ark"),
        Answer(**answer),  # type: ignore[arg-type]
        base_url=BASE_URL,
        task_id="cgt-1",
        want_raw=True,
        now=NOW,
    )


def test_a_word_no_page_knows_is_pending_and_kept_for_people() -> None:
    """Whatever "done_maybe" means, ending a task on a guess cannot be taken back."""
    found = seen("ark", {"status": "done_maybe\n\x00" + "x" * 200})
    assert (found.outcome, found.status) == (PollOutcome.PENDING, Status.RUNNING)
    assert not found.word_known
    assert found.word is not None
    assert found.word.startswith("done_maybe xxx")
    assert len(found.word) == 64


@pytest.mark.parametrize("word", ["Succeeded", " SUCCEEDED ", "succeeded", "suCCeeded\n"])
def test_words_are_compared_without_case_and_edges(word: str) -> None:
    """Gateways change the case of words from one version to the next."""
    assert seen("ark", {"status": word}).status is Status.SUCCEEDED


@pytest.mark.parametrize("word", ["In Progress", "in-progress", "IN_PROGRESS"])
def test_spaces_hyphens_and_underscores_are_one(word: str) -> None:
    """Some providers write sentences where others write identifiers."""
    found = seen("newapi", {"status": word})
    assert (found.status, found.word_known, found.word) == (Status.RUNNING, True, word)


@pytest.mark.parametrize("spelling", ["cancelled", "canceled"])
def test_both_spellings_of_cancelled_are_known(spelling: str) -> None:
    """One letter would decide between an end and a wait of two days."""
    found = seen("ark", {"status": spelling})
    assert found.status is Status.CANCELLED
    assert found.error is not None
    assert found.error.code == "task_cancelled"


def test_a_truth_value_can_be_a_status() -> None:
    """Long-running operations say done: true and leave the word out until then."""
    page = page_of(
        None,
        {
            "request": {"path": "/op/{task_id}"},
            "words": {"running": False, "succeeded": True, "failed": "ERROR", "queued": 1},
            "answer": {"status": ["error.message && 'ERROR'", "done"]},
        },
    )
    assert seen(page, {"done": True}).status is Status.SUCCEEDED
    assert seen(page, {"done": False}).status is Status.RUNNING
    assert seen(page, {"done": 1.0}).status is Status.QUEUED
    assert seen(page, {"done": True, "error": {"message": "no"}}).status is Status.FAILED
    assert seen(page, {}).outcome is PollOutcome.TRANSIENT


@pytest.mark.parametrize(
    "status", [None, "", "  ", [], {}, {"status": "succeeded"}, ["failed"]]
)
def test_a_status_that_is_no_word_is_no_status(status: object) -> None:
    """An object where the word should be is a shape nobody has seen yet."""
    found = seen("ark", {"status": status})
    assert found.outcome is PollOutcome.TRANSIENT
    assert found.detail == "the answer has no status"


def test_the_status_of_an_envelope_is_not_the_tasks() -> None:
    """`status: success` beside `data` says that the call succeeded, not the task."""
    found = seen("newapi", {"status": "success", "data": {"state": "running"}})
    assert found.outcome is PollOutcome.TRANSIENT
    found = seen("newapi", {"status": "success", "data": {"task_id": TASK_ID}})
    assert found.outcome is PollOutcome.TRANSIENT


@pytest.mark.parametrize(
    "body",
    [
        {"task_id": "task_of_somebody_else", "status": "SUCCESS"},
        {
            "code": "success",
            "data": {"task_id": "task_of_somebody_else", "status": "FAILURE"},
        },
        {"task_id": "task_of_somebody_else", "data": {"status": "SUCCESS"}},
        {"task_id": 7, "status": "SUCCESS"},
    ],
)
def test_an_answer_about_another_task_is_not_believed(body: object) -> None:
    """A cache in front of a provider can hand one customer's answer to another."""
    found = seen("newapi", body)
    assert found.outcome is PollOutcome.TRANSIENT
    assert found.detail == "the answer is about another task"


def test_ids_of_the_vendor_behind_the_gateway_are_not_the_tasks() -> None:
    """The raw answer inside an envelope has an id of its own, and so has Ark's shape."""
    body = {"data": {"task_id": TASK_ID, "status": "SUCCESS", "data": {"id": "cgt-1"}}}
    assert seen("newapi", body).status is Status.SUCCEEDED
    assert seen("newapi", {"id": "cgt-1", "status": "succeeded"}).status is Status.SUCCEEDED


def test_an_id_written_as_a_number_is_still_ours() -> None:
    """JSON writers turn ids of digits into numbers."""
    assert (
        seen("ark", {"id": 421, "status": "running"}, task_id="421").status
        is Status.RUNNING
    )


def test_a_task_may_change_its_shape_between_two_polls() -> None:
    """When a live call fails, new-api falls back to its own record, in another shape."""
    live = {"data": {"task_id": TASK_ID, "status": "processing", "url": ""}}
    kept = {"data": {"task_id": TASK_ID, "status": "IN_PROGRESS", "progress": "50%"}}
    flat = {"task_id": TASK_ID, "status": "in_progress"}
    openai = {"id": TASK_ID, "status": "in_progress", "progress": 50}
    for body in (live, kept, flat, openai):
        assert seen("newapi", body).status is Status.RUNNING


@pytest.mark.parametrize("http", [199, 300, 304, 400, 404, 429, 500, 502, 599, 0, 999])
def test_only_a_2xx_answer_ends_a_task(http: int) -> None:
    """An error page that quotes an old answer is no news of the task."""
    found = seen("ark", {"id": TASK_ID, "status": "succeeded"}, http=http)
    assert found.outcome is not PollOutcome.ENDED


@pytest.mark.parametrize("http", [200, 201, 202, 203, 206])
def test_any_2xx_answer_counts(http: int) -> None:
    """Some providers answer 202 until the end, and beyond."""
    assert seen("ark", {"status": "succeeded"}, http=http).status is Status.SUCCEEDED


def test_time_of_creation_and_model_come_from_the_answer() -> None:
    """A task may be hours old when we first hear of it, and durations differ by model."""
    body = {"status": "running", "model": " seedance\n2 ", "created_at": 1779348818}
    found = seen("ark", body)
    assert (found.model, found.submitted_at) == ("seedance 2", 1779348818.0)
    assert found.finished_at is None


def test_the_time_of_an_end_is_read_only_from_an_end() -> None:
    """`completed_at` is set from the first second on in new-api's OpenAI shape."""
    body = {"id": TASK_ID, "status": "in_progress", "completed_at": 1778689061}
    assert seen("newapi-openai", body).finished_at is None
    assert seen("newapi-openai", {**body, "status": "failed"}).finished_at == 1778689061


@pytest.mark.parametrize(
    ("written", "value"),
    [(0, 0), (-5, 0), (10**400, 100), (99.9, 99), ("30%", 30), ("100.0 %", 100), ("7", 7)],
)
def test_progress_is_a_percentage(written: object, value: int) -> None:
    """Numbers, texts and nonsense are all in use."""
    assert percent(written) == value


@pytest.mark.parametrize(
    "written", [True, None, [], float("inf"), float("nan"), "half", "-1", "9999", "1" * 99]
)
def test_what_is_no_percentage_is_no_progress(written: object) -> None:
    """An invented figure is worse than none."""
    assert percent(written) is None


def test_a_success_is_at_100_percent() -> None:
    """Providers forget to raise it; a bar at 50 % on a finished task confuses people."""
    assert seen("ark", {"status": "succeeded", "progress": 50}).progress == 100


@pytest.mark.parametrize(
    ("headers", "patience_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Wed, 13 May 2026 16:35:00 GMT"}, 1_778_690_100.0 - NOW),
        ({"openai-poll-after-ms": "2500"}, 2.5),
        ({"openai-poll-after-ms": "2500", "retry-after": "9"}, 9.0),
        ({"openai-poll-after-ms": "soon"}, None),
        ({"openai-poll-after-ms": "9" * 30}, None),
    ],
)
@pytest.mark.parametrize(
    ("http", "body"),
    [
        (200, {"status": "running"}),
        (200, {"status": None}),
        (200, b""),
        (200, {"id": "other", "status": "running"}),
        (429, b""),
        (503, b"busy"),
        (302, b""),
    ],
)
def test_a_wish_to_be_left_alone_is_passed_on(
    headers: dict[str, str], patience_s: float | None, http: int, body: object
) -> None:
    """Providers ask for patience with errors and with "not yet" alike."""
    assert seen("ark", body, http=http, headers=headers).retry_after_s == patience_s


@pytest.mark.parametrize(
    ("answer", "outcome", "detail"),
    [
        ({"http_status": None, "failure": "timeout"}, PollOutcome.UNREACHABLE, "timeout"),
        ({"http_status": None}, PollOutcome.UNREACHABLE, "no answer"),
        ({"http_status": 200, "failure": "reset"}, PollOutcome.UNREACHABLE, "reset"),
        (
            {"http_status": 200, "too_large": True, "body": b'{"status": "succeeded"}'},
            PollOutcome.ANSWER_TOO_LARGE,
            "the answer is too large",
        ),
    ],
)
def test_no_whole_answer_is_no_news(
    answer: dict[str, object], outcome: PollOutcome, detail: str
) -> None:
    """Half an answer may end in the middle of a word."""
    found = _silence(**answer)
    assert (found.outcome, found.detail, found.status) == (outcome, detail, None)
    assert found.http_status == answer["http_status"]


def test_the_body_is_kept_only_for_those_who_asked() -> None:
    """It is large, and it is somebody else's data."""
    body = {"status": "succeeded", "user_id": 7, "seed": 1}
    assert seen("newapi", body).raw is None
    assert seen("newapi", body, want_raw=True).raw == {"status": "succeeded", "seed": 1}
    pending = seen("newapi", {"status": "queued", "Quota": 1}, want_raw=True)
    assert pending.raw == {"status": "queued"}
    failed = seen(
        "newapi", {"status": "failed", "a": {"group": "vip", "b": 1}}, want_raw=True
    )
    assert failed.raw == {"status": "failed", "a": {"b": 1}}


def test_a_page_without_an_id_believes_every_answer() -> None:
    """Not every provider repeats the id."""
    page = page_of("ark", {"answer": {"id": None}})
    assert seen(page, {"id": "other", "status": "running"}).status is Status.RUNNING


def test_only_the_end_of_the_vendor_behind_is_remarked(newapi: Page) -> None:
    """ "running" below "in progress" is no news."""
    body = {"status": "IN_PROGRESS", "data": {"status": "running"}}
    assert seen(newapi, {"data": body}).detail is None
    body = {"status": "IN_PROGRESS", "data": {"status": "nobody knows"}}
    assert seen(newapi, {"data": body}).detail is None


@pytest.fixture
def newapi() -> Page:
    return preset("newapi")
