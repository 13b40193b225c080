"""What answers come to that do not speak of the task."""

import pytest

from bridge.model import PollOutcome, Status
from bridge.providers.catalogue import page_of
from tests.providers.samples import TASK_ID, seen

HTML = b"  <!DOCTYPE html><html><body>Welcome</body></html>"


@pytest.mark.parametrize(
    ("http", "outcome"),
    [
        (401, "auth"),
        (402, "forbidden"),
        (403, "forbidden"),
        (404, "not_found"),
        (410, "not_found"),
        (408, "transient"),
        (409, "transient"),
        (425, "transient"),
        (429, "throttled"),
        (500, "transient"),
        (502, "transient"),
        (503, "transient"),
        (504, "transient"),
        (520, "transient"),
        (501, "misconfigured"),
        (400, "misconfigured"),
        (405, "misconfigured"),
        (418, "misconfigured"),
        (422, "misconfigured"),
        (301, "misconfigured"),
        (307, "misconfigured"),
        (100, "transient"),
        (600, "transient"),
        (-1, "transient"),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b'{"error": {"message": "no"}}']
)
def test_an_http_status_says_who_has_to_act(http: int, outcome: str, body: bytes) -> None:
    """The operator mends a key or an address, the caller an id; for the rest we wait."""
    found = seen("ark", body, http=http)
    assert (found.outcome, found.status) == (PollOutcome(outcome), None)
    assert found.http_status == http
    assert found.result is None
    assert found.error is None


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"", "transient"),
        (b"  \n", "transient"),
        (b"{", "transient"),
        (b'{"status": "succeed', "transient"),
        (b"\x00\xff\xfe", "transient"),
        (b"null", "transient"),
        (b"[]", "transient"),
        (b"7", "transient"),
        (b'"succeeded"', "transient"),
        (b"succeeded", "transient"),
        (b"<?xml version='1.0'?><Error/>", "transient"),
        (HTML, "misconfigured"),
        (b"<html><head>", "misconfigured"),
    ],
)
def test_a_2xx_answer_without_a_task_is_never_an_end(body: bytes, outcome: str) -> None:
    """Proxies answer 200 with the strangest things while a provider restarts."""
    assert seen("ark", body).outcome == PollOutcome(outcome)


def test_json_is_read_whatever_it_is_declared_as() -> None:
    """Some servers send everything as text/html."""
    headers = {"content-type": "text/html"}
    found = seen("ark", {"status": "succeeded"}, headers=headers)
    assert found.status is Status.SUCCEEDED
    assert seen("ark", b"Welcome", headers=headers).outcome is PollOutcome.MISCONFIGURED


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Invalid URL (GET /v1/v1/videos/x)", "code": ""}},
        b"404 page not found",
        b"Cannot GET /v1/x",
        HTML,
    ],
)
def test_a_path_that_is_not_there_is_not_a_task_that_is_not_there(body: object) -> None:
    """One is the operator's mistake and stays; the other ends the subscription."""
    found = seen("newapi", body, http=404)
    assert found.outcome is PollOutcome.MISCONFIGURED
    assert found.detail


@pytest.mark.parametrize("http", [200, 400, 404, 500])
@pytest.mark.parametrize("code", ["task_not_exist", "task_not_found"])
@pytest.mark.parametrize("nested", [True, False])
def test_the_pages_own_codes_win_over_the_http_status(
    http: int, code: str, nested: bool
) -> None:
    """new-api says 400 where its documents say 404."""
    body = {"error": {"code": code}} if nested else {"code": code, "data": None}
    found = seen("newapi", body, http=http)
    assert (found.outcome, found.detail) == (PollOutcome.NOT_FOUND, code)


def test_a_task_that_only_mentions_a_code_is_a_task() -> None:
    """Rules for errors are for answers without a status."""
    body = {"code": "task_not_exist", "data": {"task_id": TASK_ID, "status": "SUCCESS"}}
    assert seen("newapi", body).status is Status.SUCCEEDED


def test_a_rule_may_say_pending() -> None:
    """Pending is not always 200, nor JSON."""
    page = page_of(
        "ark", {"answer": {"refusal": {"rules": [{"http": 202, "outcome": "pending"}]}}}
    )
    found = seen(page, b"", http=202)
    assert (found.outcome, found.status) == (PollOutcome.PENDING, Status.RUNNING)
    assert seen(page, b"").outcome is PollOutcome.TRANSIENT


def test_a_redirect_is_not_followed_but_shown() -> None:
    """The key must not travel; the operator has to see where the API went."""
    headers = {"location": "https://new.example.com/v2/x?token=secret"}
    found = seen("ark", b"", http=308, headers=headers)
    assert found.detail == "redirects to new.example.com; correct base_url"
    for target in ("/elsewhere", "https://[broken"):
        found = seen("ark", b"", http=302, headers={"location": target})
        assert found.detail == "redirects to another path; correct base_url"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"error": {"message": "Invalid token (request id: 2026)"}}, "Invalid token"),
        ({"message": "no money"}, "no money"),
        ({"error": "no\n  way"}, "no way"),
        ({"detail": "resets in ~30s"}, "resets in ~30s"),
        ({"msg": "see https://a.example/b?token=c now"}, "see https://… now"),
        ({"msg": "bad key sk-1234567890abcdef"}, "bad key sk-…"),
        ({"msg": "Bearer abcdefgh12345"}, "Bearer …"),
        ({"msg": "x" * 999}, "x" * 299 + "…"),
        (b"error code: 1015", "error code: 1015"),
        (b'{"broken": "json', None),
        (HTML, "a web page instead of JSON; check base_url and request.path"),
        ({}, None),
    ],
)
def test_the_reason_is_one_line_without_secrets(body: object, detail: str | None) -> None:
    """It is shown on dashboards and written to logs."""
    assert seen("ark", body, http=403).detail == detail


def test_an_error_behind_200_is_named() -> None:
    """Some gateways answer 200 to a bad key; people should read why nothing moves."""
    found = seen("ark", {"error": {"message": "Invalid token"}})
    assert found.detail == "the answer has no status: Invalid token"
    assert seen("ark", b"nope").detail == "the answer is not JSON: nope"
    assert seen("ark", b" ").detail == "the answer is empty"
