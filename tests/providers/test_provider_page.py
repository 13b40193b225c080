"""A page is checked when it is loaded: a slip is seen before a task depends on it."""

import json
from typing import Any

import jmespath
import pytest

from bridge.providers.catalogue import PageError, page_of, preset, preset_names, schema
from bridge.providers.lookup import lookup
from bridge.providers.page import Page

MINIMAL: dict[str, Any] = {
    "request": {"path": "/tasks/{task_id}"},
    "words": {"succeeded": "done"},
    "answer": {"status": "status"},
}


def _faults(name: str | None, overrides: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(PageError) as caught:
        page_of(name, overrides)
    assert len(caught.value.faults_at) == len(caught.value.faults)
    return caught.value.faults


def test_a_page_needs_little() -> None:
    """Ten lines are a provider."""
    page = page_of(None, MINIMAL)
    assert page.poll.interval == 5.0
    assert page.rate_limit.per_second == 20
    assert page.auth is not None
    assert (page.deadline, page.retention) == (86_400.0, 604_800.0)


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_a_whole_page(name: str) -> None:
    """Presets are loaded by everybody's configuration."""
    page = preset(name)
    assert page.title
    assert page.request.path.count("{task_id}") == 1
    assert page.answer.files
    assert page.answer.id
    assert page.deadline > page.poll.interval


def test_the_presets_keep_to_the_providers_limits() -> None:
    """Facts of the vendors' documents and of the server's source."""
    assert preset("ark").rate_limit.per_second < 20
    assert preset("rong").base_url == "https://ai.rong-api.com"
    assert "https://ai.us-light-api.com" in preset("rong").base_urls.values()
    for name in ("newapi", "newapi-openai", "amux", "xiexus"):
        assert preset(name).refresh == 15.0
        assert preset(name).deadline == 25 * 3600
    for name in ("ark", "rong"):
        assert preset(name).deadline == 49 * 3600
        assert preset(name).link_lifetime == 86_400.0
    assert preset("newapi").base_url is None
    sandbox = preset("sandbox")
    assert (sandbox.auth, sandbox.base_url, sandbox.not_found_grace) == (None, None, 2.0)
    assert (sandbox.poll.first, sandbox.poll.interval, sandbox.poll.min) == (0.5, 1.0, 0.2)


def test_an_operator_changes_what_he_names_and_keeps_the_rest() -> None:
    """A config that repeats a preset would miss its corrections."""
    page = page_of(
        "amux",
        {"poll": {"interval": "7s"}, "answer": {"details": {"fps": None, "mood": "m"}}},
    )
    assert (page.poll.interval, page.poll.first) == (7.0, 5.0)
    assert page.base_url == "https://api.amux.ai"
    assert "fps" not in page.answer.details
    assert page.answer.details["mood"] == (lookup("m"),)
    assert page.answer.details["seed"] == preset("amux").answer.details["seed"]


def test_a_word_is_added_without_repeating_the_others() -> None:
    """The one unknown word in the log is all an operator wants to write."""
    page = page_of("ark", {"words": {"succeeded": "fertig", "queued": None}})
    assert page.words.succeeded == ("succeeded", "fertig")
    assert page.words.queued == ("queued",)


def test_a_word_that_is_listed_anew_moves() -> None:
    """Else correcting a preset would mean to edit a file of the package."""
    page = page_of("ark", {"words": {"failed": ["Expired"]}})
    assert page.words.failed == ("failed", "Expired")
    assert page.words.expired == ()


def test_a_page_written_out_is_the_same_page() -> None:
    """`providers show` prints pages that can be pasted into a config."""
    for name in preset_names():
        written = json.loads(preset(name).model_dump_json())
        again = page_of(None, written)
        assert again.model_dump_json() == preset(name).model_dump_json()


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        ({"requst": {}}, "requst: unknown key; did you mean 'request'?"),
        ({"zzz": 1}, "zzz: unknown key; there are: title, docs,"),
        (
            {"poll": {"intervall": 5}},
            "poll.intervall: unknown key; did you mean 'interval'?",
        ),
        (
            {"answer": {"files": {"video": {"att": "x"}}}},
            "answer.files.video.att: unknown key; did you mean 'at'?",
        ),
        ({"poll": {"interval": "soon"}}, "poll.interval: 'soon' is not a duration"),
        (
            {"poll": {"interval": 0}},
            "poll: min, interval and max ascend from above 0; they are",
        ),
        (
            {"poll": {"min": "2m"}},
            "poll: min, interval and max ascend from above 0; they are",
        ),
        ({"poll": {"timeout": 0}}, "poll: timeout is above 0"),
        ({"rate_limit": "often"}, "rate_limit: 'often' is not a rate"),
        ({"task_id": "("}, "task_id: not a regular expression"),
        ({"task_id": 7}, "task_id: not a regular expression"),
        ({"auth": {"value": "Bearer"}}, "auth: value has {key} in it, once"),
        ({"auth": {"header": "X Y"}}, "auth.header: 'X Y' is not a header name"),
        ({"auth": {"value": "a\n{key}"}}, "auth.value: a header value is printable ASCII"),
        (
            {"request": {"headers": {"authorization": "x"}}},
            "request.headers: Authorization is set by auth",
        ),
        ({"request": {"path": "tasks"}}, "request.path: 'tasks': a path starts with one /"),
        ({"request": {"path": "//evil.example/"}}, "a path starts with one /"),
        ({"request": {"path": "/a/../b"}}, "a path has no . or .. in it"),
        ({"request": {"path": "/a?b=c"}}, "a path has no ? # %"),
        ({"request": {"path": "/a/{task_id"}}, "is not a template"),
        ({"request": {"path": "/a/{task_id!r}"}}, "write placeholders as {task_id}"),
        ({"request": {"path": "/a/{0}"}}, "write placeholders as {task_id}"),
        ({"request": {"path": "/a/{x.y}"}}, "write placeholders as {task_id}"),
        ({"request": {"path": "/{region}"}}, "request: {region} is not under params"),
        ({"request": {"aliases": "/{a}"}}, "request: {a} is not under params"),
        ({"request": {"query": {"q": "{b}"}}}, "request: {b} is not under params"),
        (
            {"request": {"path": "/{region}"}, "params": {"region": {}}},
            "params.region: required or with a default",
        ),
        ({"params": {"task_id": {}}}, "params.task_id: the task id is no param"),
        ({"request": {"path": "/a", "aliases": []}}, "request: {task_id} is used nowhere"),
        (
            {"content": {"links": "(?i)x"}},
            "content: links cannot be part of a longer pattern",
        ),
        ({"params": {"region": {}}}, "params.region: is used nowhere in request"),
        ({"params": {"Bad Name": {}}}, "names are lower-case letters"),
        (
            {"params": {"a": {"pattern": "[0-9]", "default": "x"}}},
            "params.a: the default 'x' does not fit the pattern",
        ),
        (
            {"content": {"path": "/c/{region}"}},
            "content: '/c/{region}' has another placeholder",
        ),
        ({"base_url": "ftp://x.example"}, "base_url: not a base URL"),
        ({"base_url": "api.example.com"}, "base_url: not a base URL"),
        ({"base_url": "https://x.example:port"}, "base_url: not a URL"),
        ({"base_url": "https://k@x.example"}, "base_url: a base URL has no user"),
        ({"base_url": "https://x.example?key=1"}, "base_url: a base URL has no user"),
        ({"base_url": "https://x.example/a/../b"}, "a path has no . or .. in it"),
        (
            {"base_url": "https://x.example/v1"},
            "base_url: leave out /v1, request.path begins",
        ),
        ({"words": {"succeeded": [[]]}}, "words.succeeded.4: not a status word"),
        (
            {"words": {"failed": ["a"], "queued": ["A"]}},
            "words: 'a' is listed as queued and",
        ),
        ({"answer": {"status": []}}, "answer.status: name at least one place"),
        ({"answer": {"status": 7}}, "answer.status.0: not an expression"),
        (
            {"answer": {"status": "a["}},
            "answer.status.0: 'a[' is not a JMESPath expression",
        ),
        (
            {"answer": {"status": "lenght(a)"}},
            "calls lenght(), which JMESPath does not have",
        ),
        ({"answer": {"files": {"video": {"at": None}}}}, "name at least one place"),
        (
            {"answer": {"refusal": {"rules": [{"outcome": "pending"}]}}},
            "answer.refusal.rules.0: say when the rule applies",
        ),
        (
            {"answer": {"refusal": {"rules": [{"http": 400, "outcome": "ended"}]}}},
            "answer.refusal.rules.0.outcome: Input should be",
        ),
    ],
)
def test_a_slip_is_named_with_its_place_and_a_way_out(
    overrides: dict[str, Any], fault: str
) -> None:
    """An operator reads this at start, instead of wondering why no task ever ends."""
    found = _faults("newapi", overrides)
    assert any(fault in each for each in found), found


def test_all_faults_are_told_at_once() -> None:
    """Ten restarts for ten slips are nine too many."""
    faults = _faults(None, {})
    assert faults == ("request: is missing", "words: is missing", "answer: is missing")
    faults = _faults(None, MINIMAL | {"words": {}, "params": {"task_id": {}}})
    assert faults == (
        "params.task_id: the task id is no param, it is always there",
        "words.succeeded: name at least one word",
    )


def test_a_page_that_is_no_object_is_named() -> None:
    """The path of such a fault is empty."""
    with pytest.raises(
        PageError, match="preset: there is no preset 'rang'; did you mean 'rong'"
    ):
        preset("rang")
    with pytest.raises(
        PageError, match="there is no preset 'openai-batches'; there are: amux,"
    ):
        preset("openai-batches")


def test_the_schema_describes_every_key() -> None:
    """It is what editors complete from, and the reference is written from it."""
    made = schema()
    sections = (each for each in made["$defs"].values() if each["type"] == "object")
    for definition in (made, *sections):
        for name, key in definition["properties"].items():
            told = made["$defs"][key["$ref"].rpartition("/")[2]] if "$ref" in key else key
            assert key.get("description") or told["description"], name
        assert definition["additionalProperties"] is False


@pytest.mark.parametrize(
    ("base_url", "kept"),
    [
        (" https://x.example/ ", "https://x.example"),
        ("http://10.0.0.7:3000/gate/", "http://10.0.0.7:3000/gate"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_a_base_url_may_have_a_port_and_a_prefix(base_url: str, kept: str) -> None:
    """Gateways run in cellars, behind other gateways."""
    assert page_of("newapi", {"base_url": base_url}).base_url == kept


def test_a_page_takes_values_that_are_already_read() -> None:
    """Pages are validated again when they are copied with changes."""
    page = preset("ark")
    again = Page.model_validate(dict(page))
    assert again == page
    assert Page.model_validate({**dict(page), "params": None}).params == {}
    answer = dict(page.answer) | {"files": dict(page.answer.files), "private": None}
    assert Page.model_validate({**dict(page), "answer": answer}).answer == page.answer


@pytest.mark.parametrize(
    "text", ["sort_by(a, &b)[0]", "a[*].b | [0]", "a[?b > `1`].c", "a[1:2]"]
)
def test_all_of_jmespath_is_there(text: str) -> None:
    """What a dotted path cannot say is somebody's API."""
    value = {"a": [{"b": 1, "c": 2}, {"b": 2, "c": 3}]}
    assert lookup(text).find(value, None) == jmespath.search(text, value)


def test_no_expression_raises() -> None:
    """A value a function was not written for is no value."""
    for text in (
        "length(a)",
        "join(',', a)",
        "a.b[0].c",
        "to_number(a)",
        "max(a)",
        "$.a.b",
    ):
        for value in (None, 7, "x", [], {}, [1, "x"], {"b": [None]}):
            lookup(text).find({"a": value}, {"a": value})
    assert lookup("length(a)").find({"a": 7}, {}) is None
    assert lookup("$").find(None, 7) == 7
    assert str(lookup("$.a.b")) == "$.a.b"
