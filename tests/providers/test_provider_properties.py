"""Whatever a server sends: nothing breaks, and only the provider's word ends a task."""

import dataclasses
import json
from typing import Any

import jmespath
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import Observation, PollOutcome, Status
from bridge.providers.body import DEPTH, RAW_BYTES, parsed, plain, raw
from bridge.providers.catalogue import page_of, preset, preset_names
from bridge.providers.fields import normal
from bridge.providers.lookup import lookup
from bridge.providers.page import Page
from tests.providers.samples import TASK_ID, samples, seen

PAGES = {name: preset(name) for name in preset_names()}

# Keys and words that mean something somewhere, so that random answers come close to real.
KEYS = st.sampled_from(
    [
        *(
            "task_id",
            "id",
            "status",
            "data",
            "code",
            "message",
            "error",
            "url",
            "result_url",
        ),
        *("fail_reason", "metadata", "content", "video_url", "progress", "created_at"),
        *("updated_at", "finish_time", "submit_time", "expires_at", "usage", "seed"),
        *("success", "data_url", "total_tokens", "model", "properties", "base64"),
    ]
)
WORDS = st.sampled_from(
    [
        *(TASK_ID, "SUCCESS", "succeeded", "FAILURE", "failed", "expired", "queued"),
        *("https://a.example/v.mp4?X-Tos-Expires=9", "data:video/mp4;base64,AA", "50%"),
        "\ud800",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.integers(min_value=2**63)
    | st.text(max_size=20)
    | WORDS
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)


def _sound(found: Observation) -> None:
    """What every observation keeps, whatever it was made of."""
    orjson.dumps(dataclasses.asdict(found))  # no lone surrogates, no endless numbers
    assert (found.outcome is PollOutcome.ENDED) == bool(
        found.status and found.status.terminal
    )
    assert (found.result is not None) == (found.status is Status.SUCCEEDED)
    failed = found.outcome is PollOutcome.ENDED and found.status is not Status.SUCCEEDED
    assert (found.error is not None) == failed
    assert found.error is None or 0 < len(found.error.message) <= 1000
    assert found.progress is None or 0 <= found.progress <= 100
    assert found.detail is None or len(found.detail) <= 300
    message = found.error.message if found.error else None
    for text in (found.word, found.detail, found.model, message):
        assert text is None or "\n" not in text
    for file in found.result.files if found.result else ():
        assert file.provider_url is None or file.provider_url.lower().startswith("http")
        assert (file.missing is None) <= (file.provider_url is not None)


def _said(page: Page, body: Any) -> set[str]:
    """Every word at a place where the page may look for the status."""
    places = [body, body.get("data") if isinstance(body, dict) else None]
    found = {
        p.get("status") for p in places if isinstance(p, dict) and _scalar(p.get("status"))
    }
    return {normal(word) for word in found if isinstance(word, str)}


def _by_rule(name: str, body: Any) -> bool:
    """The two presets whose answers may end a task without a status."""
    if name == "newapi-openai":
        places = (body, body.get("data"))
        return any(isinstance(p, dict) and "id" in p and "error" in p for p in places)
    return name == "mixroute" and "data_url" in json.dumps(body)


def _scalar(value: Any) -> bool:
    return not isinstance(value, list | dict)


@given(name=st.sampled_from(sorted(PAGES)), body=ANYTHING, http=st.integers(100, 599))
@settings(max_examples=400)
def test_any_json_is_survived_and_only_the_pages_words_end_a_task(
    name: str, body: Any, http: int
) -> None:
    """A strange answer never ends a task, and never stops the program."""
    page = PAGES[name]
    found = seen(page, body, http=http, want_raw=True)
    _sound(found)
    if found.outcome is PollOutcome.ENDED:
        ends = {normal(w) for s in Status if s.terminal for w in getattr(page.words, s)}
        assert 200 <= http < 300
        assert _said(page, body) & ends or _by_rule(name, body)


@given(
    name=st.sampled_from(sorted(PAGES)),
    body=st.binary(max_size=200),
    http=st.integers(0, 999),
)
def test_any_bytes_are_survived(name: str, body: bytes, http: int) -> None:
    """Proxies answer in every encoding there is."""
    found = seen(PAGES[name], body, http=http, headers={"content-type": "text/html"})
    _sound(found)


@given(
    sample=st.sampled_from([s for s in samples() if s.expect.get("terminal")]),
    cut=st.floats(0, 1, exclude_max=True),
)
def test_an_answer_that_broke_off_ends_nothing(sample: Any, cut: float) -> None:
    """The first half of a success is not half a success."""
    body = sample.answer.body[: int(len(sample.answer.body) * cut)]
    for page in PAGES.values():
        found = seen(page, body, task_id=sample.task_id)
        assert found.outcome is PollOutcome.TRANSIENT


@given(
    name=st.sampled_from(sorted(PAGES)), noise=st.dictionaries(KEYS, ANYTHING, max_size=6)
)
def test_ends_anywhere_but_at_the_status_end_nothing(
    name: str, noise: dict[str, Any]
) -> None:
    """Words of an end are everywhere: in messages, in prompts, in the vendor's answer."""
    noise.pop("task_id", None)
    noise.pop("id", None)
    noise.pop("data", None)
    found = seen(PAGES[name], {**noise, "status": "running"})
    assert (found.outcome, found.status) == (PollOutcome.PENDING, Status.RUNNING)


LETTERS = st.sampled_from("abc")


@given(
    path=st.lists(LETTERS, min_size=1, max_size=4).map(".".join),
    value=st.recursive(
        SCALARS, lambda inner: st.dictionaries(LETTERS, inner) | st.lists(inner)
    ),
)
def test_a_dotted_path_finds_what_jmespath_would(path: str, value: Any) -> None:
    """The quick way is only a quick way."""
    assert repr(lookup(path).find(value, None)) == repr(jmespath.search(path, value))


@given(ANYTHING)
def test_plain_json_stays_as_it_is_but_for_what_cannot_travel(value: Any) -> None:
    """Copies are for receivers: they have to parse, and to be as large as we promise."""
    copy = raw(value, frozenset({"status"}))
    assert len(orjson.dumps(copy)) <= RAW_BYTES
    assert "'status'" not in repr(copy)
    again = orjson.loads(orjson.dumps(copy))
    assert raw(again, frozenset()) == again


def test_a_body_that_is_too_large_to_keep_says_so() -> None:
    """Half an object would be mistaken for a whole one."""
    assert raw({"a": ["x" * 100] * 1000}, frozenset()) == {"omitted": "larger than 64 KiB"}
    assert raw({"a": "\x00" * 8000, "b": "\x00" * 8000}, frozenset())["omitted"]
    assert raw(None, frozenset()) is None


def test_a_body_that_is_too_deep_is_cut() -> None:
    """Some parsers give up long before ours."""
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    copy = repr(plain(deep, 1000))
    assert copy.count("[") == DEPTH
    assert "…" in copy


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"status": ' * 5000 + b'"succeeded"' + b"}" * 5000,
        b'{"status": "succeeded", "n": ' + b"9" * 5000 + b"}",
        b'{"status": "succeeded", "n": NaN' + b" " * (2 << 20) + b"}",
    ],
)
def test_what_no_parser_takes_is_no_json(body: bytes) -> None:
    """The task is asked about again; a task ended wrongly is not."""
    assert seen("ark", body).outcome is PollOutcome.TRANSIENT


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"status": "succeeded"}',
        b'{"status": "succeeded", "prompt": "\\ud83d"}',
        b'{"status": "succeeded", "score": NaN}',
        b'{"status": "succeeded", "n": 1e999}',
        b'{"status": "succeeded", "n": ' + b"9" * 400 + b"}",
        b'{"status": "running", "status": "succeeded"}',
        '{"status": "succeeded", "prompt": "好"}'.encode("gbk"),
    ],
)
def test_what_a_strict_parser_refuses_may_still_be_an_end(body: bytes) -> None:
    """One broken character in a prompt must not hide the end of the task for ever."""
    found = seen("ark", body, want_raw=True)
    assert found.status is Status.SUCCEEDED
    _sound(found)


def test_parsing_is_what_json_says() -> None:
    """The second try is a try at the same language."""
    assert parsed(b'{"a": [1, 2.5, null, true]}') == {"a": [1, 2.5, None, True]}
    assert json.loads(b'"\\u597d"') == parsed(b'"\\u597d"') == "好"


def test_a_complex_expression_costs_nothing_when_the_simple_one_answers() -> None:
    """Places are tried in order: the second is for answers without the first."""
    page = page_of("ark", {"answer": {"status": ["status", "sort_by(@, &x)[0]"]}})
    assert seen(page, {"status": "running"}).status is Status.RUNNING
    assert seen(page, {}).outcome is PollOutcome.TRANSIENT
