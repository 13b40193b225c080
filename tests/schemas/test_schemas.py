"""What is sent is what the schemas say, key by key; and they say it in plain words."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import formats, schemas
from bridge.formats import FORMATS, ROBOTS
from bridge.formats.robots import SIGNING, message
from bridge.formats.url import MESSAGE_MOST
from bridge.messages import events, notices, samples
from bridge.model import (
    ErrorCode,
    File,
    Observation,
    Outcome,
    PollOutcome,
    Result,
    Robot,
    Status,
    UrlMissing,
)
from bridge.portable import encode
from bridge.providers.answer import observe
from bridge.providers.catalogue import preset
from tests.providers import samples as recorded
from tests.schemas.told import (
    FACTS,
    LEVELS,
    NOW,
    all_notices,
    end_of,
    events_of,
    faults,
    names_of,
    objects,
    sent,
)

WHOLE = replace(
    FACTS, metadata={"order": 7, "of": ["a"], "": None, "vip": True}, include_raw=True
)
NOTICES = [
    *[notices.event_of(each, "sub_k3J9", 3, NOW) for each in all_notices()],
    *[
        notices.event_of(notices.sample(kind), "sub_k3J9", 3, NOW, test=True)
        for kind in notices.TYPES
    ],
]
SAMPLES = samples.samples(NOW)
OPTIONAL = {"raw", "timestamp", "sign"}  # nothing else may be left out
REFUSED = ("$ref", "$defs", "anyOf", "oneOf", "allOf", "default")


def all_schemas() -> Iterator[tuple[str, str]]:
    for format_name, names in schemas.KNOWN.items():
        yield from ((format_name, name) for name in names)


def words(schema: Any) -> Iterator[str]:
    """Each key of a schema and of all its parts."""
    if isinstance(schema, dict):
        yield from schema
        for each in schema.values():
            yield from words(each)


class TestWhatIsSent:
    @pytest.mark.parametrize("format_name", LEVELS)
    @pytest.mark.parametrize("event", [*SAMPLES, *NOTICES], ids=lambda event: event["type"])
    def test_a_sample_and_a_notice_are_as_documented(
        self, event: dict[str, Any], format_name: str
    ) -> None:
        """
        Tools learn the keys from either.
        """
        for name in names_of(event):
            assert faults(format_name, name, sent(format_name, event)) == []

    @pytest.mark.parametrize("system", sorted(recorded.PAGES))
    def test_what_providers_really_answer_comes_to_what_is_documented(
        self, system: str
    ) -> None:
        """
        They put numbers where texts belong, and nothing where something does.
        """
        for each in recorded.samples():
            if each.system != system or "per_id" in each.expect:
                continue
            seen = observe(
                preset(recorded.PAGES[system][0]),
                each.answer,
                base_url=recorded.BASE_URL,
                task_id=each.task_id,
                want_raw=True,
                now=recorded.NOW,
            )
            for event in events_of(seen, WHOLE):
                for format_name in LEVELS:
                    told = sent(format_name, event)
                    assert faults(format_name, event["type"], told) == [], each.state

    @pytest.mark.parametrize("kind", ROBOTS)
    def test_a_robot_is_sent_what_is_documented(self, kind: str) -> None:
        """
        Of one event, of several, and with a proof where it takes one.
        """
        bodies = [encode(event) for event in (*SAMPLES, *NOTICES)]
        secret = "s3cret" if kind in SIGNING else None
        for robot in (Robot(kind=kind), Robot(kind=kind, secret=secret)):
            for told in ([body] for body in bodies):
                made = json.loads(message(robot, told, at=NOW))
                assert faults(kind, "message", made) == []
            assert faults(kind, "message", json.loads(message(robot, bodies, at=NOW))) == []

    @pytest.mark.parametrize("kind", ROBOTS)
    def test_a_long_message_is_within_what_is_documented(self, kind: str) -> None:
        """
        The length there is the robot's limit.
        """
        lots = {f"order{n}": "x" * 4_000 for n in range(8)}
        for letter in ("x", "失", "\U0001f600", "<"):
            told = {"message": letter * 60_000, **lots}
            event = {**NOTICES[0], "data": NOTICES[0]["data"] | told}
            assert faults(kind, "message", sent(kind, event)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
MAYBE_TEXT = st.none() | st.text()
FILES = st.builds(
    File,
    kind=st.text(),
    provider_url=st.sampled_from(["https://h/v", "data:,x", "s3://b", ""]) | MAYBE_TEXT,
    content_type=MAYBE_TEXT,
    expires_at=st.none() | st.floats(),
    missing=st.none() | st.sampled_from(UrlMissing),
)
SEEN = st.builds(
    Observation,
    outcome=st.sampled_from(PollOutcome),
    status=st.none() | st.sampled_from(Status),
    progress=st.none() | st.integers(0, 100),
    result=st.none()
    | st.builds(
        Result,
        files=st.lists(FILES, max_size=3).map(tuple),
        details=st.dictionaries(st.text(), JSON, max_size=3),
    ),
    model=MAYBE_TEXT,
    submitted_at=st.none() | st.floats(),
    detail=MAYBE_TEXT,
    raw=JSON,
)


@settings(max_examples=30)
@given(
    outcome=st.sampled_from(Outcome),
    seen=SEEN,
    metadata=st.dictionaries(st.text(), JSON, max_size=3),
    include_raw=st.booleans(),
)
def test_any_event_is_as_documented(
    outcome: Outcome, seen: Observation, metadata: dict[str, Any], include_raw: bool
) -> None:
    """
    Whatever a caller and a provider put into it.
    """
    facts = replace(FACTS, metadata=metadata, include_raw=include_raw)
    event = end_of(seen, outcome, facts)
    for format_name in LEVELS:
        assert faults(format_name, event["type"], sent(format_name, event)) == []
    assert faults("standard", "task.ended", sent("standard", event)) == []


class TestNoticed:
    @pytest.mark.parametrize("format_name", LEVELS)
    @pytest.mark.parametrize("event", [SAMPLES[0], SAMPLES[1], NOTICES[0]])
    def test_a_key_more_and_a_key_less_are_noticed(
        self, event: dict[str, Any], format_name: str
    ) -> None:
        """
        Otherwise the tests above could not fail.
        """
        told = sent(format_name, event)
        for part, where in parts(told):
            assert faults(format_name, event["type"], {**told, "new": "1"})
            part["new"] = "1"
            assert any("new" in each for each in faults(format_name, event["type"], told))
            del part["new"]
            for key in [*part]:
                if key in OPTIONAL - {"timestamp"} or key.startswith("metadata_"):
                    continue
                value = part.pop(key)
                found = faults(format_name, event["type"], told)
                assert any(f'"{key}"' in each for each in found), (where, key)
                part[key] = value

    @pytest.mark.parametrize("kind", ROBOTS)
    def test_so_it_is_in_the_message_of_a_robot(self, kind: str) -> None:
        """
        A robot refuses what it does not know, with a 200.
        """
        told = sent(kind, SAMPLES[0])
        for key in told:
            assert faults(kind, "message", {k: v for k, v in told.items() if k != key})
        assert faults(kind, "message", {**told, "new": "1"})

    @pytest.mark.parametrize(
        ("changes", "where"),
        [
            ({"ok": None}, "$.data.ok"),
            ({"outcome": "failed"}, "$.data.outcome"),
            ({"error": {}}, "$.data.error"),
            ({"result": None}, "$.data.result"),
            ({"ended_at": None}, "$.data.ended_at"),
            ({"ended_at": "yesterday"}, "$.data.ended_at"),
            ({"progress": 101}, "$.data.progress"),
            ({"status": "done"}, "$.data.status"),
        ],
    )
    def test_a_success_that_says_what_it_must_not_is_noticed(
        self, changes: dict[str, Any], where: str
    ) -> None:
        """
        The schema of one type is as narrow as the type.
        """
        event = {**SAMPLES[0], "data": SAMPLES[0]["data"] | changes}
        found = faults("standard", "task.succeeded", event)
        assert found
        assert all(each.startswith((f"{where}: ", f"{where}.")) for each in found)

    def test_an_event_of_another_type_is_noticed(self) -> None:
        """
        In each way of writing it.
        """
        for format_name in LEVELS:
            told = sent(format_name, SAMPLES[1])
            assert faults(format_name, "task.succeeded", told)
            assert faults(format_name, "task.updated", told)
            assert faults(format_name, "notice", told)


def parts(told: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects in it that a schema lists the keys of."""
    yield told, "event"
    data = told.get("data", {})
    result = data.get("result") or {}
    for where, part in (
        ("data", data),
        ("result", result),
        ("error", data.get("error") or {}),
        ("file", (result.get("files") or [{}])[0]),
    ):
        if part:
            yield part, where


class TestWords:
    def test_there_is_one_of_each_type_in_each_format(self) -> None:
        """
        And one message for each robot.
        """
        assert list(schemas.KNOWN) == list(FORMATS)
        types = {*events.TYPES, *notices.TYPES, "task", "task.ended", "notice"}
        assert all({*schemas.KNOWN[each]} == types for each in LEVELS)
        assert all([*schemas.KNOWN[each]] == ["message"] for each in ROBOTS)
        for asked in (("slack", "task.failed"), ("flat", "message"), ("xml", "task")):
            with pytest.raises(KeyError):
                schemas.schema(*asked)

    @pytest.mark.parametrize(("format_name", "name"), [*all_schemas()])
    def test_each_is_a_schema_in_plain_words(self, format_name: str, name: str) -> None:
        """
        Designers of low-code tools follow no references and know no alternatives; what a
        receiver checks by must take keys that are new to it; people read descriptions.
        """
        document = json.loads(schemas.document(format_name, name))
        jsonschema_rs.meta.validate(document)
        assert document["$id"] == f"urn:poll-bridge:schema:{format_name}:{name}"
        assert not {*words(document)} & {*REFUSED}
        assert document["description"].endswith(".")
        for each in objects(document):
            assert each.get("additionalProperties", True) is True
            undone = {*each["properties"]} - {*each["required"]}
            assert undone <= OPTIONAL
            for key, told in each["properties"].items():
                assert told["description"].endswith("."), key

    def test_keys_come_in_the_order_they_are_sent_in(self) -> None:
        """
        Whoever compares the two by eye finds each key at its place.
        """
        for event in (*SAMPLES, *NOTICES):
            kind = event["type"]
            for format_name in LEVELS:
                told = sent(format_name, event)
                keys = [key for key in told if not key.startswith("metadata_")]
                listed = schemas.schema(format_name, kind)["properties"]
                assert [*listed] == keys

    def test_closed_lists_are_those_of_the_code(self) -> None:
        """
        Receivers make their own lists of these.
        """
        data = schemas.schema("standard", "task")["properties"]["data"]["properties"]
        result, error = data["result"]["properties"], data["error"]["properties"]
        assert data["outcome"]["enum"] == [*Outcome, None]
        assert data["status"]["enum"] == [*Status, None]
        assert result["url_missing_reason"]["enum"] == [*UrlMissing, None]
        assert error["code"]["enum"] == [*ErrorCode]
        explained = re.findall(r"`(\w+)`", error["code"]["description"])
        assert sorted(explained) == sorted(ErrorCode)

    def test_the_limits_that_are_told_are_those_that_hold(self) -> None:
        """
        Of a query, which is cut.
        """
        told = schemas.schema("query", "task")["properties"]
        assert f"{formats.QUERY_MOST:,}" in told["raw"]["description"]
        assert f"most {MESSAGE_MOST}." in told["error_message"]["description"]
        assert "contentMediaType" not in told["files"]
