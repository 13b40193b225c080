"""Every recorded answer, read with every page it may come to, gives what it must."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from bridge.model import File, Observation, PollOutcome, Status, UrlMissing
from bridge.providers.answer import observe
from bridge.providers.catalogue import preset
from tests.providers.samples import BASE_URL, NOW, PAGES, Sample, samples, seen

SAMPLES = [sample for sample in samples() if "per_id" not in sample.expect]
LISTS = [sample for sample in samples() if "per_id" in sample.expect]


def _cases(wanted: Callable[[Sample], bool] = lambda _: True) -> list[Any]:
    return [
        pytest.param(sample, name, id=f"{sample.system}/{sample.state}-{name}")
        for sample in SAMPLES
        for name in PAGES[sample.system]
        if wanted(sample)
    ]


def _look(sample: Sample, name: str) -> Observation:
    return observe(
        preset(name),
        sample.answer,
        base_url=BASE_URL,
        task_id=sample.task_id,
        want_raw=True,
        now=NOW,
    )


@pytest.mark.parametrize(("sample", "name"), _cases())
def test_a_recorded_answer_comes_to_what_it_must(sample: Sample, name: str) -> None:
    """Real servers answer in these shapes; a wrong reading loses somebody's video."""
    found = _look(sample, name)
    outcome = sample.expect["outcome"]
    if sample.expect["terminal"]:
        assert (found.outcome, found.status) == (PollOutcome.ENDED, Status(outcome))
    else:
        assert found.outcome == PollOutcome(outcome)
        assert found.result is None
        assert found.error is None
    assert (found.result is not None) is (outcome == "succeeded")
    assert (found.error is not None) is (outcome in ("failed", "cancelled", "expired"))
    if "progress" in sample.expect:
        assert found.progress == sample.expect["progress"]
    for field in {"submitted_at", "finished_at"} & set(sample.expect):
        assert getattr(found, field) == sample.expect[field]


@pytest.mark.parametrize(
    ("sample", "name"), _cases(lambda sample: "error" in sample.expect)
)
def test_a_recorded_failure_says_why(sample: Sample, name: str) -> None:
    """Reasons hide in other places than documented, and codes are of other types."""
    error = _look(sample, name).error
    assert error is not None
    expected = sample.expect["error"]
    if "code" in expected:
        assert error.provider_code == str(expected["code"])
    if "message" in expected:
        assert error.message == expected["message"]


@pytest.mark.parametrize(
    ("sample", "name"), _cases(lambda sample: sample.expect["outcome"] == "succeeded")
)
def test_a_recorded_success_has_its_link_or_the_reason_why_not(
    sample: Sample, name: str
) -> None:
    """A link that needs a key, an inline file and no link at all are three things."""
    expect, first = sample.expect, _video(_look(sample, name))
    assert first.provider_url == expect.get("result_url")
    if expect.get("result_needs_auth"):
        assert first.missing is UrlMissing.NEEDS_PROVIDER_KEY
        assert first.content_url is not None
    elif "result_url" in expect:
        assert first.missing is None
        assert first.content_url is None
    elif expect.get("inline") or sample.state == "download_base64":
        assert first.missing is UrlMissing.INLINE_DATA
        assert first.content_type == "video/mp4"
    else:
        assert first.missing is UrlMissing.NOT_IN_ANSWER
    if "fetch_content_from" in expect:
        assert first.content_url == BASE_URL + expect["fetch_content_from"]
    if "expires_at" in expect:
        assert first.expires_at == expect["expires_at"]
    if "url_ttl_s" in expect:
        finished_at = _look(sample, name).finished_at
        assert finished_at is not None
        assert first.expires_at == min(finished_at, NOW) + expect["url_ttl_s"]


def _video(found: Observation) -> File:
    assert found.result is not None
    first = found.result.files[0]
    assert first.kind == "video"
    return first


def test_every_kind_of_recorded_answer_is_read_with_a_page() -> None:
    """A fixture nobody reads proves nothing."""
    assert {sample.system for sample in samples()} == set(PAGES)
    assert len(SAMPLES) > 80


@pytest.mark.parametrize("sample", LISTS, ids=lambda sample: sample.state)
def test_an_item_of_a_list_comes_to_what_it_would_alone(sample: Sample) -> None:
    """A list call answers many tasks at once, each item as the single call would."""
    items = {item["id"]: item for item in orjson.loads(sample.answer.body)["items"]}
    assert {
        name for name, word in sample.expect["per_id"].items() if "absent" not in word
    } == (set(items))
    for name, item in items.items():
        found = seen("ark", item, task_id=name)
        expected = sample.expect["per_id"][name]
        assert expected in (found.outcome, found.status)


@pytest.mark.parametrize("system", sorted(PAGES))
def test_account_fields_are_not_in_what_is_passed_on(system: str) -> None:
    """The body names the operator's account, channel and prices."""
    for sample in SAMPLES:
        if sample.system == system:
            found = _look(sample, PAGES[system][0])
            text = repr(found.raw)
            assert not any(
                f"'{key}'" in text for key in ("user_id", "channel_id", "quota", "group")
            )


def test_a_task_stuck_at_the_gateway_is_shown_but_not_ended() -> None:
    """The vendor gave it up and the gateway does not know the word."""
    [sample] = [s for s in SAMPLES if s.state == "in_progress_stuck_30"]
    assert _look(sample, "newapi").detail == "the provider's own provider says 'expired'"
