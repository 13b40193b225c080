"""Questions go to the provider's origin and path, whatever the caller's ids hold."""

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.providers.catalogue import page_of, preset, preset_names
from bridge.providers.page import Page
from bridge.providers.request import check_key, check_task, poll_request, with_defaults
from tests.providers.samples import BASE_URL

KEY = "sk-1234567890"


def _page(**overrides: Any) -> Page:
    """A page that lets every id and param through, so that only our own care protects."""
    return page_of(
        None,
        {
            "request": {"path": "/v1/{region}/tasks/{task_id}", "query": {"app": "{app}"}},
            "task_id": "(?s).*",
            "params": {
                "region": {
                    "pattern": "(?s).*",
                    "required": True,
                    "description": "data centre",
                },
                "app": {"pattern": "(?s).*"},
            },
            "words": {"succeeded": "done"},
            "answer": {"status": "status"},
            **overrides,
        },
    )


OPEN = _page()


@given(task_id=st.text(), region=st.text(), app=st.text())
def test_no_id_or_param_changes_where_the_key_goes(
    task_id: str, region: str, app: str
) -> None:
    """A task id such as ../../keys or @evil.example would be a way to steal the key."""
    params = {"region": region, "app": app}
    try:
        request = poll_request(OPEN, BASE_URL, task_id, params, KEY)
    except ValueError:
        assert {task_id, region, app} & {"", ".", ".."} or not _encodable(
            task_id, region, app
        )
        return
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.fragment) == (
        "https",
        "gateway.example.com",
        "",
    )
    assert request.url.isascii()
    _, v1, found_region, tasks, found_id = parts.path.split("/")
    assert (v1, tasks) == ("v1", "tasks")
    assert (unquote(found_region), unquote(found_id)) == (region, task_id)
    assert parts.query.count("=") == 1
    assert unquote(parts.query) == f"app={app}"


def _encodable(*texts: str) -> bool:
    return all(each.encode("utf-8", "ignore").decode() == each for each in texts)


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("step", [".", "..", ""])
def test_a_step_in_the_path_is_no_task_id(name: str, step: str) -> None:
    """Dots mean the same encoded or not, so encoding does not help against them."""
    assert check_task(preset(name), step, {})
    with pytest.raises(ValueError, match="cannot be part of a path"):
        poll_request(preset(name), BASE_URL, step, {}, None)


@pytest.mark.parametrize("step", [".", ".."])
def test_a_step_in_the_path_is_refused_as_what_it_is(step: str) -> None:
    """The page's pattern fits it, and so explains nothing."""
    [fault] = check_task(OPEN, step, {"region": "eu"})
    assert (fault.field, fault.message) == ("task_id", "`.` and `..` are not allowed")


def test_a_question_has_the_key_and_asks_for_english_json() -> None:
    """Some gateways translate their errors, and our rules read them."""
    request = poll_request(preset("amux"), BASE_URL + "/", "abcd1234efgh", {}, KEY)
    assert request.method == "GET"
    assert request.url == BASE_URL + "/v1/video/generations/abcd1234efgh"
    assert request.headers == {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "Accept-Language": "en",
        "Authorization": f"Bearer {KEY}",
    }
    assert request.body is None
    assert request.timeout_s == 30.0
    assert KEY not in repr(request)


def test_without_a_key_or_a_place_for_it_none_is_sent() -> None:
    """The sandbox takes none; a missing key is the provider's to refuse."""
    for name, key in (("sandbox", KEY), ("amux", None)):
        assert (
            "Authorization"
            not in poll_request(preset(name), BASE_URL, "x", {}, key).headers
        )


def test_repeats_try_the_aliases_but_mostly_the_path_itself() -> None:
    """new-api's OpenAI path fails for good on some tasks the general path knows.

    Three not-founds in a row end a subscription, so the path is asked that often in a row.
    """
    page = preset("newapi-openai")
    urls = [poll_request(page, BASE_URL, "x", {}, None, attempt=n).url for n in range(10)]
    path, alias = f"{BASE_URL}/v1/videos/x", f"{BASE_URL}/v1/video/generations/x"
    assert urls == [path, alias, path, path, path] * 2
    again = poll_request(preset("ark"), BASE_URL, "x", {}, None, attempt=5).url
    assert again.endswith("/contents/generations/tasks/x")


def test_a_page_may_have_its_own_headers_query_and_key_header() -> None:
    """Versions in headers, ids in the query and other names for the key are common."""
    page = _page(
        request={
            "method": "POST",
            "path": "/query/ü",
            "headers": {"X-Version": "2024", "accept-language": "zh"},
            "query": {"task id": "{task_id}", "fixed": "a b&c", "app": "{app}"},
        },
        auth={"header": "x-key", "value": "Key {key}"},
        params={"app": {}},
    )
    request = poll_request(page, "http://h.example:81/p", "a b", {}, "k")
    assert request.method == "POST"
    assert (
        request.url == "http://h.example:81/p/query/%C3%BC?task%20id=a%20b&fixed=a%20b%26c"
    )
    assert request.headers["x-key"] == "Key k"
    assert request.headers["X-Version"] == "2024"
    assert request.headers["accept-language"] == "zh"
    assert "Accept-Language" not in request.headers


def test_defaults_are_filled_in_and_strangers_left_out() -> None:
    """Two requests that ask the same are one watch."""
    page = _page(params={"region": {"default": "eu"}, "app": {}})
    assert with_defaults(page, {"app": "x", "what": "y"}) == {"region": "eu", "app": "x"}
    assert with_defaults(page, {"region": "us"}) == {"region": "us"}
    assert poll_request(page, BASE_URL, "t", {}, None).url == f"{BASE_URL}/v1/eu/tasks/t"


@pytest.mark.parametrize(
    ("task_id", "says"),
    [
        ("undefined", "not filled in"),
        ("[object Object]", "not filled in"),
        (" null ", "not filled in"),
        ("={{ $json.id }}", "not filled in"),
        ("https://api.amux.ai/v1/videos/x", "not a URL"),
        ("abc\n", "spaces or line breaks"),
        (" abc", "spaces or line breaks"),
        ("a b", "does not look like an id"),
        ("a/b", "does not look like an id"),
        ("x" * 257, "does not look like an id"),
        ("日本", "does not look like an id"),
    ],
)
def test_a_wrong_task_id_is_refused_with_the_likely_reason(task_id: str, says: str) -> None:
    """The commonest mistake of a no-code flow is an expression that came to nothing."""
    [fault] = check_task(preset("amux"), task_id, {})
    assert fault.field == "task_id"
    assert says in fault.message


@pytest.mark.parametrize(
    "task_id", ["abcd1234efgh", "video_69095b4c", "cgt-2025xxxxxx-xxxx", "a.b:c", "x" * 256]
)
def test_real_task_ids_are_accepted(task_id: str) -> None:
    """Ids as the providers' documents show them."""
    assert check_task(preset("amux"), task_id, {}) == []


@pytest.mark.parametrize(
    ("params", "field", "says"),
    [
        ({}, "params.region", "is required (data centre)"),
        ({"region": "eu", "regoin": "x"}, "params.regoin", "did you mean 'region'?"),
        ({"region": "eu", "zzz": "x"}, "params.zzz", "unknown; there are: region, app"),
        ({"region": ".."}, "params.region", "does not match"),
        ({"region": ""}, "params.region", "does not match"),
        ({"region": "x" * 513}, "params.region", "does not match"),
    ],
)
def test_a_wrong_param_is_refused_with_the_way_out(
    params: dict[str, str], field: str, says: str
) -> None:
    """The page is the operator's; callers see of it what the error tells."""
    [fault] = check_task(OPEN, "t", params)
    assert fault.field == field
    assert says in fault.message


def test_a_provider_without_params_says_so() -> None:
    """There is nothing to have meant."""
    [fault] = check_task(preset("amux"), "t", {"region": "eu"})
    assert fault.message == "this provider takes no params"
    assert check_task(OPEN, "t", {"region": "eu", "app": "x"}) == []


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("Bearer sk-1", "without 'Bearer'"),
        ("bearer sk-1", "without 'Bearer'"),
        ("sk-1\r\nX-Evil: 1", "printable ASCII"),
        ("sk-1 ", "printable ASCII"),
        ("ключ", "printable ASCII"),
        ("x" * 4097, "longer than"),
    ],
)
def test_a_key_that_cannot_be_sent_is_refused(key: str, says: str) -> None:
    """A line break in a header would be a second header."""
    [fault] = check_key(preset("amux"), key)
    assert says in fault.message
    assert key not in fault.message


def test_a_key_is_taken_where_one_is_used() -> None:
    """The sandbox has nobody to check it."""
    assert check_key(preset("amux"), KEY) == []
    assert check_key(_page(auth={"value": "{key}"}), "Bearer x") == []
    assert check_key(preset("sandbox"), KEY)
