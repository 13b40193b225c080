"""GET /schemas: the schemas of what is sent, for everybody."""

import pytest

from bridge import schemas
from tests.api.conftest import Api


async def test_a_schema_is_served_without_a_key(api: Api) -> None:
    """Low-code tools and generators of code fetch it by its URL."""
    for _ in range(2):
        answer = await api("GET", "/schemas/flat/task.failed.json", key=None)
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/schema+json"
        assert answer.body == schemas.document("flat", "task.failed")


async def test_they_are_listed(api: Api) -> None:
    """By format, as they are asked for."""
    found = (await api("GET", "/schemas", key=None)).json
    assert found == {name: [*names] for name, names in schemas.KNOWN.items()}
    for format_name, names in found.items():
        path = f"/schemas/{format_name}/{names[-1]}.json"
        assert (await api("GET", path, key=None)).status == 200


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("flatt/task.json", "no format 'flatt'; did you mean flat? Known: standard, flat"),
        ("xml/task.json", "no format 'xml'; known: standard, flat, form, query, slack"),
        ("flat/task.faild.json", "did you mean task.failed.json? Known: task.json, task.e"),
        ("flat/task.failed", "did you mean task.failed.json?"),
        ("flat/zzzz", "no schema in flat 'zzzz'; known: task.json, task.ended.json"),
        ("slack/task.failed.json", "'task.failed.json'; known: message.json"),
        ("flat/" + "x" * 5_000, "known: task.json"),
    ],
)
async def test_one_that_is_not_there_is_told_with_those_that_are(
    api: Api, path: str, advice: str
) -> None:
    """Whoever guesses a name finds the right one in the answer."""
    answer = await api("GET", f"/schemas/{path}", key=None)
    assert (answer.status, answer.code) == (404, "not_found")
    assert advice in answer.json["detail"]
    assert len(answer.json["detail"]) < 1_000
