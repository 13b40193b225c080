"""GET /samples: what tools learn our fields from, in the shape of what they will get."""

import pytest

from bridge import formats
from bridge.messages.events import ENDS, TYPES
from tests.api.conftest import Api


@pytest.mark.parametrize("name", formats.FORMATS)
async def test_every_format_has_its_samples_with_ids(api: Api, name: str) -> None:
    """Zapier lists them by id, and takes nothing but an array."""
    found = (await api("GET", f"/samples?format={name}")).json
    assert len(found) == len(TYPES)
    assert len({each["id"] for each in found}) == len(TYPES)
    assert all(each["id"].startswith("msg_") and each["test"] is True for each in found)


@pytest.mark.parametrize("name", ["standard", "flat"])
async def test_they_are_events_newest_first(api: Api, name: str) -> None:
    """What is mapped by them has to be found in the real ones."""
    found = (await api("GET", f"/samples?format={name}")).json
    assert [each["type"] for each in found] == [*TYPES]
    times = [each["timestamp"] for each in found]
    assert times == sorted(times, reverse=True)
    assert all(each.keys() == found[0].keys() for each in found)
    assert ("data" in found[0]) is (name == "standard")


async def test_what_is_no_event_stands_beside_its_id(api: Api) -> None:
    """A robot's message as the object it is, a form as text."""
    [slack] = (await api("GET", "/samples?type=task.failed&format=slack")).json
    assert list(slack) == ["id", "test", "body"]
    assert "text" in slack["body"]
    [form] = (await api("GET", "/samples?type=task.failed&format=form")).json
    assert "type=task.failed&" in form["body"]


async def test_they_are_chosen_by_type(api: Api) -> None:
    """A hook for one event wants no sample of another; `task.ended` is what it is."""
    for asked, types in (("task.updated", ["task.updated"]), ("task.ended", [*ENDS])):
        found = (await api("GET", f"/samples?type={asked}")).json
        assert [each["type"] for each in found] == types


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("type=task.succeded", "type", "did you mean 'task.succeeded'?"),
        ("format=xml", "format", "must be one of standard, flat"),
        ("event=task.failed", "event", "there is no such query parameter"),
    ],
)
async def test_faults_are_named(api: Api, query: str, field: str, message: str) -> None:
    """An empty list would look as if there were no such events."""
    answer = await api("GET", f"/samples?{query}")
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert message in answer.faults[field]
