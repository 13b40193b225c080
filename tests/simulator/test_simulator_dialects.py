"""The simulated bodies are the providers' own in shape, words and traps."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.model import Answer, Status
from bridge.simulator import refusals
from bridge.simulator.answers import answer
from bridge.simulator.dialects import body
from bridge.simulator.parts import Site
from bridge.simulator.script import Fault, Step, World
from bridge.simulator.words import Dialect

SITE = Site(base_url="https://gw.example.com", files_url="https://cdn.example.com/f")
SHAPES: dict[str, str] = json.loads(Path(__file__).with_name("shapes.json").read_text())
STEPS = {
    "queued": Step(),
    "running": Step(status=Status.RUNNING, progress=50),
    "succeeded": Step(status=Status.SUCCEEDED, progress=100, video="v.mp4"),
    "no_url": Step(status=Status.SUCCEEDED, progress=100),
    "failed": Step(status=Status.FAILED, error_text="too much of it"),
    "cancelled": Step(status=Status.CANCELLED),
    "expired": Step(status=Status.EXPIRED),
}
VIDEO = "https://cdn.example.com/f/v.mp4"


def world(step: Step) -> World:
    return World(
        task_id="task_1", step=step, created_at=100.7, started_at=104.0, updated_at=178.9
    )


def told(dialect: Dialect, step: str) -> dict[str, Any]:
    return body(dialect, world(STEPS[step]), SITE)


def faulty(dialect: Dialect, fault: Fault, **more: Any) -> Answer:
    return answer(dialect, world(Step(status=Status.RUNNING, fault=fault, **more)), SITE)


def shape(value: object, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [
            line for key in value for line in shape(value[key], f"{path}.{key}".lstrip("."))
        ]
    return [f"{path}:{type(value).__name__}"]


@pytest.mark.parametrize("case", SHAPES)
def test_a_body_has_exactly_the_fields_and_types_of_the_real_one(case: str) -> None:
    """
    A simulator that is kinder than the gateways proves nothing.
    """
    dialect, step = case.split()
    assert sorted(shape(told(Dialect(dialect), step))) == SHAPES[case].split()


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (Dialect.SANDBOX, "queued running succeeded failed cancelled expired"),
        (Dialect.FLAT_SUCCEEDED, "queued in_progress succeeded failed failed failed"),
        (Dialect.FLAT_COMPLETED, "queued in_progress completed failed failed failed"),
        (Dialect.ENVELOPE, "QUEUED IN_PROGRESS SUCCESS FAILURE IN_PROGRESS IN_PROGRESS"),
        (
            Dialect.ENVELOPE_LEGACY,
            "QUEUED IN_PROGRESS SUCCESS FAILURE IN_PROGRESS IN_PROGRESS",
        ),
        (Dialect.REALTIME, "queued processing succeeded failed processing processing"),
        (
            Dialect.OPENAI_VIDEO,
            "queued in_progress completed failed in_progress in_progress",
        ),
        (Dialect.ARK, "queued running succeeded failed cancelled expired"),
    ],
)
def test_each_dialect_uses_its_own_words(dialect: Dialect, words: str) -> None:
    """
    Only Ark can say cancelled and expired; a gateway leaves such tasks in progress.
    """
    bodies = [told(dialect, status.value) for status in Status]
    assert [each.get("data", each)["status"] for each in bodies] == words.split()


def test_where_the_result_stands_in_each_dialect() -> None:
    """
    Five places for one URL.
    """
    assert told(Dialect.SANDBOX, "succeeded")["url"] == VIDEO
    assert told(Dialect.FLAT_SUCCEEDED, "succeeded")["url"] == VIDEO
    assert told(Dialect.ENVELOPE, "succeeded")["data"]["result_url"] == VIDEO
    assert told(Dialect.ENVELOPE_LEGACY, "succeeded")["data"]["fail_reason"] == VIDEO
    assert told(Dialect.REALTIME, "succeeded")["data"]["url"] == VIDEO
    assert told(Dialect.OPENAI_VIDEO, "succeeded")["metadata"]["url"] == VIDEO
    assert told(Dialect.ARK, "succeeded")["content"] == {"video_url": VIDEO}


def test_both_files_of_a_result_are_told_where_the_dialect_can() -> None:
    """
    The last frame is what the next clip starts from.
    """
    step = Step(
        status=Status.SUCCEEDED, video="https://x.example/v.mp4", last_frame="v.png"
    )
    frame = "https://cdn.example.com/f/v.png"
    content = {"video_url": "https://x.example/v.mp4", "last_frame_url": frame}
    assert body(Dialect.ARK, world(step), SITE)["content"] == content
    assert body(Dialect.SANDBOX, world(step), SITE)["last_frame_url"] == frame


def test_a_failure_hides_its_text_in_the_url_fields() -> None:
    """
    The trap that makes a naive reader send the error text as a link.
    """
    envelope = told(Dialect.ENVELOPE, "failed")
    assert envelope["code"] == "success"
    assert (
        envelope["data"]["result_url"]
        == envelope["data"]["fail_reason"]
        == "too much of it"
    )
    assert told(Dialect.REALTIME, "failed")["data"]["url"] == "too much of it"
    assert told(Dialect.OPENAI_VIDEO, "failed")["metadata"]["url"] == "too much of it"
    assert "Request id: " in told(Dialect.ARK, "failed")["error"]["message"]
    assert told(Dialect.SANDBOX, "failed")["error"]["message"] == "too much of it"
    assert told(Dialect.FLAT_COMPLETED, "expired")["error"]["message"].startswith(
        "The task"
    )


def test_a_result_behind_the_key_is_the_gateways_own_link() -> None:
    """
    It looks like any URL and opens for nobody but the holder of the key.
    """
    link = told(Dialect.ENVELOPE, "no_url")["data"]["result_url"]
    assert link == "https://gw.example.com/v1/videos/task_1/content"
    assert "metadata" not in told(Dialect.OPENAI_VIDEO, "no_url")
    assert told(Dialect.REALTIME, "no_url")["data"]["url"] == ""
    assert "content" not in told(Dialect.ARK, "no_url")


def test_progress_is_text_or_number_and_stuck_at_thirty_after_an_expiry() -> None:
    """
    The figure a poller reads differs in type by path on one and the same host.
    """
    steps = ("queued", "running", "expired", "failed")
    assert [told(Dialect.ENVELOPE, step)["data"]["progress"] for step in steps] == [
        "10%",
        "50%",
        "30%",
        "100%",
    ]
    assert told(Dialect.OPENAI_VIDEO, "running")["progress"] == 50
    assert told(Dialect.ENVELOPE, "running")["data"]["start_time"] == 104
    assert told(Dialect.ENVELOPE, "failed")["data"]["finish_time"] == 178


@pytest.mark.parametrize("dialect", Dialect)
def test_every_strange_answer_is_strange_in_its_own_way(dialect: Dialect) -> None:
    """
    Each must be tellable from a good one, or rehearsing it rehearses nothing.
    """
    good = answer(dialect, world(STEPS["running"]), SITE)
    assert faulty(dialect, Fault.EMPTY).body == b""
    assert faulty(dialect, Fault.HTML).body.startswith(b"<!doctype html>")
    assert good.body.startswith(faulty(dialect, Fault.TRUNCATED).body)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        json.loads(faulty(dialect, Fault.TRUNCATED).body)
    assert b'"status":"' not in faulty(dialect, Fault.NO_STATUS).body
    assert b"archiving" in faulty(dialect, Fault.UNKNOWN_WORD).body.lower()
    assert b"other-task_1" in faulty(dialect, Fault.FOREIGN).body
    flipped = json.loads(faulty(dialect, Fault.FLIPPED).body)
    assert shape(flipped) != shape(json.loads(good.body))
    assert faulty(dialect, Fault.HUGE).too_large
    assert faulty(dialect, Fault.HANG).failure == "timeout"
    assert faulty(dialect, Fault.BROKEN, http_status=599).http_status == 599
    assert b"502 Bad Gateway" in faulty(dialect, Fault.BROKEN).body


@pytest.mark.parametrize("dialect", Dialect)
def test_throttling_carries_retry_after_only_if_asked(dialect: Dialect) -> None:
    """
    new-api's 429 is an empty body without advice; a proxy's has some.
    """
    plain = faulty(dialect, Fault.THROTTLED)
    advised = faulty(dialect, Fault.THROTTLED, retry_after_s=7)
    assert (plain.http_status, "retry-after" in plain.headers) == (429, False)
    assert advised.headers["retry-after"] == "7"
    assert (plain.body == b"") == (dialect is not Dialect.ARK)


ERROR = "error.code:str error.message:str error.type:str"
ARK_ERROR = "error.code:str error.message:str error.param:str error.type:str"


@pytest.mark.parametrize(
    ("dialect", "fault", "status", "fields"),
    [
        (Dialect.SANDBOX, Fault.NOT_FOUND, 404, ERROR),
        (Dialect.FLAT_COMPLETED, Fault.NOT_FOUND, 404, ERROR),
        (Dialect.ENVELOPE, Fault.NOT_FOUND, 400, "code:str data:NoneType message:str"),
        (Dialect.OPENAI_VIDEO, Fault.NOT_FOUND, 400, "code:str data:NoneType message:str"),
        (Dialect.ARK, Fault.NOT_FOUND, 404, ARK_ERROR),
        (Dialect.FLAT_SUCCEEDED, Fault.UNAUTHORIZED, 401, ERROR),
        (Dialect.ARK, Fault.UNAUTHORIZED, 401, ARK_ERROR),
        (Dialect.ENVELOPE, Fault.FORBIDDEN, 403, ERROR),
        (Dialect.ARK, Fault.FORBIDDEN, 403, ARK_ERROR),
        (Dialect.ARK, Fault.THROTTLED, 429, ARK_ERROR),
    ],
)
def test_refusals_are_the_providers_own(
    dialect: Dialect, fault: Fault, status: int, fields: str
) -> None:
    """
    "Not found" is 404 in the documents and 400 in the gateway's code.
    """
    found = faulty(dialect, fault)
    assert found.http_status == status
    assert sorted(shape(json.loads(found.body))) == fields.split()


def test_products_are_known_by_their_headers() -> None:
    """
    It is how an operator finds out what really answers.
    """
    assert "x-new-api-version" in faulty(Dialect.ENVELOPE, Fault.EMPTY).headers
    assert "x-request-id" in faulty(Dialect.ARK, Fault.EMPTY).headers
    assert refusals.marks(Dialect.SANDBOX, "t") == {}
