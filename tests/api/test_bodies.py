"""Bodies: sizes, media types, and text that is not what it says it is."""

import asyncio
import io
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.types import Message

from bridge.api import body, form
from bridge.errors import RequestError
from tests.api.conftest import SHOP, Api

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GOOD = b'{"provider": "amux", "task_id": "t"}'


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", "the body is empty"),
        (b"  \n", "the body is empty"),
        (b'{"provider":\n "amux",}', "not JSON: line 2, column"),
        (b'{"a": NaN}', "not JSON: line 1, column 7"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b"[" * 5_000, "not JSON"),
        (b"[]", "must be an object, not a list"),
        (b'"{}"', "must be an object, not text"),
        (b"true", "must be an object, not true or false"),
        (b"7", "must be an object, not a number"),
        (b"null", "must be an object, not null"),
    ],
)
async def test_what_is_not_a_json_object_is_refused_with_the_place(
    api: Api, sent: bytes, told: str
) -> None:
    """A trailing comma is found at once if one is told where to look."""
    answer = await api("POST", "/subscribe", data=sent, headers=JSON)
    assert (answer.status, answer.code) == (400, "malformed_body")
    assert told in answer.json["detail"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json; profile=x; charset="utf-8"',
        "application/vnd.acme+json",
    ],
)
async def test_json_is_known_by_all_its_names(api: Api, content_type: str) -> None:
    """Libraries write the content type in many ways."""
    answer = await api(
        "POST", "/subscribe", data=GOOD, headers={"Content-Type": content_type}
    )
    assert answer.status == 202


async def test_a_byte_order_mark_is_overlooked(api: Api) -> None:
    """Files saved on Windows begin with one."""
    sent = b"\xef\xbb\xbf" + GOOD
    assert (await api("POST", "/subscribe", data=sent, headers=JSON)).status == 202


async def test_the_last_of_two_equal_keys_counts(api: Api) -> None:
    """As in every JSON parser around."""
    sent = b'{"provider": "no", "provider": "amux", "task_id": "t"}'
    assert (await api("POST", "/subscribe", data=sent, headers=JSON)).status == 202


async def test_a_number_beyond_64_bits_becomes_a_float(api: Api) -> None:
    """As docs/api.md warns; the largest that fits is kept to the last digit."""
    sent = (
        GOOD[:-1] + b', "metadata": {"a": 18446744073709551615, "b": 18446744073709551616}}'
    )
    answer = await api("POST", "/subscribe", data=sent, headers=JSON)
    largest, beyond = answer.json["metadata"].values()
    assert (largest, beyond, type(beyond)) == (2**64 - 1, 2.0**64, float)


async def test_a_body_without_a_content_type_is_read_as_json(api: Api) -> None:
    """Bare HTTP libraries send none."""
    _, _, host = api.url.rpartition("/")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    writer.write(
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: "
        + SHOP.encode()
        + f"\r\nContent-Length: {len(GOOD)}\r\n\r\n".encode()
        + GOOD
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 202")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Content-Type": "text/plain"}, "application/x-www-form-urlencoded"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "application/json"),
        ({"Content-Type": "application/json; charset=utf-16"}, "UTF-8"),
        (JSON | {"Content-Encoding": "gzip"}, "uncompressed"),
    ],
)
async def test_other_formats_are_refused_by_naming_those_that_are_read(
    api: Api, headers: dict[str, str], told: str
) -> None:
    """The remedy is in the answer."""
    answer = await api("POST", "/subscribe", data=GOOD, headers=headers)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert told in answer.json["detail"]


async def test_a_batch_is_json_only(api: Api) -> None:
    """A form has no way to write a list of requests."""
    answer = await api("POST", "/subscribe/batch", data=b"a=1", headers=FORM)
    assert answer.code == "unsupported_media_type"
    assert "form" not in answer.json["detail"]


async def test_a_body_that_says_it_is_too_large_is_not_read(api: Api) -> None:
    """The answer comes before the body has been sent."""
    answer = await api(
        "POST", "/subscribe", data=io.BytesIO(b" " * (body.MAX_BYTES + 1)), headers=JSON
    )
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert "1,048,576" in answer.json["detail"]


async def test_a_body_of_unknown_length_is_counted_while_it_comes(api: Api) -> None:
    """Else a chunked body would fill the memory."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 65_536

    answer = await api("POST", "/subscribe", data=chunks(), headers=JSON)
    assert answer.code == "body_too_large"


async def test_a_body_that_does_not_end_is_given_up() -> None:
    """A caller that stalls must not hold a connection for ever."""

    async def stalled() -> Message:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    request = Request({"type": "http", "headers": []}, stalled)
    with pytest.raises(RequestError) as caught:
        await body.read_body(request, timeout_s=0.001)
    assert caught.value.code == "body_timeout"


async def test_json_sent_as_a_form_is_recognised(api: Api) -> None:
    """It is what curl sends with -d alone."""
    answer = await api("POST", "/subscribe", data=GOOD, headers=FORM)
    assert answer.code == "malformed_body"
    assert "`Content-Type: application/json`" in answer.json["detail"]


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        (b"", {}),
        (b"a=1&b=", {"a": "1"}),
        (b"task_id=a+b%26", {"task_id": "a b&"}),
        (b"metadata.order=7", {"metadata": {"order": "7"}}),
        (b"metadata[order]=007&metadata[x.y]=", {"metadata": {"order": "007", "x.y": ""}}),
        (b"metadata.a[b].c=1", {"metadata": {"a": {"b": {"c": "1"}}}}),
        (b"metadata[l][]=1&metadata.l[]=2", {"metadata": {"l": ["1", "2"]}}),
        (b"metadata[l][1]=2&metadata.l[0]=1", {"metadata": {"l": ["1", "2"]}}),
        (
            b"metadata[l][0][a]=1&metadata[l][1].a=2",
            {"metadata": {"l": [{"a": "1"}, {"a": "2"}]}},
        ),
        (b"metadata[y][2026]=1", {"metadata": {"y": {"2026": "1"}}}),
        (b"metadata[l][0]=1&metadata[l][2]=2", {"metadata": {"l": {"0": "1", "2": "2"}}}),
        (b"metadata[0]=1", {"metadata": {"0": "1"}}),
        (b"params[]=&metadata[]=&headers[]=&events[]=", {"events": [""]}),
        (b'metadata=+{"a":[1]}', {"metadata": {"a": [1]}}),
        (b'metadata={"a":{"0":1}}&metadata.b=2', {"metadata": {"a": {"0": 1}, "b": "2"}}),
        (b"metadata=x", {"metadata": "x"}),
        (b"headers[X-A]=1", {"headers": {"X-A": "1"}}),
        (b"events=a,+b&events[]=c&events[7]=d", {"events": ["a", "b", "c", "d"]}),
        (b"signing_secret=a,b&signing_secret=c", {"signing_secret": ["a,b", "c"]}),
        (b"provider[]=a", {"provider": ["a"]}),
        (b"a[=1&=2&b[x]y=3", {"a[": "1", "": "2", "b[x]y": "3"}),
        ("\ufeffa=\u00fc".encode(), {"a": "\u00fc"}),
    ],
)
def test_a_form_is_the_object_it_spells(sent: bytes, fields: dict[str, object]) -> None:
    """Dots and brackets, as no-code tools and PHP write them; values stay text."""
    assert form.fields_of_form(sent) == fields


@pytest.mark.parametrize(
    ("sent", "code", "told"),
    [
        (b"a=1&a=2", "invalid_request", "a: given twice"),
        (b"metadata=x&metadata.a=1", "invalid_request", "both as a value and as an object"),
        (b"metadata.a=1&metadata={}", "invalid_request", "metadata: given twice"),
        (b"metadata={a}", "invalid_request", "metadata: not JSON"),
        (b"metadata.a=1&metadata.a[]=2", "invalid_request", "both as a list and as"),
        (b"metadata.a[]=1&metadata.a.b=2", "invalid_request", "as a value and as an"),
        (b"events.x=1&events=a", "invalid_request", "both as a list and as"),
        (b"metadata" + b".a" * 17 + b"=1", "invalid_request", "16 levels"),
        (b"a=%ff", "malformed_body", "UTF-8"),
        (b"\xff=1", "malformed_body", "UTF-8"),
        (b"&".join(b"f%d=1" % n for n in range(1_001)), "malformed_body", "1,000 fields"),
        (b"[1]", "malformed_body", "looks like JSON"),
    ],
)
def test_a_form_that_contradicts_itself_is_refused(
    sent: bytes, code: str, told: str
) -> None:
    """Guessing which of two values was meant would be wrong half of the time."""
    with pytest.raises(RequestError) as caught:
        form.fields_of_form(sent)
    assert caught.value.code == code
    assert told in caught.value.detail


async def test_all_faults_of_a_form_are_told(api: Api) -> None:
    """As with JSON."""
    answer = await api("POST", "/subscribe", data=b"a=1&a=2&b=1&b=2", headers=FORM)
    assert list(answer.faults) == ["a", "b"]
