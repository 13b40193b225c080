"""The JSON that other people's programs depend on, field by field."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages.events import (
    ENDS,
    TYPES,
    SubscriptionFacts,
    addressed,
    end_event,
    expand,
    missing_ends,
    update_event,
)
from bridge.model import (
    ErrorCode,
    File,
    Observation,
    Outcome,
    PollOutcome,
    Result,
    Status,
    TaskError,
    UrlMissing,
)
from bridge.portable import encode

AT = 1_795_608_000.0
NOON = "2026-11-25T12:00:00Z"
FACTS = SubscriptionFacts(id="sub_k3J9", provider="amux", task_id="abcd1234efgh")
VIDEO = File(
    kind="video",
    provider_url="https://cdn.example.com/v.mp4?sig=1",
    content_type="video/mp4",
)
FRAME = File(
    kind="last_frame",
    provider_url="https://cdn.example.com/f.png",
    content_type="image/png",
    expires_at=AT + 3600,
)
DONE = Observation(
    outcome=PollOutcome.ENDED,
    status=Status.SUCCEEDED,
    result=Result(files=(VIDEO, FRAME), details={"duration": 5.0, "fps": 24}),
)
FAILED = Observation(
    outcome=PollOutcome.ENDED,
    status=Status.FAILED,
    error=TaskError(
        code=ErrorCode.CONTENT_REJECTED,
        message="rejected",
        provider_code="Sensitive",
        hint="change it",
    ),
)

KEY = UrlMissing.NEEDS_PROVIDER_KEY
DATA_KEYS = [
    *("subscription_id", "provider", "task_id", "ok", "outcome", "status", "progress"),
    *("result", "error", "model", "metadata", "submitted_at", "ended_at", "observed_at"),
]


def ended(
    outcome: Outcome = Outcome.SUCCEEDED,
    seen: Observation | None = DONE,
    *,
    facts: SubscriptionFacts = FACTS,
    **changes: Any,
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "observed_at": AT,
        "ended_at": AT,
        "status": seen.status if seen else None,
        "progress": None,
    }
    return end_event(facts, outcome, seen, **(told | changes))


def video(url: str | None, missing: UrlMissing | None = None) -> File:
    return File(kind="video", provider_url=url, missing=missing)


def result_of(*files: File, **changes: Any) -> dict[str, Any]:
    seen = replace(DONE, result=Result(files=files))
    result: dict[str, Any] = ended(seen=seen, **changes)["data"]["result"]
    return result


class TestTypes:
    def test_there_are_six_ends_and_one_update(self) -> None:
        """
        The list is public: receivers switch on it.
        """
        assert ENDS == (
            "task.succeeded",
            "task.failed",
            "task.cancelled",
            "task.expired",
            "task.timed_out",
            "task.unreachable",
        )
        assert TYPES[:-1] == ENDS
        assert TYPES[-1] == "task.updated"

    @pytest.mark.parametrize(
        ("events", "types"),
        [
            (["task.ended"], set(ENDS)),
            (["task.ended", "task.failed"], set(ENDS)),
            (["task.updated"], {"task.updated"}),
            (["task.updated", "task.ended"], set(TYPES)),
            (["task.failed", "task.expired"], {"task.failed", "task.expired"}),
            ([], set()),
        ],
    )
    def test_task_ended_stands_for_every_end_and_for_no_update(
        self, events: list[str], types: set[str]
    ) -> None:
        """
        Updates are opt-in: a receiver that wants ends must not be woken by progress.
        """
        assert expand(events) == types

    @pytest.mark.parametrize(
        ("event", "advice"),
        [
            ("task.suceeded", "did you mean 'task.succeeded'"),
            ("succeeded", "did you mean 'task.succeeded'"),
            ("task.end", "did you mean 'task.ended'"),
            ("TASK.FAILED", "known: task.ended, task.succeeded"),
            ("", "known: "),
            ("x" * 10_000, "known: "),
        ],
    )
    def test_an_unknown_type_is_refused_with_advice(self, event: str, advice: str) -> None:
        """
        A misspelt type in silence would be an event that never comes.
        """
        with pytest.raises(ValueError, match="unknown event") as caught:
            expand(["task.failed", event])
        assert advice in str(caught.value)
        assert len(str(caught.value)) < 300

    def test_ends_that_would_never_be_told_are_named(self) -> None:
        """
        The 202 warns of them: people forget that a task can expire.
        """
        assert missing_ends(["task.ended"]) == ()
        assert missing_ends(["task.updated"]) == ENDS
        assert missing_ends(["task.unreachable", "task.succeeded"]) == (
            "task.failed",
            "task.cancelled",
            "task.expired",
            "task.timed_out",
        )


class TestEnvelope:
    def test_a_success_is_shaped_as_the_contract_shows_it(self) -> None:
        """
        Keys, their order and their values: the example people build against.
        """
        facts = replace(FACTS, metadata={"order": 7}, model="m-1")
        seen = replace(DONE, submitted_at=AT - 60)
        event = ended(seen=seen, facts=facts, ended_at=AT - 1.5)
        assert json.dumps(event, indent=1) == json.dumps(
            {
                "id": "msg_k3J9_0",
                "event_id": "evt_k3J9_0",
                "type": "task.succeeded",
                "timestamp": NOON,
                "version": 1,
                "test": False,
                "data": {
                    "subscription_id": "sub_k3J9",
                    "provider": "amux",
                    "task_id": "abcd1234efgh",
                    "ok": True,
                    "outcome": "succeeded",
                    "status": "succeeded",
                    "progress": 100,
                    "result": {
                        "url": VIDEO.provider_url,
                        "provider_url": VIDEO.provider_url,
                        "url_missing_reason": None,
                        "files": [
                            {
                                "kind": "video",
                                "url": VIDEO.provider_url,
                                "provider_url": VIDEO.provider_url,
                                "content_type": "video/mp4",
                                "expires_at": None,
                            },
                            {
                                "kind": "last_frame",
                                "url": FRAME.provider_url,
                                "provider_url": FRAME.provider_url,
                                "content_type": "image/png",
                                "expires_at": "2026-11-25T13:00:00Z",
                            },
                        ],
                        "details": {"duration": 5.0, "fps": 24},
                    },
                    "error": None,
                    "model": "m-1",
                    "metadata": {"order": 7},
                    "submitted_at": "2026-11-25T11:59:00Z",
                    "ended_at": "2026-11-25T11:59:58.500Z",
                    "observed_at": NOON,
                },
            },
            indent=1,
        )

    @pytest.mark.parametrize("outcome", Outcome)
    def test_every_end_has_the_same_keys(self, outcome: Outcome) -> None:
        """
        Mapping tools learn the shape from one event and use it for all.
        """
        event = ended(outcome)
        assert list(event["data"]) == DATA_KEYS
        assert event["type"] == f"task.{outcome}"
        assert event["data"]["ok"] is (outcome is Outcome.SUCCEEDED)
        assert (event["data"]["error"] is None) is event["data"]["ok"]
        assert (event["data"]["result"] is None) is not event["data"]["ok"]
        assert json.loads(encode(event)) == event

    def test_the_providers_word_for_the_model_and_the_start_wins(self) -> None:
        """
        The caller's label and an earlier poll fill in where the last answer is silent.
        """
        facts = replace(FACTS, model="label", submitted_at=AT - 100)
        told = ended(seen=replace(DONE, model="m-2", submitted_at=0), facts=facts)["data"]
        assert (told["model"], told["submitted_at"]) == ("m-2", "1970-01-01T00:00:00Z")
        silent = ended(facts=facts)["data"]
        assert (silent["model"], silent["submitted_at"]) == (
            "label",
            "2026-11-25T11:58:20Z",
        )

    def test_an_impossible_time_of_the_provider_becomes_null(self) -> None:
        """
        Milliseconds in a field of seconds must not keep the end from being told.
        """
        file = replace(VIDEO, expires_at=1.7e15)
        event = ended(
            seen=replace(DONE, submitted_at=1.7e15, result=Result(files=(file,))),
            ended_at=float("nan"),
        )
        assert event["data"]["submitted_at"] is None
        assert event["data"]["ended_at"] is None
        assert event["data"]["result"]["files"][0]["expires_at"] is None

    def test_the_providers_own_body_travels_only_if_asked_for(self) -> None:
        """
        It may be large, and its shape is nobody's promise.
        """
        raw = {"code": 0, "data": {"video": "data:video/mp4;base64,AAAA", "n": [2**70]}}
        seen, facts = replace(DONE, raw=raw), replace(FACTS, include_raw=True)
        assert "raw" not in ended(seen=seen)["data"]
        assert ended(seen=seen, facts=facts)["data"]["raw"] == {
            "code": 0,
            "data": {"video": None, "n": [str(2**70)]},
        }
        unseen = ended(Outcome.TIMED_OUT, None, facts=facts)["data"]
        assert list(unseen) == [*DATA_KEYS, "raw"]
        assert unseen["raw"] is None

    def test_a_copy_for_another_destination_differs_in_its_id_only(self) -> None:
        """
        Receivers see by `event_id` that two webhooks tell of the same thing.
        """
        event = ended()
        copy = addressed(event, "msg_k3J9_0_x7")
        assert list(copy) == list(event)
        assert copy == {**event, "id": "msg_k3J9_0_x7"}

    def test_an_update_leaves_open_what_is_open(self) -> None:
        """
        `ok` false would be read as a failure, true as success.
        """
        seen = Observation(outcome=PollOutcome.PENDING, status=Status.RUNNING, raw={"a": 1})
        event = update_event(
            replace(FACTS, include_raw=True),
            seen,
            sequence=3,
            observed_at=AT,
            status=Status.RUNNING,
            progress=40,
        )
        assert (event["id"], event["event_id"]) == ("msg_k3J9_3", "evt_k3J9_3")
        assert event["type"] == "task.updated"
        told = event["data"]
        assert list(told) == [*DATA_KEYS, "raw"]
        assert (told["status"], told["progress"], told["raw"]) == (
            "running",
            40,
            {"a": 1},
        )
        assert {told[key] for key in ("ok", "outcome", "result", "error", "ended_at")} == {
            None
        }

    def test_an_update_never_takes_the_id_of_the_end(self) -> None:
        """
        A receiver that remembers ids would drop the end as a repeat.
        """
        for sequence in (0, -1):
            with pytest.raises(ValueError, match="count from 1"):
                update_event(
                    FACTS,
                    DONE,
                    sequence=sequence,
                    observed_at=AT,
                    status=None,
                    progress=None,
                )


class TestResult:
    @pytest.mark.parametrize(
        ("file", "url", "provider_url", "reason"),
        [
            (VIDEO, VIDEO.provider_url, VIDEO.provider_url, None),
            (video("HTTP://cdn/v"), "HTTP://cdn/v", "HTTP://cdn/v", None),
            (video("https://g/v", KEY), None, "https://g/v", "needs_provider_key"),
            (video(None, KEY), None, None, "needs_provider_key"),
            (video(None, UrlMissing.INLINE_DATA), None, None, "inline_data"),
            (video("data:video/mp4;base64,AA"), None, None, "inline_data"),
            (video(" DATA:video/mp4,AA"), None, None, "inline_data"),
            (video("data:,AA", KEY), None, None, "inline_data"),
            (video(None), None, None, "not_in_answer"),
            (video(""), None, "", "not_in_answer"),
            (video("s3://b/v"), None, "s3://b/v", "not_in_answer"),
            (video("/v/1"), None, "/v/1", "not_in_answer"),
            (video("javascript:1"), None, "javascript:1", "not_in_answer"),
        ],
    )
    def test_the_url_opens_without_a_key_or_says_why_there_is_none(
        self, file: File, url: str | None, provider_url: str | None, reason: str | None
    ) -> None:
        """
        A link that answers 401 in the customer's browser is worse than none.
        """
        result = result_of(file, FRAME)
        assert (result["url"], result["provider_url"], result["url_missing_reason"]) == (
            url,
            provider_url,
            reason,
        )
        assert (result["files"][0]["url"], result["files"][0]["provider_url"]) == (
            url,
            provider_url,
        )
        assert result["files"][1]["url"] == FRAME.provider_url

    @pytest.mark.parametrize(
        "seen", [None, replace(DONE, result=None), replace(DONE, result=Result())]
    )
    def test_a_success_without_files_is_a_success(self, seen: Observation | None) -> None:
        """
        Some providers want one more call for the link; the task has succeeded all the same.
        """
        result = ended(seen=seen)["data"]["result"]
        assert result == {
            "url": None,
            "provider_url": None,
            "url_missing_reason": "not_in_answer",
            "files": [],
            "details": {},
        }

    def test_a_link_of_ours_takes_the_place_of_one_that_does_not_open(self) -> None:
        """
        The bridge holds the key, so it can serve what the caller cannot fetch.
        """
        closed = replace(VIDEO, missing=UrlMissing.NEEDS_PROVIDER_KEY)

        def link(number: int, file: File) -> str | None:
            return f"https://bridge/{number}/{file.kind}" if file.missing else None

        result = result_of(closed, FRAME, closed, link=link)
        assert [file["url"] for file in result["files"]] == [
            "https://bridge/0/video",
            FRAME.provider_url,
            "https://bridge/2/video",
        ]
        assert (result["url"], result["url_missing_reason"]) == (
            "https://bridge/0/video",
            None,
        )
        assert result["provider_url"] == VIDEO.provider_url

    def test_data_urls_do_not_travel_in_the_details_either(self) -> None:
        """
        A preview frame of some megabytes makes receivers refuse the whole event.
        """
        details = {"preview": "data:image/png;base64,AAAA", "tags": ["data:,x", "ok"]}
        seen = replace(DONE, result=Result(files=(VIDEO,), details=details))
        assert ended(seen=seen)["data"]["result"]["details"] == {
            "preview": None,
            "tags": [None, "ok"],
        }


class TestErrors:
    def test_what_the_provider_says_is_passed_on(self) -> None:
        """
        Its code and words are what its support asks for.
        """
        assert ended(Outcome.FAILED, FAILED)["data"]["error"] == {
            "code": "content_rejected",
            "message": "rejected",
            "provider_code": "Sensitive",
            "hint": "change it",
        }

    @pytest.mark.parametrize("seen", [None, replace(FAILED, error=None)])
    @pytest.mark.parametrize(
        ("outcome", "code", "words"),
        [
            (Outcome.FAILED, "task_failed", "does not say why"),
            (Outcome.CANCELLED, "task_cancelled", "cancelled"),
            (Outcome.EXPIRED, "task_expired", "expired"),
        ],
    )
    def test_a_silent_provider_still_gives_an_error(
        self, seen: Observation | None, outcome: Outcome, code: str, words: str
    ) -> None:
        """
        `error` is never null unless `ok`: receivers read its message without a check.
        """
        error = ended(outcome, seen)["data"]["error"]
        assert error["code"] == code
        assert words in error["message"]
        assert error["provider_code"] is None

    @pytest.mark.parametrize(
        ("last", "code", "message", "advice"),
        [
            (PollOutcome.NOT_FOUND, "task_not_found", "does not know this task", "task id"),
            (PollOutcome.AUTH, "key_refused", "refused the key", "providers.amux.api_key"),
            (PollOutcome.FORBIDDEN, "forbidden", "does not let", "providers.amux.api_key"),
            (
                PollOutcome.MISCONFIGURED,
                "misconfigured",
                "not a task's status",
                "providers.amux.base_url",
            ),
        ],
    )
    def test_unreachable_says_what_the_provider_said_last(
        self, last: PollOutcome, code: str, message: str, advice: str
    ) -> None:
        """
        Four different people can mend it: the caller, or the operator in three places.
        """
        said = TaskError(code=ErrorCode.FORBIDDEN, message="no", provider_code="E401")
        seen = Observation(outcome=last, detail="HTTP 4xx, no token", error=said)
        error = ended(Outcome.UNREACHABLE, seen)["data"]["error"]
        assert error["code"] == code
        assert message in error["message"]
        assert error["message"].endswith(": HTTP 4xx, no token")
        assert error["provider_code"] == "E401"
        assert advice in error["hint"]
        assert "{" not in error["hint"]

    @pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
    def test_a_task_that_goes_on_has_only_outlived_its_deadline(
        self, status: Status
    ) -> None:
        """
        People take a timeout for a failure and pay for a second video.
        """
        seen = Observation(outcome=PollOutcome.PENDING, status=status, detail="unheard")
        event = ended(Outcome.TIMED_OUT, seen, progress=70)
        error = event["data"]["error"]
        assert error["code"] == "timed_out"
        assert f"still {status}" in error["message"]
        assert "unheard" not in error["message"]
        assert "longer `deadline`" in error["hint"]
        assert (event["data"]["status"], event["data"]["progress"]) == (status.value, 70)

    @pytest.mark.parametrize(
        ("outcome", "seen"),
        [
            (Outcome.TIMED_OUT, None),
            (Outcome.TIMED_OUT, Observation(outcome=PollOutcome.TRANSIENT)),
            (Outcome.TIMED_OUT, Observation(outcome=PollOutcome.NOT_FOUND)),
            (Outcome.TIMED_OUT, Observation(outcome=PollOutcome.PENDING)),
            (Outcome.UNREACHABLE, None),
            (Outcome.UNREACHABLE, Observation(outcome=PollOutcome.TRANSIENT)),
        ],
    )
    def test_without_an_answer_nothing_is_claimed_of_the_task(
        self, outcome: Outcome, seen: Observation | None
    ) -> None:
        """
        The video may well be ready behind a gateway that is down.
        """
        error = ended(outcome, seen, status=None)["data"]["error"]
        assert error["code"] == "timed_out"
        assert error["message"] == "The deadline passed without an answer about the task."
        assert "may have succeeded" in error["hint"]

    def test_an_old_status_is_not_called_the_last_word(self) -> None:
        """
        "Still running" would be a guess when the gateway has been down since.
        """
        seen = Observation(outcome=PollOutcome.TRANSIENT, detail="HTTP 502")
        error = ended(Outcome.TIMED_OUT, seen, status=Status.RUNNING)["data"]["error"]
        assert error["message"] == (
            "The deadline passed without an answer about the task: HTTP 502"
        )

    def test_a_message_without_end_is_cut(self) -> None:
        """
        Some gateways put a whole page, or a whole file, into their error text.
        """
        long = TaskError(code=ErrorCode.TASK_FAILED, message="x" * 10_000)
        error = ended(Outcome.FAILED, replace(FAILED, error=long))["data"]["error"]
        assert len(error["message"]) == 2000
        assert error["message"].endswith("x…")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(outcome=st.sampled_from(Outcome), last=st.sampled_from(PollOutcome), any_=JSON)
def test_an_end_can_always_be_written(
    outcome: Outcome, last: PollOutcome, any_: Any
) -> None:
    """
    Whatever a caller and a provider put into it: an end that fails to encode is lost.
    """
    facts = replace(FACTS, metadata={"any": any_}, include_raw=True)
    result = Result(files=(VIDEO,), details={"any": any_})
    seen = Observation(outcome=last, result=result, raw=any_, submitted_at=AT)
    event = json.loads(encode(ended(outcome, seen, facts=facts)))
    assert list(event["data"]) == [*DATA_KEYS, "raw"]
