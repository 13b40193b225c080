"""Messages of chat robots: within their sizes, signed as they check it, calling nobody."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.formats import ROBOTS, SIGNING, made
from bridge.messages.samples import samples
from bridge.model import Destination, Robot
from bridge.portable import encode

NOW = 1_795_608_000.123
EVENT = samples(NOW)[0]
HOOK = "https://chat.test/hook?a=%2f&b"
PLACES: Mapping[str, Any] = {
    "slack": lambda body: body["text"],
    "discord": lambda body: body["content"],
    "feishu": lambda body: body["content"]["text"],
    "dingtalk": lambda body: body["text"]["content"],
    "wecom": lambda body: body["text"]["content"],
}


def sent(
    kind: str, event: Mapping[str, Any] = EVENT, url: str = HOOK, **robot: Any
) -> tuple[str, bytes]:
    to = Destination(url=url, host="chat.test", robot=Robot(kind=kind, **robot))
    request = made(kind, "POST", to, [encode(event)], at=NOW)
    assert (request.method, request.content_type) == ("POST", "application/json")
    assert request.body is not None
    return request.url, request.body


def text_of(kind: str, body: bytes) -> str:
    return str(PLACES[kind](json.loads(body)))


def with_error(message: str, **data: Any) -> dict[str, Any]:
    error = {"code": "task_failed", "message": message, "hint": None}
    told = {**EVENT["data"], "result": None, "error": error, **data}
    return {**EVENT, "type": "task.failed", "data": told}


@pytest.mark.parametrize("kind", ROBOTS)
def test_each_robot_gets_the_text_where_it_looks_for_it(kind: str) -> None:
    """
    The minimal body of each, as its service documents it.
    """
    url, body = sent(kind)
    text = text_of(kind, body)
    assert text.startswith("✅ Test: sandbox task abcd1234efgh succeeded\nhttps://cdn.")
    assert url.startswith(HOOK)


def test_bodies_have_the_types_that_are_documented() -> None:
    assert json.loads(sent("feishu")[1])["msg_type"] == "text"
    assert json.loads(sent("dingtalk")[1])["msgtype"] == "text"
    assert json.loads(sent("wecom")[1])["msgtype"] == "text"


SIZES: Mapping[str, Any] = {
    "slack": lambda body: (len(text_of("slack", body)), 3_000),
    "discord": lambda body: (len(text_of("discord", body).encode("utf-16-le")) // 2, 2_000),
    "feishu": lambda body: (len(body), 20_000),
    "dingtalk": lambda body: (len(body), 20_000),
    "wecom": lambda body: (len(text_of("wecom", body).encode()), 2_048),
}


@pytest.mark.parametrize("kind", ROBOTS)
@given(
    message=st.text(max_size=600),
    metadata=st.dictionaries(st.text(max_size=200), st.text(max_size=200)),
    path=st.text("a/%20", max_size=3_000),
)
def test_a_message_is_never_too_large(
    kind: str, message: str, metadata: dict[str, str], path: str
) -> None:
    """
    Whatever is in it: a message that is refused for its size is refused for ever.
    """
    result: dict[str, Any] = {
        "url": f"https://x.test/{path}",
        "files": [],
        "url_missing_reason": None,
    }
    event = with_error(message, result=result, metadata=metadata)
    size, most = SIZES[kind](sent(kind, event, keyword="词" * 64)[1])
    assert size <= most


@pytest.mark.parametrize("kind", ROBOTS)
@pytest.mark.parametrize("fill", ["&<>", '"\\', "失", "🎬", "e\u0301"])
def test_the_worst_letters_fit_as_well(kind: str, fill: str) -> None:
    """
    Escapes and long letters take more room than they show.
    """
    metadata = {f"{n}{fill * 100}": fill * 200 for n in range(8)}
    event = with_error(fill * 1_000, metadata=metadata)
    size, most = SIZES[kind](sent(kind, event)[1])
    assert size <= most


def test_a_link_that_does_not_fit_is_left_out_whole() -> None:
    """
    WeCom takes 2,048 bytes; a signed link may have more.
    """
    result = {**EVENT["data"]["result"], "url": "https://x.test/" + "s" * 3_000}
    event = {**EVENT, "data": {**EVENT["data"], "result": result}}
    text = text_of("wecom", sent("wecom", event)[1])
    assert "x.test" not in text
    assert "sub_sample0" in text
    assert result["url"] in text_of("feishu", sent("feishu", event)[1])


@pytest.mark.parametrize("kind", ROBOTS)
def test_nobody_is_called_by_what_a_stranger_wrote(kind: str) -> None:
    """
    A provider's error message, or a caller's metadata, must not wake a whole company.
    """
    calls = '<!channel> <!here> <@U1> <at user_id="all">x</at> <@all> @everyone'
    body = sent(kind, with_error(calls))[1]
    text = text_of(kind, body)
    assert "<" not in text or kind in ("discord", "dingtalk")
    if kind == "discord":
        assert json.loads(body)["allowed_mentions"] == {"parse": []}
    if kind == "dingtalk":
        assert json.loads(body)["at"] == {"isAtAll": False}


def test_slack_gets_its_three_letters_escaped_and_no_others() -> None:
    """
    It shows them as they were; the & of a link is part of it.
    """
    result = {**EVENT["data"]["result"], "url": "https://x.test/?a=1&b=2"}
    event = {**EVENT, "data": {**EVENT["data"], "result": result}}
    assert "https://x.test/?a=1&amp;b=2\n" in text_of("slack", sent("slack", event)[1])


def test_a_link_cannot_pretend_to_be_another_one() -> None:
    """
    Discord draws [text](url) as a link named text.
    """
    event = with_error("[https://good.test](https://evil.test)")
    assert "](" not in text_of("discord", sent("discord", event)[1])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://d.test/api/webhooks/1/t", "https://d.test/api/webhooks/1/t?wait=true"),
        ("https://d.test/w?thread_id=7%2F", "https://d.test/w?thread_id=7%2F&wait=true"),
        ("https://d.test/w?wait=true&x=%2f", "https://d.test/w?wait=true&x=%2f"),
        ("https://d.test/w?wait=false&x=%2f", "https://d.test/w?wait=true&x=%2f"),
        ("https://d.test/w?x=1&wait=0", "https://d.test/w?x=1&wait=true"),
        ("https://d.test/w?await=0", "https://d.test/w?await=0&wait=true"),
    ],
)
def test_discord_is_asked_to_wait(url: str, expected: str) -> None:
    """
    Else it says 204 to a message that it does not keep.
    """
    assert sent("discord", url=url)[0] == expected


def test_feishu_finds_its_signature_in_the_body() -> None:
    """
    HMAC-SHA256 with the key "timestamp, newline, secret" over nothing, in seconds.
    """
    url, raw = sent("feishu", secret="s3cret")
    body = json.loads(raw)
    key = f"{body['timestamp']}\ns3cret".encode()
    assert body["timestamp"] == str(int(NOW))
    assert base64.b64decode(body["sign"]) == hmac.new(key, b"", hashlib.sha256).digest()
    assert (url, b"s3cret" in raw) == (HOOK, False)


def test_dingtalk_finds_its_signature_in_the_query() -> None:
    """
    HMAC-SHA256 with the secret over "timestamp, newline, secret", in milliseconds.
    """
    url, body = sent("dingtalk", secret="SECabc+/")
    added = url.removeprefix(HOOK + "&")
    query = parse_qs(added)
    assert query["timestamp"] == [str(int(NOW * 1000))]
    signed = f"{query['timestamp'][0]}\nSECabc+/".encode()
    proof = hmac.new(b"SECabc+/", signed, hashlib.sha256).digest()
    assert base64.b64decode(query["sign"][0]) == proof
    raw = added.partition("sign=")[2]
    assert "+" not in raw
    assert "/" not in raw
    assert unquote(raw) == query["sign"][0]
    assert b"SECabc" not in body


@pytest.mark.parametrize("kind", SIGNING)
def test_without_a_secret_nothing_is_signed(kind: str) -> None:
    url, body = sent(kind)
    assert url == HOOK
    assert b"sign" not in body


@pytest.mark.parametrize("kind", SIGNING)
def test_the_keyword_is_in_every_message_once(kind: str) -> None:
    """
    However long the rest is; and where the text has it anyway, nothing is added.
    """
    long = with_error("x" * 5_000, metadata={f"k{n}": "y" * 200 for n in range(20)})
    assert text_of(kind, sent(kind, long, keyword="视频完成")[1]).startswith("视频完成\n❌")
    said = text_of(kind, sent(kind, keyword="succeeded")[1])
    assert said == text_of(kind, sent(kind)[1])


def test_the_same_message_is_made_again_on_a_retry() -> None:
    """
    Only the time of the proof differs.
    """
    assert sent("slack") == sent("slack")


def test_a_robot_that_was_not_described_is_spoken_to_all_the_same() -> None:
    """
    A sample or a test has nothing but the format's name.
    """
    to = Destination(url=HOOK, host="chat.test")
    request = made("wecom", "POST", to, [encode(EVENT)], at=NOW)
    assert request.body == sent("wecom")[1]
