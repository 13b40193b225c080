"""The request that each format makes, and that what is signed is what is sent."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from bridge.formats import FORMATS, ROBOTS, flat, made
from bridge.messages.samples import samples
from bridge.model import Destination
from bridge.portable import encode
from tests.conftest import FakeClock
from tests.promises.wired import wired

NOW = 1_795_608_000.0
EVENT = samples(NOW)[0]
BODY = encode(EVENT)
TO = Destination(url="https://app.test/hook?sig=a%2Fb", host="app.test")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.mark.parametrize("format_name", [each for each in FORMATS if each != "query"])
def test_a_post_says_what_its_body_is(format_name: str) -> None:
    """
    Tools look at the type before they look at the body.
    """
    request = made(format_name, "POST", TO, [BODY], at=NOW)
    assert request.method == "POST"
    assert request.content_type == (FORM if format_name == "form" else JSON)
    assert request.query is None
    assert request.body


@pytest.mark.parametrize(
    ("format_name", "method"), [("query", "POST"), ("standard", "GET"), ("flat", "GET")]
)
def test_a_get_has_its_facts_in_the_url_and_no_body(format_name: str, method: str) -> None:
    """
    By either name.
    """
    request = made(format_name, method, TO, [BODY], at=NOW)
    assert (request.method, request.body, request.content_type) == ("GET", None, None)
    assert request.url.startswith(TO.url + "&id=msg_")
    assert request.query == request.url.partition("?")[2].encode()


def test_only_robots_are_told_of_several_at_once() -> None:
    """
    Programs count on one event in each webhook.
    """
    for kind in ROBOTS:
        body = made(kind, "POST", TO, [BODY] * 3, at=NOW).body
        assert "3 videos finished" in (body or b"").decode()


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown format"):
        made("xml", "POST", TO, [BODY], at=NOW)


@pytest.mark.parametrize("format_name", ["form", "flat", "standard"])
async def test_the_signature_covers_the_body_as_it_is_sent(
    tmp_path: Path, clock: FakeClock, format_name: str
) -> None:
    """
    A form is verified as it arrived, by the same rule as JSON.
    """
    async with wired(tmp_path, clock) as node:
        url = node.receiver.url + "/ok"
        await node.subscribe("succeed-1s", url, format=format_name)
        for _ in range(5):
            await node.turn(2.0)
        [received] = node.receiver.requests
        assert received.fault is None
        kind = FORM if format_name == "form" else JSON
        assert received.headers["content-type"] == kind
        if format_name == "form":
            told = parse_qs(received.body.decode(), keep_blank_values=True)
            assert set(told) == set(
                flat({**EVENT, "data": EVENT["data"] | {"metadata": {}}})
            )
            assert told["ok"] == ["true"]
