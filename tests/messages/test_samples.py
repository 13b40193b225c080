"""Sample events: what tools learn our fields from."""

import json

import pytest

from bridge.messages.events import TYPES
from bridge.messages.samples import sample, samples
from bridge.portable import encode

NOW = 1_795_608_000.0


@pytest.mark.parametrize("type_", TYPES)
def test_a_sample_is_marked_and_has_the_id_it_was_given(type_: str) -> None:
    """
    Receivers drop a webhook-id they know, and must be able to ignore a rehearsal.
    """
    event = sample(type_, now=NOW, subscription_id="sub_x7")
    assert event["type"] == type_
    assert event["test"] is True
    assert event["id"] == ("msg_x7_1" if type_ == "task.updated" else "msg_x7_0")
    assert event["timestamp"] == "2026-11-25T12:00:00Z"
    assert json.loads(encode(event)) == event


def test_an_unknown_type_is_refused() -> None:
    """
    The type comes from a request; `task.ended` stands for six and is none.
    """
    with pytest.raises(ValueError, match=r"unknown event 'task\.ended'; known: task\.suc"):
        sample("task.ended", now=NOW)


def test_there_is_one_of_each_type_newest_first_with_ids_of_their_own() -> None:
    """
    Zapier lists samples by id, newest first, and wants at least one.
    """
    events = samples(NOW)
    assert [event["type"] for event in events] == list(TYPES)
    assert len({event["id"] for event in events}) == len(TYPES)
    times = [event["timestamp"] for event in events]
    assert times == sorted(times, reverse=True)
    assert all(event["test"] for event in events)


def test_every_sample_has_the_same_fields() -> None:
    """
    A tool that learned from one must find its fields in all.
    """
    events = samples(NOW)
    assert {tuple(event) for event in events} == {tuple(events[0])}
    assert {tuple(event["data"]) for event in events} == {tuple(events[0]["data"])}
    assert events[0]["data"]["result"]["url"].startswith("https://")
    assert events[1]["data"]["error"]["code"] == "content_rejected"
