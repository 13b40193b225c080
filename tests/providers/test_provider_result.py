"""Links, files and facts of a task that succeeded; reasons of one that did not."""

from typing import Any

import pytest

from bridge.model import ErrorCode, File, Status, TaskError, UrlMissing
from bridge.providers.catalogue import page_of, preset
from bridge.providers.result import content_url, is_link
from bridge.providers.times import instant, link_expiry
from tests.providers.samples import BASE_URL, NOW, TASK_ID, seen

LINK = "https://cdn.example.com/a/video.mp4"


def _files(page: Any, body: object, **more: Any) -> tuple[File, ...]:
    result = seen(page, body, **more).result
    assert result is not None
    return result.files


def _error(page: Any, body: object) -> TaskError:
    error = seen(page, body).error
    assert error is not None
    return error


@pytest.mark.parametrize(
    "text",
    [
        "",
        "upstream returned error",
        "https://",
        "https:///x",
        "http://[::1",
        "https://cdn.example.com failed with 403",
        "ftp://cdn.example.com/a.mp4",
        "//cdn.example.com/a.mp4",
        "/v1/videos/x/content",
        "javascript:alert(1)",
        'https://cdn.example.com/"onload=',
        "https://cdn.example.com/<b>",
        "https://cdn.example.com/\ud800",
        "https://cdn.example.com/" + "a" * 9000,
        7,
        None,
        {"url": LINK},
    ],
)
def test_what_is_no_link_never_becomes_one(text: object) -> None:
    """A receiver opens result.url without asking what is in it."""
    assert not is_link(text)
    [file] = _files("ark", {"status": "succeeded", "content": {"video_url": text}})
    assert (file.provider_url, file.missing) == (None, UrlMissing.NOT_IN_ANSWER)


def test_a_link_is_kept_exactly_as_it_came() -> None:
    """Signatures cover the order and the escapes of the query."""
    link = "HTTPS://cdn.example.com/%E4%BD%A0%2F好.mp4?b=2&a=1&sig=%2B/+=#t"
    [file] = _files("ark", {"status": "succeeded", "content": {"video_url": f" {link}\n"}})
    assert file.provider_url == link


def test_the_first_place_with_a_link_counts() -> None:
    """The gateway's own copy outlives the vendor's."""
    body = {
        "task_id": TASK_ID,
        "status": "SUCCESS",
        "result_url": LINK,
        "data": None,
        "url": "https://b.example/b",
    }
    assert [file.provider_url for file in _files("newapi", body)] == [LINK]
    body["result_url"] = "not yet"
    assert [file.provider_url for file in _files("newapi", body)] == ["https://b.example/b"]


def test_a_list_of_links_is_several_files() -> None:
    """Four pictures of one task are four files."""
    page = page_of("ark", {"answer": {"files": {"video": "videos[].url"}}})
    body = {"status": "succeeded", "videos": [{"url": f"{LINK}?{n}"} for n in range(40)]}
    files = _files(page, body)
    assert [file.provider_url for file in files] == [f"{LINK}?{n}" for n in range(32)]


def test_the_most_important_file_comes_first_even_without_a_link() -> None:
    """result.url is the first file's: a last frame must not stand in for the video."""
    body = {"status": "succeeded", "content": {"last_frame_url": "https://c.example/l.png"}}
    video, frame = _files("ark", body)
    assert (video.kind, video.missing) == ("video", UrlMissing.NOT_IN_ANSWER)
    assert (frame.kind, frame.content_type) == ("last_frame", "image/png")


def test_a_page_without_files_has_none() -> None:
    """A transcript's result is not a file."""
    page = page_of(
        "ark", {"answer": {"files": {"video": None, "last_frame": None, "file": None}}}
    )
    assert _files(page, {"status": "succeeded"}) == ()


@pytest.mark.parametrize(
    ("link", "content_type"),
    [
        ("https://c.example/a.MP4?x=1", "video/mp4"),
        ("https://c.example/a.webm", "video/webm"),
        ("https://c.example/a.jpeg", "image/jpeg"),
        ("https://c.example/a", "video/mp4"),
        ("https://c.example/a.zip", "video/mp4"),
    ],
)
def test_the_type_is_told_by_the_ending_or_else_the_page(
    link: str, content_type: str
) -> None:
    """no-code tools choose a node by it."""
    [file] = _files("ark", {"status": "succeeded", "content": {"video_url": link}})
    assert file.content_type == content_type


@pytest.mark.parametrize(
    "host", [BASE_URL, "http://localhost:3000", "https://other.example"]
)
@pytest.mark.parametrize("end", ["", "/", "?x=1"])
def test_a_link_to_the_gateways_own_bytes_needs_the_key(host: str, end: str) -> None:
    """Its host is whatever somebody once typed into the gateway's settings."""
    link = f"{host}/v1/videos/{TASK_ID}/content{end}"
    [file] = _files("newapi", {"data": {"status": "SUCCESS", "result_url": link}})
    assert file.missing is UrlMissing.NEEDS_PROVIDER_KEY
    assert file.provider_url == link
    assert file.content_url == f"{BASE_URL}/v1/videos/{TASK_ID}/content"


@pytest.mark.parametrize("path", ["/v1/videos/a/b/content", "/v1/videos/a/content.mp4"])
def test_other_links_at_the_gateways_host_open_without_a_key(path: str) -> None:
    """Gateways also serve public copies."""
    link = f"{BASE_URL}{path}"
    [file] = _files("newapi", {"data": {"status": "SUCCESS", "result_url": link}})
    assert (file.missing, file.content_url) == (None, None)


def test_an_inline_file_never_travels() -> None:
    """Megabytes of base64 have no place in a webhook, in `raw` neither."""
    data = "data:image/PNG;base64," + "A" * 100
    body = {"status": "succeeded", "content": {"video_url": data}}
    found = seen("ark", body, want_raw=True)
    assert found.result is not None
    [file] = found.result.files
    assert (file.provider_url, file.missing) == (None, UrlMissing.INLINE_DATA)
    assert file.content_type == "image/png"
    assert "AAAA" not in repr(found.raw)
    assert _files("ark", {"status": "succeeded", "content": {"video_url": "data:,x"}})[
        0
    ].content_type == ("video/mp4")


def test_a_link_is_better_than_an_inline_file() -> None:
    """Some answers have both."""
    body = {
        "data": {"status": "SUCCESS", "result_url": "data:video/mp4;base64,AA", "url": LINK}
    }
    assert _files("newapi", body)[0].provider_url == LINK


def test_the_first_inline_file_counts() -> None:
    """The same bytes under two names are one file."""
    page = page_of("ark", {"answer": {"files": {"video": ["a", "b"]}}})
    body = {"status": "succeeded", "a": "data:video/webm,x", "b": "data:video/mp4,x"}
    assert [file.content_type for file in _files(page, body)] == ["video/webm"]


def test_where_the_bytes_are_is_built_from_our_own_address() -> None:
    """The key goes to base_url; whatever the answer says, nowhere else."""
    page = preset("mixroute")
    url = content_url(page, "https://m.example/prefix/", "a/../b c?d")
    assert (
        url
        == "https://m.example/prefix/v1/video/generations/download?id=a%2F..%2Fb%20c%3Fd"
    )
    assert content_url(preset("ark"), BASE_URL, "x") is None


def test_links_expire_when_they_say_so() -> None:
    """A receiver has to fetch the file before that."""
    body = {"status": "succeeded", "updated_at": NOW - 100, "content": {}}
    cases = {
        f"{LINK}?X-Tos-Expires=600": NOW + 500,
        f"{LINK}?X-Tos-Date=20260513T170000Z&X-Tos-Expires=600": 1_778_692_200.0,
        f"{LINK}?x-amz-date=20260513T170000Z&x-amz-expires=600": 1_778_692_200.0,
        f"{LINK}?X-Amz-Date=nonsense&X-Amz-Expires=600": NOW + 500,
        f"{LINK}?Expires=1778700000": 1_778_700_000.0,
        f"{LINK}?x-expires=1778700000": 1_778_700_000.0,
        LINK: NOW - 100 + 86_400,  # Ark's documents: a day
        f"{LINK}?Expires=never": NOW - 100 + 86_400,
        f"{LINK}?X-Tos-Expires=-5": NOW - 100 + 86_400,
        f"{LINK}?{'a&' * 200}": NOW - 100 + 86_400,
    }
    for link, expires_at in cases.items():
        body["content"] = {"video_url": link}
        assert _files("ark", body)[0].expires_at == expires_at, link


def test_what_the_answer_says_of_expiry_holds_for_links_that_do_not() -> None:
    """OpenAI puts the time beside the result."""
    body = {"id": TASK_ID, "status": "completed", "expires_at": 1_778_692_778}
    assert _files("newapi-openai", body)[0].expires_at == 1_778_692_778
    body["metadata"] = {"url": LINK}
    assert _files("newapi-openai", body)[0].expires_at == 1_778_692_778
    del body["expires_at"]
    assert _files("newapi-openai", body)[0].expires_at is None


def test_an_end_in_the_future_does_not_lengthen_a_link() -> None:
    """Clocks differ; a link that dies earlier than we say is a lost video."""
    body = {"status": "succeeded", "updated_at": NOW + 9999, "content": {"video_url": LINK}}
    assert _files("ark", body)[0].expires_at == NOW + 86_400


@pytest.mark.parametrize(
    ("written", "at"),
    [
        (1_778_689_061, 1_778_689_061.0),
        (1_778_689_061.5, 1_778_689_061.5),
        (1_778_689_061_500, 1_778_689_061.5),
        ("1778689061", 1_778_689_061.0),
        ("2026-05-13T16:17:41Z", 1_778_689_061.0),
        (0, None),
        (-1, None),
        (17, None),
        (10**18, None),
        (False, None),
        ("", None),
        ("0", None),
        ("yesterday", None),
        ("1999-01-01T00:00:00Z", None),
        ("9" * 5000, None),
        ([], None),
        (float("inf"), None),
    ],
)
def test_times_are_seconds_milliseconds_or_written(
    written: object, at: float | None
) -> None:
    """Kling's milliseconds read as seconds lie fifty thousand years ahead."""
    assert instant(written) == at


def test_a_link_that_is_no_url_has_no_expiry() -> None:
    """It has no query that could be read."""
    assert link_expiry("http://[x?Expires=1778700000", NOW) is None


def test_details_are_the_listed_facts_as_plain_json() -> None:
    """Receivers store them in columns: what is not listed is not there."""
    body = {
        "status": "succeeded",
        "duration": 5,
        "framespersecond": 24,
        "ratio": "16:9",
        "resolution": "",
        "seed": None,
        "usage": {"total_tokens": 10**30, "nan": float("nan"), "user": "x" * 9000},
        "secret": 1,
    }
    result = seen("ark", body).result
    assert result is not None
    assert result.details == {
        "duration": 5,
        "fps": 24,
        "framespersecond": 24,
        "ratio": "16:9",
        "usage": {"total_tokens": 1e30, "nan": None, "user": "… (9000 characters)"},
    }


def test_a_detail_that_is_huge_is_left_out() -> None:
    """An event has room for facts, not for documents."""
    body = {"status": "succeeded", "usage": ["x"] * 5000, "seed": 1}
    result = seen("ark", body).result
    assert result is not None
    assert result.details == {"seed": 1}


def test_tokens_beside_the_task_are_usage() -> None:
    """One fork of new-api counts them outside of the vendor's answer."""
    body: dict[str, Any] = {"status": "SUCCESS", "completion_tokens": 5, "total_tokens": 9}
    result = seen("amux", {"data": body}).result
    assert result is not None
    assert result.details["usage"] == {"completion_tokens": 5, "total_tokens": 9}
    result = seen("amux", {"data": {**body, "total_tokens": 0}}).result
    assert result is not None
    assert "usage" not in result.details


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("OutputVideoSensitiveContentDetected.PolicyViolation", ""),
        ("content_policy_violation", ""),
        ("moderation_blocked", ""),
        ("DataInspectionFailed", ""),
        (50001, "Upstream model rejected the prompt due to content policy."),
        (400, "提示词包含不当内容"),
        (None, "Your request was rejected by our safety system."),
        (None, "the prompt was flagged by the moderation service"),
        (None, "moderation check blocked the prompt"),
        (None, "The output video may contain sensitive information."),
        (None, "This violates the usage guidelines"),
        (None, "输入内容违规"),
        (None, "内容审核不通过"),
    ],
)
def test_a_refused_content_is_told_apart(code: object, message: str) -> None:
    """Trying it again costs money and changes nothing."""
    error = _error("ark", {"status": "failed", "error": {"code": code, "message": message}})
    assert error.code is ErrorCode.CONTENT_REJECTED
    assert error.hint


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InternalServiceError", "an unexpected error"),
        (None, "the parameter is case-sensitive"),
        (None, "moderation service timed out"),
        (None, "policy engine is down"),
        ("rate_limit_exceeded", "slow down"),
        (None, "违反唯一约束"),
    ],
)
def test_other_failures_are_not_called_refused(code: object, message: str) -> None:
    """Whoever reads "refused" does not try again, though it would have worked."""
    error = _error("ark", {"status": "failed", "error": {"code": code, "message": message}})
    assert (error.code, error.hint) == (ErrorCode.TASK_FAILED, None)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.FAILED, ErrorCode.TASK_FAILED),
        (Status.CANCELLED, ErrorCode.TASK_CANCELLED),
        (Status.EXPIRED, ErrorCode.TASK_EXPIRED),
    ],
)
def test_an_end_without_a_reason_still_has_words(status: Status, code: ErrorCode) -> None:
    """`error` is never null unless the task succeeded."""
    silent: list[Any] = [None, {}, "", [], {"message": 7}, {"message": ["no"]}]
    for error in (*silent, {"message": " \n"}):
        found = _error("ark", {"status": status.value, "error": error})
        assert found.code is code
        assert found.message
        assert found.provider_code is None


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (50001, "50001"),
        (50001.0, "50001"),
        ("400", "400"),
        ("", None),
        ([], None),
        ("x" * 999, 128),
    ],
)
def test_a_providers_code_is_text(written: object, code: object) -> None:
    """One document declares a number, the next a text, and servers mix them."""
    found = _error("ark", {"status": "failed", "error": {"code": written}}).provider_code
    assert (len(found or "") if isinstance(code, int) else found) == code


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("Refused. Request id: 0217747937596950e", "Refused."),
        ("Refused (request id: 2026abc)", "Refused"),
        ("Refused。（Request ID：x-1）", "Refused。"),
        ("request id: 1", None),
        ("A request id: is missing here", "A request id: is missing here"),
        ("x" * 3000, "x" * 999 + "…"),
        ("key sk-1234567890abcdef used", "key sk-… used"),
        ("line\r\nbreak\u2028s\x00", "line break s"),
        ("half \ud83d pair", "half ? pair"),
    ],
)
def test_a_message_is_short_and_the_same_for_the_same_failure(
    written: str, message: str | None
) -> None:
    """Request ids make every message unique, so that nobody can count them."""
    found = _error("ark", {"status": "failed", "error": {"message": written}}).message
    assert found == (message or "The provider says that the task failed, and not why.")


def test_a_link_is_no_reason() -> None:
    """Fields that hold a reason or a link, by turns, are not taken for the wrong one."""
    body = {"status": "FAILURE", "fail_reason": LINK, "data": {"error": {"message": "no"}}}
    assert _error("newapi", {"data": body}).message == "no"
    body = {"status": "FAILURE", "fail_reason": "", "result_url": "no video was made"}
    assert _error("newapi", {"data": body}).message == "no video was made"
