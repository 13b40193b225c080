"""One event on one level and in a URL, for tools that read nothing else."""

import json
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.formats import (
    FORMATS,
    METADATA_MOST,
    QUERY_MOST,
    ROBOTS,
    append_query,
    flat,
    form,
    metadata_fits,
    payload,
    query,
    query_of,
)
from bridge.messages.events import SubscriptionFacts, end_event
from bridge.messages.samples import samples
from bridge.model import ErrorCode, Observation, Outcome, PollOutcome, TaskError
from bridge.portable import encode

NOW = 1_795_608_000.0
SUCCEEDED, REJECTED, *_ = EVENTS = samples(NOW)
FLAT_KEYS = [
    *("id", "event_id", "type", "timestamp", "version", "test"),
    *("subscription_id", "provider", "task_id", "ok", "outcome", "status", "progress"),
    *("result_url", "provider_url", "url_missing_reason", "content_type", "expires_at"),
    *("files", "details", "error_code", "error_message", "error_hint", "provider_code"),
    *("model", "submitted_at", "ended_at", "observed_at", "raw"),
]


def with_metadata(**metadata: Any) -> dict[str, Any]:
    return {**SUCCEEDED, "data": {**SUCCEEDED["data"], "metadata": metadata}}


def failure(message: str, raw: Any = None) -> bytes:
    facts = SubscriptionFacts(
        id="sub_k3J9", provider="amux", task_id="t", include_raw=raw is not None
    )
    error = TaskError(code=ErrorCode.TASK_FAILED, message=message)
    seen = Observation(outcome=PollOutcome.ENDED, error=error, raw=raw)
    return encode(
        end_event(
            facts,
            Outcome.FAILED,
            seen,
            observed_at=NOW,
            ended_at=NOW,
            status=None,
            progress=None,
        )
    )


class TestFlat:
    @pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event["type"]))
    def test_every_event_has_the_same_keys_and_one_level(
        self, event: dict[str, Any]
    ) -> None:
        """
        A mapping made from a success must not break on the first failure.
        """
        facts = flat(event)
        assert list(facts) == [*FLAT_KEYS, "metadata_order_id"]
        assert not any(isinstance(value, list | dict) for value in facts.values())

    def test_the_facts_are_those_of_the_standard_event(self) -> None:
        """
        One level is another form, not another truth.
        """
        facts, told = flat(SUCCEEDED), SUCCEEDED["data"]
        result = told["result"]
        same = set(FLAT_KEYS) & set(told) - {"raw"}
        assert {key: facts[key] for key in same} == {key: told[key] for key in same}
        assert facts["result_url"] == result["url"]
        assert facts["content_type"] == "video/mp4"
        assert json.loads(facts["files"]) == result["files"]
        assert json.loads(facts["details"]) == result["details"]
        assert (facts["test"], facts["version"], facts["raw"]) == (True, 1, None)
        assert facts["metadata_order_id"] == "1042"

        failed = flat(REJECTED)
        error = REJECTED["data"]["error"]
        assert [failed[f"error_{key}"] for key in ("code", "message", "hint")] == [
            error[key] for key in ("code", "message", "hint")
        ]
        assert failed["provider_code"] == error["provider_code"]
        assert (failed["files"], failed["details"]) == ("[]", "{}")
        assert (failed["result_url"], failed["content_type"]) == (None, None)

    def test_a_success_without_files_is_flat_too(self) -> None:
        """
        There is no first file to take the content type of.
        """
        result = {**SUCCEEDED["data"]["result"], "files": []}
        event = {**SUCCEEDED, "data": {**SUCCEEDED["data"], "result": result}}
        assert flat(event)["content_type"] is None

    def test_metadata_is_spread_by_one_level_and_keeps_its_types(self) -> None:
        """
        It is the caller's own, so the caller knows its keys.
        """
        event = with_metadata(n=1, none=None, ok=False, list=[1, "é"], deep={"a": {"b": 2}})
        facts = flat(event)
        spread = {key: value for key, value in facts.items() if key not in FLAT_KEYS}
        assert spread == {
            "metadata_n": 1,
            "metadata_none": None,
            "metadata_ok": False,
            "metadata_list": '[1,"é"]',
            "metadata_deep": '{"a":{"b":2}}',
        }

    def test_the_providers_body_is_one_text(self) -> None:
        """
        A mapper can ignore one field; it cannot ignore forty that change.
        """
        facts = flat(json.loads(failure("no", raw={"a": [1]})))
        assert facts["raw"] == '{"a":[1]}'


class TestPayload:
    def test_the_standard_form_is_sent_byte_for_byte(self) -> None:
        """
        What was stored is what is signed, on every attempt.
        """
        body = b'{"not": "even looked at"}'
        assert payload("standard", body) is body

    def test_the_flat_form_is_made_of_the_same_bytes_each_time(self) -> None:
        """
        A retry must carry the body that the first attempt had.
        """
        body = encode(SUCCEEDED)
        assert json.loads(payload("flat", body)) == flat(SUCCEEDED)
        assert payload("flat", body) == payload("flat", body)

    def test_an_unknown_format_is_refused_by_name(self) -> None:
        """
        Formats come from requests.
        """
        assert ("standard", "flat", "form", "query", *ROBOTS) == FORMATS
        with pytest.raises(
            ValueError, match=r"unknown format 'xml'; known: standard, flat, form"
        ):
            payload("xml", b"{}")

    @pytest.mark.parametrize("format_name", FORMATS)
    def test_each_format_has_its_bytes(self, format_name: str) -> None:
        """
        Samples are shaped by the same words.
        """
        assert b"abcd1234efgh" in payload(format_name, encode(SUCCEEDED))


class TestForm:
    def test_a_form_tells_the_same_facts(self) -> None:
        """
        Tools without JSON read these, and nothing but these.
        """
        sent = payload("form", encode(SUCCEEDED))
        told = parse_qs(sent.decode(), keep_blank_values=True, strict_parsing=True)
        facts = flat(SUCCEEDED)
        assert list(told) == list(facts)
        assert (told["ok"], told["error_message"]) == (["true"], [""])
        assert told["files"] == [facts["files"]]

    def test_nothing_is_left_out_of_a_form(self) -> None:
        """
        A body has no length that servers refuse, as a request line has.
        """
        message = "失" * 2000
        told = parse_qs(payload("form", failure(message, raw={"log": "x" * 9000})).decode())
        assert told["error_message"] == [message]
        assert "x" * 9000 in told["raw"][0]


class TestQuery:
    def test_a_get_tells_the_same_facts(self) -> None:
        """
        n8n's nodes listen for GET by default, so this works for people who change nothing.
        """
        told = parse_qs(
            query(encode(SUCCEEDED)), keep_blank_values=True, strict_parsing=True
        )
        facts = flat(SUCCEEDED)
        assert list(told) == list(facts)
        assert told["ok"] == ["true"]
        assert told["error_message"] == [""]
        assert told["progress"] == ["100"]
        assert told["result_url"] == [facts["result_url"]]

    def test_letters_beyond_ascii_are_escaped(self) -> None:
        """
        The signature covers the bytes of the query, so there must be one way to write it.
        """
        written = query(failure("失败 & more=1?#"))
        assert f"error_message={quote('失败 & more=1?#', safe='')}&" in written
        assert written.isascii()
        assert "+" not in written

    def test_what_is_too_long_for_a_request_line_stays_out(self) -> None:
        """
        Servers answer 414 to long URLs, for ever, to every retry.
        """
        written = query(failure("失" * 2000, raw={"log": "x" * 10_000}))
        told = parse_qs(written, keep_blank_values=True)
        assert len(written) <= QUERY_MOST
        assert told["raw"] == [""]
        assert told["error_message"] == ["失" * 200]
        assert told["files"] == ["[]"]

    def test_short_extras_travel(self) -> None:
        """
        Nothing is left out without need.
        """
        told = parse_qs(query(failure("no", raw={"a": 1})))
        assert told["raw"] == ['{"a":1}']

    def test_large_results_shrink_to_their_link(self) -> None:
        """
        The link is what the receiver waits for.
        """
        result = SUCCEEDED["data"]["result"]
        many = {**result, "files": result["files"] * 40, "details": {"x": "y" * 9000}}
        told = {**SUCCEEDED["data"], "result": many}
        written = query(encode({**SUCCEEDED, "data": told}))
        found = parse_qs(written, keep_blank_values=True)
        assert len(written) <= QUERY_MOST
        assert (found["files"], found["details"]) == ([""], [""])
        assert found["result_url"] == [result["url"]]

    def test_metadata_is_never_left_out(self) -> None:
        """
        It is how the receiver knows whose video this is; the caller chose its length.
        """
        written = query(encode(with_metadata(long="z" * 9000)))
        assert "z" * 9000 in written

    def test_metadata_that_fits_leaves_room_for_every_event(self) -> None:
        """
        What is accepted when somebody subscribes has to be deliverable days later.
        """
        most = {"a": "z" * (METADATA_MOST - len("metadata_a="))}
        assert metadata_fits(most)
        assert not metadata_fits({"a": most["a"] + "z"})
        assert not metadata_fits({"a": "失" * 400})
        assert metadata_fits({})
        for event in (with_metadata(**most), json.loads(failure("失" * 2000))):
            told = {**event, "data": {**event["data"], "metadata": most}}
            assert len(query(encode(told))) <= QUERY_MOST

    @pytest.mark.parametrize(
        ("url", "joined"),
        [
            ("https://h/p", "https://h/p?a=1"),
            ("https://h/p?", "https://h/p?a=1"),
            ("https://h/p?x=%2f+%20&&y", "https://h/p?x=%2f+%20&&y&a=1"),
            ("https://h/p?x=1&", "https://h/p?x=1&a=1"),
            ("https://h/p#top", "https://h/p?a=1#top"),
            ("https://h/p?x=1#a?b", "https://h/p?x=1&a=1#a?b"),
            ("https://h/?signature=a/b?c=d", "https://h/?signature=a/b?c=d&a=1"),
        ],
    )
    def test_the_callers_own_query_is_kept_byte_for_byte(
        self, url: str, joined: str
    ) -> None:
        """
        n8n signs its resume URLs; another escape for the same letter breaks them.
        """
        assert append_query(url, "a=1") == joined
        assert query_of(joined).endswith(b"a=1")
        assert f"?{query_of(joined).decode()}" in joined

    def test_a_url_without_a_query_has_an_empty_one(self) -> None:
        """
        A question mark in the fragment is no query: it is never sent.
        """
        assert query_of("https://h/p#a?b") == b""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(metadata=st.dictionaries(st.text(st.characters(codec=None)), JSON), any_=JSON)
def test_any_event_can_be_told_in_any_form(metadata: dict[str, Any], any_: Any) -> None:
    """
    What a caller put into its metadata must not keep its event from being sent.
    """
    event = SUCCEEDED
    data = {**event["data"], "metadata": metadata, "raw": any_}
    body = encode({**event, "data": data})
    for format_name in ("standard", "flat"):
        assert json.loads(payload(format_name, body))["id"] == event["id"]
    for format_name in ROBOTS:
        assert "succeeded" in payload(format_name, body).decode()
    sent = parse_qs(form(body).decode(), keep_blank_values=True, max_num_fields=1000)
    assert sent["id"] == [event["id"]]
    written = query(body)
    assert written.isascii()
    assert query_of(append_query("https://h/?x", written)) == b"x&" + written.encode()
